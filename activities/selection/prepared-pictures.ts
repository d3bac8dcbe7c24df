/**
 * Pictures on their way to a model. Each is decoded as it comes and only what the model sees of it is kept, so that neither the size of
 * a file nor that of a photograph counts by the batch: in memory are one file, its pixels, and a batch of the model's own size.
 */
import { pixelValues } from '../../inference/image/preprocess.ts';
import type { ImageProcessor } from '../../inference/image/processor.ts';
import { PACKED_LIMITS } from '../data/images/pictures.ts';

/** Few: a batch computes on the event loop's thread. */
const BATCH = 8;

interface File {
  /** What messages call it. */
  readonly image: string;
  readonly bytes: Uint8Array;
}

export interface PreparedBatch<Row> {
  readonly rows: readonly Row[];
  /** Of each row as `ImageModel.runPixels` takes it. */
  readonly pixels: readonly Float32Array[];
}

/** In order; `bytes` of a picture may be overwritten once the next is asked for. Throws BadData naming the one that cannot be decoded. */
export async function* preparedPictures<Row extends File>(
  pictures: AsyncIterable<Row>,
  processor: ImageProcessor,
  signal: AbortSignal,
): AsyncGenerator<PreparedBatch<Omit<Row, 'bytes'>>> {
  let [rows, pixels]: [Omit<Row, 'bytes'>[], Float32Array[]] = [[], []];
  for await (const { bytes, ...row } of pictures) {
    signal.throwIfAborted();
    pixels.push(await pixelValues(bytes, processor, { where: row.image, limits: PACKED_LIMITS }));
    rows.push(row);
    if (rows.length < BATCH) continue;
    yield { rows, pixels };
    [rows, pixels] = [[], []];
  }
  if (rows.length > 0) yield { rows, pixels };
}

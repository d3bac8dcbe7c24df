/** Pictures as nothing but their colours: what an embedding must beat to be worth a model. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { decodePicture } from '../../inference/image/decode.ts';
import { resample } from '../../inference/image/resample.ts';
import { toUnitLength } from '../../inference/retrieval/nearest.ts';
import type { Split } from '../contract/data.ts';
import { loadPictures, PACKED_LIMITS } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';

/** Small enough that a picture moved by a little stays near itself. */
const EDGE = 16;
export const PIXEL_DIMENSION = EDGE * EDGE * 3;
/** Pillow's number of the filter. */
const BILINEAR = 2;

interface Shrunk {
  readonly dataset: ArtifactRef;
  readonly split: Split;
  /** Which ids; all when missing. */
  readonly isWanted?: (id: string) => boolean;
}

/** A split's pictures, each shrunk to 16 × 16: row-major [rows, PIXEL_DIMENSION], 0–255, in the dataset's order. */
export async function loadPixels(
  { dataset, split, isWanted = () => true }: Shrunk,
  { store, signal, progress }: Pick<StepContext, 'store' | 'signal' | 'progress'>,
): Promise<Float32Array> {
  const rows: Uint8Array[] = [];
  for await (const { id, image, bytes } of loadPictures(store, dataset, split, signal)) {
    if (!isWanted(id)) continue;
    const picture = await decodePicture(bytes, image, PACKED_LIMITS);
    rows.push(resample(picture, { width: EDGE, height: EDGE, filter: BILINEAR }).pixels);
    progress({ phase: `pixels of ${split}`, done: rows.length });
  }
  const pixels = new Float32Array(rows.length * PIXEL_DIMENSION);
  for (const [row, values] of rows.entries()) pixels.set(values, row * PIXEL_DIMENSION);
  return pixels;
}

/** Both less the gallery's mean picture, at length 1: the angle between raw pixels is that of their brightness alone. */
export function centredPixels(
  gallery: Float32Array,
  queries: Float32Array,
): { readonly gallery: Float32Array; readonly queries: Float32Array } {
  const rows = gallery.length / PIXEL_DIMENSION;
  const mean = new Float64Array(PIXEL_DIMENSION);
  for (const [at, value] of gallery.entries()) mean[at % PIXEL_DIMENSION]! += value / rows;
  const centred = (pixels: Float32Array): Float32Array =>
    toUnitLength(
      pixels.map((value, at) => value - mean[at % PIXEL_DIMENSION]!),
      PIXEL_DIMENSION,
    );
  return { gallery: centred(gallery), queries: centred(queries) };
}

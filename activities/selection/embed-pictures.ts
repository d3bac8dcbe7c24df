/** A split's pictures through an exported encoder, streamed: a batch of them is in memory, and all embeddings. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import type { Split } from '../contract/data.ts';
import { loadPictureRows, loadPictures } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';
import type { LabelledEmbeddings } from './knn.ts';

const BATCH = 8;

/** Throws BadData where rows and pictures differ or a label is unknown, BadModel for an embedding that is not finite. */
export async function embedPictures(
  model: ImageModel,
  {
    dataset,
    split,
    labels,
  }: { readonly dataset: ArtifactRef; readonly split: Split; readonly labels: readonly string[] },
  { store, signal, progress }: Pick<StepContext, 'store' | 'signal' | 'progress'>,
): Promise<LabelledEmbeddings> {
  const rows = await loadPictureRows(store, dataset, split, signal);
  const { dimension } = model.config;
  const embeddings = new Float32Array(rows.length * dimension);
  let batch: Uint8Array[] = [];
  let done = 0;
  const flush = async (): Promise<void> => {
    const names = rows.slice(done, done + batch.length).map(({ image }) => image);
    const output = await model.runAll(batch, { signal, names });
    const wrong = output.embeddings.findIndex((value) => !Number.isFinite(value));
    if (wrong !== -1) throw notFinite(names[Math.floor(wrong / dimension)] ?? split);
    embeddings.set(output.embeddings, done * dimension);
    done += batch.length;
    batch = [];
    progress({ phase: `embedding ${split}`, done, total: rows.length });
  };
  let place = 0;
  for await (const { image, bytes } of loadPictures(store, dataset, split, signal)) {
    if (rows[place++]?.image !== image) break;
    batch.push(bytes);
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  if (done !== rows.length || place !== rows.length) {
    throw new EspalierError('BadData', `${split}.tar does not hold the pictures of ${split}.jsonl in their order`, {
      where: `${split}.tar`,
      fix: 'prepare the data again',
    });
  }
  return {
    embeddings,
    classes: Int32Array.from(rows, ({ id, label }) => classOf(labels, label, `${split} row ${id}`)),
  };
}

function classOf(labels: readonly string[], label: string, where: string): number {
  const index = labels.indexOf(label);
  if (index !== -1) return index;
  throw new EspalierError('BadData', `${where} has the label '${label}', which is none of ${labels.join(', ')}`, {
    where,
  });
}

function notFinite(picture: string): EspalierError {
  return new EspalierError('BadModel', `the encoder gives no finite embedding for ${picture}`, {
    where: 'model.onnx',
    fix: 'the weights hold NaN or infinite numbers, or overflow in this precision: use another candidate',
  });
}

/** A split's pictures through an exported encoder, streamed: a batch of them is in memory, and all answers. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import type { Split } from '../contract/data.ts';
import { loadPictureRows, loadPictures } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';
import type { LabelledEmbeddings } from './knn.ts';

const BATCH = 8;

/** Of a classifier's answers `probabilities`, row-major [rows, labels]; of an encoder's they are empty. */
export interface AnsweredPictures extends LabelledEmbeddings {
  readonly ids: readonly string[];
  readonly probabilities: Float32Array;
}

/** Throws BadData where rows and pictures differ or a label is unknown, BadModel for an embedding that is not finite. */
export async function embedPictures(
  model: ImageModel,
  {
    dataset,
    split,
    labels,
    only,
  }: {
    readonly dataset: ArtifactRef;
    readonly split: Split;
    readonly labels: readonly string[];
    /** Places of the rows that are asked, ascending; all when missing. */
    readonly only?: readonly number[];
  },
  { store, signal, progress }: Pick<StepContext, 'store' | 'signal' | 'progress'>,
): Promise<AnsweredPictures> {
  const all = await loadPictureRows(store, dataset, split, signal);
  const chosen = only === undefined ? undefined : new Set(only);
  const rows = chosen === undefined ? all : all.filter((_, row) => chosen.has(row));
  const { dimension } = model.config;
  const classes = model.config.kind === 'classifier' ? model.config.labels.length : 0;
  const probabilities = new Float32Array(rows.length * classes);
  const embeddings = new Float32Array(rows.length * dimension);
  let batch: Uint8Array[] = [];
  let done = 0;
  const flush = async (): Promise<void> => {
    const names = rows.slice(done, done + batch.length).map(({ image }) => image);
    const output = await model.runAll(batch, { signal, names });
    const wrong = output.embeddings.findIndex((value) => !Number.isFinite(value));
    if (wrong !== -1) throw notFinite(names[Math.floor(wrong / dimension)] ?? split);
    embeddings.set(output.embeddings, done * dimension);
    const answered = output.probabilities ?? new Float32Array();
    if (!answered.every(Number.isFinite)) throw notFinite(names[0] ?? split);
    if (classes > 0) probabilities.set(answered, done * classes);
    done += batch.length;
    batch = [];
    progress({ phase: `embedding ${split}`, done, total: rows.length });
  };
  let place = 0;
  for await (const { image, bytes } of loadPictures(store, dataset, split, signal)) {
    const row = place++;
    if (all[row]?.image !== image) break;
    if (chosen?.has(row) === false) continue;
    batch.push(bytes);
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  if (done !== rows.length || place !== all.length) {
    throw new EspalierError('BadData', `${split}.tar does not hold the pictures of ${split}.jsonl in their order`, {
      where: `${split}.tar`,
      fix: 'prepare the data again',
    });
  }
  return {
    ids: rows.map(({ id }) => id),
    embeddings,
    probabilities,
    classes: Int32Array.from(rows, ({ id, label }) => classOf(labels, label, `${split} row ${id}`)),
  };
}

/** Throws BadData naming `where` for a label that is none of `labels`. */
export function classOf(labels: readonly string[], label: string, where: string): number {
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

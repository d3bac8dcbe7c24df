/** A split's pictures through an exported encoder, streamed: one file and a batch of what the model sees are in memory. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import type { PictureSet } from '../contract/data.ts';
import { countPictures, loadPictures, type PictureRow } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';
import type { LabelledEmbeddings } from './knn.ts';
import { preparedPictures, type PreparedBatch } from './prepared-pictures.ts';

/** Of a classifier's answers `probabilities`, row-major [rows, labels]; of an encoder's they are empty. */
export interface AnsweredPictures extends LabelledEmbeddings {
  readonly ids: readonly string[];
  readonly probabilities: Float32Array;
  /** Missing where the dataset has none. */
  readonly groups?: readonly Readonly<Record<string, string>>[];
}

interface Asked {
  readonly dataset: ArtifactRef;
  readonly split: PictureSet;
  readonly labels: readonly string[];
  /** Places of the rows that are asked, ascending; all when missing. */
  readonly only?: readonly number[];
  /** Which ids are asked; all when missing. */
  readonly isWanted?: (id: string) => boolean;
}
type Context = Pick<StepContext, 'store' | 'signal' | 'progress'>;

/**
 * A batch at a time, in the rows' order. Throws BadData where rows and pictures differ or a label is unknown, BadModel for an
 * embedding that is not finite.
 */
export async function* pictureBlocks(
  model: ImageModel,
  { dataset, split, labels, only, isWanted = () => true }: Asked,
  { store, signal, progress }: Context,
): AsyncGenerator<AnsweredPictures> {
  const all = await countPictures(store, dataset, split, signal);
  const chosen = only === undefined ? undefined : new Set(only);
  const total = only?.length ?? all;
  const { dimension } = model.config;
  const answer = async ({ rows, pixels }: PreparedBatch<PictureRow>): Promise<AnsweredPictures> => {
    const { embeddings, probabilities = new Float32Array() } = await model.runPixels(pixels);
    const wrong = embeddings.findIndex((value) => !Number.isFinite(value));
    if (wrong !== -1) throw notFinite(rows[Math.floor(wrong / dimension)]?.image ?? split);
    if (!probabilities.every(Number.isFinite)) throw notFinite(rows[0]?.image ?? split);
    return {
      ids: rows.map(({ id }) => id),
      embeddings,
      probabilities,
      classes: Int32Array.from(rows, ({ id, label }) => classOf(labels, label, `${split} row ${id}`)),
      ...(rows.some(({ groups }) => groups !== undefined) ? { groups: rows.map(({ groups }) => groups ?? {}) } : {}),
    };
  };
  let [place, done] = [0, 0];
  async function* askedPictures(): AsyncGenerator<PictureRow & { readonly bytes: Uint8Array }> {
    for await (const picture of loadPictures(store, dataset, split, signal)) {
      const row = place++;
      if (chosen?.has(row) !== false && isWanted(picture.id)) yield picture;
    }
  }
  for await (const batch of preparedPictures(askedPictures(), model.config.processor, signal)) {
    yield await answer(batch);
    done += batch.rows.length;
    progress({ phase: `embedding ${split}`, done, total });
  }
  if (place === all) return;
  throw new EspalierError('BadData', `${split}.tar does not hold the pictures of ${split}.jsonl in their order`, {
    where: `${split}.tar`,
    fix: 'prepare the data again',
  });
}

/** All of them at once, for whoever learns from them; only the pictures are streamed. */
export async function embedPictures(model: ImageModel, asked: Asked, context: Context): Promise<AnsweredPictures> {
  const blocks: AnsweredPictures[] = [];
  for await (const block of pictureBlocks(model, asked, context)) blocks.push(block);
  return {
    ids: blocks.flatMap(({ ids }) => ids),
    classes: Int32Array.from(blocks.flatMap(({ classes }) => [...classes])),
    embeddings: joined(blocks.map(({ embeddings }) => embeddings)),
    probabilities: joined(blocks.map(({ probabilities }) => probabilities)),
  };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
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

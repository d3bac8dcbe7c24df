/** What noise, blur, JPEG, light and a tilted camera cost those who search by pictures: a photograph of a phone asks a clean gallery. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ImageModel } from '../../inference/image-model.ts';
import type { Corruption } from '../validation/corruptions.ts';
import { costOfCorruption, type Corrupted } from '../validation/picture-robustness.ts';
import type { Gallery } from './gallery.ts';
import { recallAt } from './metrics.ts';
import { rankGallery } from './query-figures.ts';
import { similarityRows } from './similarities.ts';

/** Finds one of its label among the first k. */
const FINDS = 1;

/**
 * Recall@k of the pictures as they are minus that of the same ones corrupted, ranked exactly. Files are called by their rows' ids;
 * those that the gallery has nothing for are left out.
 */
export async function measureCorruptedQueries(
  model: Pick<ImageModel, 'runAll' | 'config'>,
  gallery: Gallery,
  files: readonly string[],
  options: {
    readonly k: number;
    readonly classOf: (id: string) => number;
    readonly seed: number;
    readonly signal: AbortSignal;
    readonly onProgress?: (done: number, total: number) => void;
    /** Those of the package by default. */
    readonly corruptions?: readonly Corruption[];
  },
): Promise<Corrupted> {
  const { k, classOf, signal } = options;
  const {
    ids,
    rows: { classes },
  } = gallery;
  const asking = files.flatMap((file) => {
    const id = basename(file);
    const label = classOf(id);
    const isAnswered = ids.some((known, row) => known !== id && classes[row] === label);
    return isAnswered ? [{ id, label, expected: FINDS, read: () => readFile(file, { signal }) }] : [];
  });
  const { crop } = model.config.processor;
  const answer = async (pictures: readonly Uint8Array[], place: number): Promise<Int32Array> => {
    const { id, label } = asking[place]!;
    const { rows, embeddings } = await model.runAll(pictures, { signal });
    const answers: number[] = [];
    for await (const similarities of similarityRows(gallery, { rows, embeddings }, signal)) {
      // Of equally near ones no order is right: the more likely one counts.
      answers.push(Number(recallAt(rankGallery(gallery, similarities, label, id), k) >= 0.5));
    }
    return Int32Array.from(answers);
  };
  return costOfCorruption({ edge: Math.max(crop.height, crop.width), answer }, asking, options);
}

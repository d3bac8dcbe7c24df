/** What noise, blur, JPEG, light and a tilted camera cost those who search by pictures: a photograph of a phone asks a clean gallery. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ImageModel } from '../../inference/image-model.ts';
import type { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { costOfCorruption, type Corrupted } from '../validation/picture-robustness.ts';
import { recallAt } from './metrics.ts';
import { embeddedSimilarities, rankGallery } from './query-figures.ts';

/** Finds one of its label among the first k. */
const FINDS = 1;

/**
 * Recall@k of the pictures as they are minus that of the same ones corrupted, ranked exactly. Files are called by their rows' ids;
 * those that the gallery has nothing for are left out.
 */
export async function measureCorruptedQueries(
  model: Pick<ImageModel, 'runAll' | 'config'>,
  index: EmbeddingIndex,
  files: readonly string[],
  options: {
    readonly k: number;
    readonly classOf: (id: string) => number;
    readonly seed: number;
    readonly signal: AbortSignal;
    readonly onProgress?: (done: number, total: number) => void;
  },
): Promise<Corrupted> {
  const { k, classOf, signal } = options;
  const { ids, classes } = index.header;
  const asking = files.flatMap((file) => {
    const id = basename(file);
    const label = classOf(id);
    const isAnswered = ids.some((known, row) => known !== id && classes[row] === label);
    return isAnswered ? [{ id, label, expected: FINDS, read: () => readFile(file, { signal }) }] : [];
  });
  const { crop } = model.config.processor;
  const answer = async (pictures: readonly Uint8Array[], place: number): Promise<Int32Array> => {
    const { id, label } = asking[place]!;
    const similaritiesOf = embeddedSimilarities(index, await model.runAll(pictures, { signal }));
    // Of equally near ones no order is right: the more likely one counts.
    return Int32Array.from(pictures, (_, query) =>
      Number(recallAt(rankGallery(index, similaritiesOf(query), label, id), k) >= 0.5),
    );
  };
  return costOfCorruption({ edge: Math.max(crop.height, crop.width), answer }, asking, options);
}

/** What data preparation saw of pictures, as the evaluation needs it: nothing is decoded for it, and training rows pass by one by one. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { Score } from '../contract/measures.ts';
import { hashOfHex, nearHashes } from '../data/images/perceptual-hash.ts';
import { pictureRows, type PictureRow } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';
import { notMeasured, plainScore } from './scores.ts';
import { pictureSlices, type Slice } from './slices.ts';
import { timeSlice } from './time-slice.ts';

export interface SeenPictures {
  /** Of the test rows that are kept. */
  readonly slices: readonly Slice[];
  readonly leakedTestRows: Score;
  /** A training row by the test row, of those that are kept, that repeats it. */
  readonly twins: ReadonlyMap<number, string>;
}

/** Of `dataset.json`. */
const OriginSchema = z.object({ pictures: z.object({ nearDistance: z.int().min(0).max(10) }) });

/** `places`: of the test rows that are kept, ascending. */
export async function seenPictures(
  dataset: ArtifactRef,
  places: readonly number[],
  { store, signal }: Pick<StepContext, 'store' | 'signal'>,
): Promise<SeenPictures> {
  const kept = await rowsAt(pictureRows(store, dataset, 'test', signal), places);
  const seen = kept.flatMap((row) => row.seen ?? []);
  if (seen.length < kept.length) {
    return {
      slices: [],
      leakedTestRows: notMeasured('the rows of the pictures do not say how they look'),
      twins: new Map(),
    };
  }
  const file = await store.fileInTree(dataset, 'dataset.json', signal);
  const { pictures } = OriginSchema.parse(JSON.parse(await readFile(file, 'utf8')));
  const train = pictureRows(store, dataset, 'train', signal);
  const twins = await findPictureTwins(kept, train, pictures.nearDistance, signal);
  return { slices: pictureSlices(seen), leakedTestRows: plainScore(twins.size / kept.length, kept.length), twins };
}

/** The first picture of `train` that is one of `test`, or looks nearly like it, by the latter's place. One of a single colour has no near twin. */
export async function findPictureTwins(
  test: readonly PictureRow[],
  train: AsyncIterable<PictureRow>,
  distance: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<number, string>> {
  const hashes = test.map(({ seen }) => (seen?.hash === undefined ? undefined : hashOfHex(seen.hash)));
  const nearOnes = nearHashes(hashes, distance);
  const placeOf = new Map(test.map(({ id }, place) => [id, place]));
  const found = new Map<number, string>();
  const looked = new Set<string>();
  const pause = timeSlice(signal);
  for await (const { id, seen } of train) {
    const same = placeOf.get(id);
    if (same !== undefined && !found.has(same)) found.set(same, id);
    if (seen?.hash === undefined || looked.has(seen.hash)) continue;
    looked.add(seen.hash);
    for (const place of nearOnes(hashOfHex(seen.hash))) if (!found.has(place)) found.set(place, id);
    await pause();
  }
  return found;
}

/** Those at these places, in their order. */
export async function rowsAt(
  rows: AsyncIterable<PictureRow>,
  places: readonly number[],
): Promise<readonly PictureRow[]> {
  const wanted = new Set(places);
  const found: PictureRow[] = [];
  let place = 0;
  for await (const row of rows) if (wanted.has(place++)) found.push(row);
  return found;
}

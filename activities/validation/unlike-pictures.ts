/**
 * Pictures none of which is another's kin (a burst, a scene), by embeddings alone: which half of a test kin stand in tells them again. Pure
 * but for turns that it gives others.
 */
import { similarityOf } from '../../inference/retrieval/nearest.ts';
import { seededRandom, shuffleStart } from './random.ts';
import { timeSlice } from './time-slice.ts';

/** Of the usual distance (1 − cosine) of pictures of one label. */
const KIN_SHARE = 1 / 3;
/** As near as this is the same: lengths are 1 but for the rounding of floats. */
const SAME = 1e-6;

export interface Pictures {
  /** Row-major, of length 1. */
  readonly embeddings: Float32Array;
  readonly classes: Int32Array;
}

interface Options {
  readonly dimension: number;
  readonly seed: number;
  readonly signal: AbortSignal;
}

/** Median distances of pairs; of one label null where no two have one. */
interface Distances {
  readonly all: number;
  readonly ofLabel: number | null;
}

/**
 * Places of those kept of each side, in a seeded order: no two of a side are nearer than a third of what is usual among pictures of one
 * label there. The usual distance is the side's own median over all pairs, of which kin are few, times how much nearer two of one label
 * are in the gallery: of queries all of a label may be one burst, and queries from elsewhere lie closer together. O(rows² × dimension).
 */
export async function unlikePictures(
  gallery: Pictures,
  queries: Pictures,
  options: Options,
): Promise<readonly [readonly number[], readonly number[]]> {
  const here = await usualDistances(gallery, options);
  const there = await usualDistances(queries, options);
  const nearer = here.ofLabel === null || here.all <= 0 ? 1 : Math.min(1, here.ofLabel / here.all);
  const kept = (side: Pictures, { all }: Distances) => farApart(side, KIN_SHARE * nearer * all, options);
  return [await kept(gallery, here), await kept(queries, there)];
}

async function usualDistances({ embeddings, classes }: Pictures, { dimension, signal }: Options): Promise<Distances> {
  const all: number[] = [];
  const ofLabel: number[] = [];
  const slice = timeSlice(signal);
  for (let row = 0; row < classes.length; row++) {
    await slice();
    const asking = embeddings.subarray(row * dimension, (row + 1) * dimension);
    for (let other = 0; other < row; other++) {
      const distance = 1 - similarityOf(embeddings, other, asking);
      all.push(distance);
      if (classes[other] === classes[row]) ofLabel.push(distance);
    }
  }
  return { all: median(all) ?? 0, ofLabel: median(ofLabel) };
}

/** Each in turn is kept where none that is kept already is nearer than `least`. */
async function farApart(
  { embeddings, classes }: Pictures,
  least: number,
  { dimension, seed, signal }: Options,
): Promise<readonly number[]> {
  const order = Array.from(classes, (_, row) => row);
  shuffleStart(order, order.length, seededRandom(seed, 31));
  const kept: number[] = [];
  const slice = timeSlice(signal);
  for (const row of order) {
    await slice();
    const asking = embeddings.subarray(row * dimension, (row + 1) * dimension);
    if (kept.every((other) => 1 - similarityOf(embeddings, other, asking) > Math.max(SAME, least))) kept.push(row);
  }
  return kept;
}

function median(values: readonly number[]): number | null {
  return Float64Array.from(values).sort()[Math.floor(values.length / 2)] ?? null;
}

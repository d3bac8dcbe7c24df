/**
 * Pictures that are near kin (a burst, a scene), by embeddings alone, and pictures none of which is another's: which half of a test kin
 * stand in tells them again. Kin are nearer than a third of what is usual among pictures of one label on their side. The usual distance is the
 * side's own median over all pairs, of which kin are few, times how much nearer two of one label are in the gallery (training pictures): of
 * queries all of a label may be one burst, and queries from elsewhere lie closer together. O(rows² × dimension). Pure but for turns that it
 * gives others.
 */
import { similarityOf } from '../../inference/retrieval/nearest.ts';
import { seededRandom, shuffleStart } from './random.ts';
import { families, type Kin } from './kin.ts';
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

interface Distances {
  /** Of each pair: those of a row with all before it, row by row. */
  readonly all: readonly number[];
  /** The least of two that are no kin. */
  readonly least: number;
}

/** Places of those kept of each side, in a seeded order: no two of a side are kin. */
export async function unlikePictures(
  gallery: Pictures,
  queries: Pictures,
  options: Options,
): Promise<readonly [readonly number[], readonly number[]]> {
  const [here, there] = await bothDistances(gallery, queries, options);
  return [await farApart(gallery, here.least, options), await farApart(queries, there.least, options)];
}

/** Kin of each side: of every picture those near it, and families of such. */
export async function kinPictures(
  gallery: Pictures,
  queries: Pictures,
  options: Omit<Options, 'seed'>,
): Promise<readonly [Kin, Kin]> {
  const [here, there] = await bothDistances(gallery, queries, options);
  return [
    await nearPairs(here, gallery.classes.length, options),
    await nearPairs(there, queries.classes.length, options),
  ];
}

async function bothDistances(
  gallery: Pictures,
  queries: Pictures,
  options: Omit<Options, 'seed'>,
): Promise<readonly [Distances, Distances]> {
  const here = await distancesIn(gallery, options);
  const there = await distancesIn(queries, options);
  const usual = median(here.all) ?? 0;
  const ofLabel = median(here.ofLabel);
  const nearer = ofLabel === null || usual <= 0 ? 1 : Math.min(1, ofLabel / usual);
  const leastOf = (all: number): number => Math.max(SAME, KIN_SHARE * nearer * all);
  return [
    { all: here.all, least: leastOf(usual) },
    { all: there.all, least: leastOf(median(there.all) ?? 0) },
  ];
}

async function distancesIn(
  { embeddings, classes }: Pictures,
  { dimension, signal }: Omit<Options, 'seed'>,
): Promise<{ readonly all: readonly number[]; readonly ofLabel: readonly number[] }> {
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
  return { all, ofLabel };
}

async function nearPairs({ all, least }: Distances, rows: number, { signal }: Pick<Options, 'signal'>): Promise<Kin> {
  const kin = Array.from({ length: rows }, (): number[] => []);
  const slice = timeSlice(signal);
  let pair = 0;
  for (let row = 0; row < rows; row++) {
    await slice();
    for (let other = 0; other < row; other++) {
      if (all[pair++]! > least) continue;
      kin[row]!.push(other);
      kin[other]!.push(row);
    }
  }
  return { groups: families(kin), kin };
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
    if (kept.every((other) => 1 - similarityOf(embeddings, other, asking) > least)) kept.push(row);
  }
  return kept;
}

function median(values: readonly number[]): number | null {
  return Float64Array.from(values).sort()[Math.floor(values.length / 2)] ?? null;
}

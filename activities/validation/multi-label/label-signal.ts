/**
 * Whether sets of labels have anything to do with their rows: label-signal.ts of several labels a row. A row may have any number of
 * labels, and most rows lack most of them, so what is known of held-out rows is the balanced accuracy of each label (the mean
 * of the shares of rows with it and without it that are recognised; one half by chance), on average over the labels. Whole sets are
 * shuffled among the rows: labels that come together stay together. Pure.
 */
import { normaliseRows } from '../../selection/knn.ts';
import { SHUFFLES, type LabelSignal } from '../label-signal.ts';
import { sampleIndices, seededRandom, shuffleStart } from '../random.ts';
import { timeSlice } from '../time-slice.ts';

/** Held-out rows × labels that each shuffling is asked: with more, balanced accuracy is no longer known visibly better. */
const HELD_CELLS = 200_000;
const HELD_ROWS = 2000;

/** `targets`: whether a label applies, 0 or 1, row-major [rows, labels]. */
export interface EmbeddedSets {
  readonly embeddings: Float32Array;
  readonly targets: Uint8Array;
}

/** null where no label has training and held-out rows with it and without it. */
export async function setSignal(
  train: EmbeddedSets,
  held: EmbeddedSets,
  options: {
    readonly dimension: number;
    readonly labels: number;
    readonly seed: number;
    readonly signal?: AbortSignal;
  },
): Promise<LabelSignal | null> {
  const { dimension, labels, seed } = options;
  const most = Math.max(1, Math.min(HELD_ROWS, Math.floor(HELD_CELLS / labels)));
  const places = sampleIndices(held.targets.length / labels, most, seededRandom(seed, 16));
  const truth = Uint8Array.from(places.flatMap((row) => [...setAt(held.targets, row, labels)]));
  const told = new Set(bothSides(truth, labels));
  const judged = bothSides(train.targets, labels).filter((label) => told.has(label));
  if (judged.length === 0) return null;
  const known = normaliseRows(train.embeddings, dimension);
  const all = normaliseRows(held.embeddings, dimension);
  const asked = places.map((row) => all.subarray(row * dimension, (row + 1) * dimension));
  const rows = Array.from({ length: train.targets.length / labels }, (_, row) => row);
  const pause = timeSlice(options.signal);
  const sets: (readonly number[])[] = [];
  for (const row of rows) {
    await pause();
    sets.push(judged.filter((label) => train.targets[row * labels + label] === 1));
  }
  const accuracyFrom = async (order: ArrayLike<number>): Promise<number> => {
    const rules = await nearestMeans(known, order, sets, { dimension, labels, pause });
    const accuracies: number[] = [];
    for (const label of judged) {
      await pause();
      accuracies.push(balancedAccuracy(rules[label]!, label, asked, truth, labels));
    }
    return mean(accuracies);
  };
  const accuracy = await accuracyFrom(rows);
  const random = seededRandom(seed, 12);
  const shuffled: number[] = [];
  for (let shuffle = 0; shuffle < SHUFFLES; shuffle++) {
    const order = Uint32Array.from(rows);
    shuffleStart(order, order.length, random);
    shuffled.push(await accuracyFrom(order));
  }
  const score = { value: accuracy - Math.max(...shuffled), interval: null, rows: places.length };
  return { score, accuracy, chance: mean(shuffled) };
}

function setAt(targets: Uint8Array, row: number, labels: number): Uint8Array {
  return targets.subarray(row * labels, (row + 1) * labels);
}

/** Labels that some rows have and others have not. */
function bothSides(targets: Uint8Array, labels: number): readonly number[] {
  const having = new Uint32Array(labels);
  // By number: `entries` would make a pair of each of what may be millions.
  for (let at = 0; at < targets.length; at++) having[at % labels]! += targets[at]!;
  return [...having.keys()].filter((label) => having[label]! > 0 && having[label]! < targets.length / labels);
}

/** A label applies where `weights · e` is above `least`: nearer to the mean of the rows with it than to that of the others. */
interface Rule {
  readonly weights: Float64Array;
  readonly least: number;
}

/** The sets of the rows, in turn, given to the embeddings at `order`. */
async function nearestMeans(
  known: Float64Array,
  order: ArrayLike<number>,
  sets: readonly (readonly number[])[],
  settings: { readonly dimension: number; readonly labels: number; readonly pause: ReturnType<typeof timeSlice> },
): Promise<readonly Rule[]> {
  const { dimension, labels, pause } = settings;
  const total = new Float64Array(dimension);
  const having = Array.from({ length: labels }, () => ({ sum: new Float64Array(dimension), rows: 0 }));
  for (const [row, set] of sets.entries()) {
    await pause();
    const embedding = known.subarray(order[row]! * dimension, (order[row]! + 1) * dimension);
    for (const [at, value] of embedding.entries()) total[at]! += value;
    for (const label of set) {
      const own = having[label]!;
      own.rows++;
      for (const [at, value] of embedding.entries()) own.sum[at]! += value;
    }
  }
  return having.map(({ sum, rows }) => {
    let least = 0;
    const weights = Float64Array.from(sum, (value, at) => {
      const [inside, outside] = [value / rows, (total[at]! - value) / (sets.length - rows)];
      least += (inside ** 2 - outside ** 2) / 2;
      return inside - outside;
    });
    return { weights, least };
  });
}

function balancedAccuracy(
  { weights, least }: Rule,
  label: number,
  asked: readonly Float64Array[],
  truth: Uint8Array,
  labels: number,
): number {
  const [right, all] = [
    [0, 0],
    [0, 0],
  ];
  for (const [row, embedding] of asked.entries()) {
    let score = 0;
    for (let at = 0; at < weights.length; at++) score += weights[at]! * embedding[at]!;
    const given = truth[row * labels + label]!;
    all[given]!++;
    if (Number(score > least) === given) right[given]!++;
  }
  return (right[0]! / all[0]! + right[1]! / all[1]!) / 2;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

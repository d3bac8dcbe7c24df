/**
 * How many training labels are wrong, and which: confident learning (Northcutt, Jiang & Chuang, Confident Learning:
 * Estimating Uncertainty in Dataset Labels, Journal of Artificial Intelligence Research 70, 2021) on probabilities that a
 * probe on the frozen encoder gives to rows that it was not trained on; and which it would see, by planting some. Pure; the counts
 * are tested against cleanlab's.
 */
import type { Score } from '../contract/measures.ts';
import { fitLinearProbe, linearScores } from '../selection/linear-probe.ts';
import type { LabelledEmbeddings } from '../selection/knn.ts';
import { mislabellings, plantErrors } from './planted-errors.ts';
import { seededRandom, shuffleStart } from './random.ts';
import { notMeasured } from './scores.ts';
import { wilsonInterval } from './statistics.ts';

const FOLDS = 3;
/** Where a fit of the folds stops. */
export const FOLD_LIMITS = { tolerance: 1e-3, maxIterations: 50 };
/** Rows × labels × numbers of an embedding. The folds of fifty passes took a second for a ninth of it, on two busy cores. */
export const MOST_CELLS = 4e8;
/** Of these numbers, as above, estimates of wrong labels that are planted cost a few seconds. */
const MOST_PLANTED = 2e7;
/**
 * On average. With fewer the probe knows no label and accuses right rows: of banking77 (77 labels, a frozen MiniLM) 5 % with 20 rows
 * a label, 8 % with 8, 22 % with 6, 46 % with 4.
 */
export const LEAST_ROWS_PER_LABEL = 8;

export interface ProbeSettings {
  readonly dimension: number;
  readonly classes: number;
  readonly l2: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

export interface LabelErrors {
  readonly score: Score;
  /** The surest first; `row` counts the rows that were given. */
  readonly suspicions: readonly Suspicion[];
}

/** Of all rows or, where they cost too much, of a sample of them: `score.rows` says of how many. Which it would see is asked where `planting` is not false. */
export async function findLabelErrors(
  known: LabelledEmbeddings,
  settings: ProbeSettings,
  { mostCells = MOST_CELLS, planting = true }: { readonly mostCells?: number; readonly planting?: boolean } = {},
): Promise<LabelErrors> {
  const { dimension, classes } = settings;
  const all = known.classes.length;
  const count = Math.min(all, Math.floor(mostCells / (classes * dimension)));
  if (count < LEAST_ROWS_PER_LABEL * classes) {
    const part = count < all ? `, as many of ${all} as can be learnt from,` : '';
    const why = `${count} rows${part} are too few for ${classes} labels: ${LEAST_ROWS_PER_LABEL} of each are needed`;
    return { score: notMeasured(why), suspicions: [] };
  }
  const places = placesByLabel(known.classes, count, settings.seed);
  const rows = count < all ? rowsOf(known, places, dimension) : known;
  const accused = async (given: Int32Array): Promise<readonly Suspicion[]> =>
    suspiciousLabels(await outOfFold({ ...rows, classes: given }, settings), given, classes);
  const found = await accused(rows.classes);
  const score = labelErrorScore(found.length, count);
  const suspicions = found.map((one) => ({ ...one, row: places[one.row]! }));
  if (!planting) return { score, suspicions };
  const planted = await plantErrors(
    'into training rows',
    mislabellings(rows.classes).map((wrong) => async (share, random) => {
      return labelErrorScore((await accused(wrong(share, random))).length, count);
    }),
    plantings(count * classes * dimension, settings.seed),
  );
  return { score: { ...score, planted: [planted] }, suspicions };
}

/** Each costs as much as the estimate itself: few where that is dear. */
export function plantings(cells: number, seed: number) {
  const [shares, most] = cells > MOST_PLANTED ? [[0.2, 0.35, 0.5], 1] : [[0.1, 0.2, 0.3, 0.4, 0.5], 2];
  return { shares, repeats: most, seed, stream: 24 };
}

/** Seeded places of `count` rows, ascending, each label with its share of them. */
export function placesByLabel(classes: Int32Array, count: number, seed: number): readonly number[] {
  const rows = classes.length;
  if (count >= rows) return Array.from(classes, (_, row) => row);
  const order = ofLabelAfterLabel(classes, seed, 23);
  return Array.from({ length: count }, (_, at) => order[Math.floor((at * rows) / count)]!).toSorted((a, b) => a - b);
}

/** All rows, label after label, those of one in a seeded order. */
function ofLabelAfterLabel(classes: Int32Array, seed: number, stream: number): readonly number[] {
  const order = Array.from(classes, (_, row) => row);
  shuffleStart(order, order.length, seededRandom(seed, stream));
  return order.sort((a, b) => classes[a]! - classes[b]!);
}

/** Out-of-fold probabilities of every row, row-major [rows, classes]: seeded folds, each with every class that it can have. */
export async function outOfFold(rows: LabelledEmbeddings, settings: ProbeSettings): Promise<Float64Array> {
  const { dimension, classes, seed } = settings;
  const count = rows.classes.length;
  const order = ofLabelAfterLabel(rows.classes, seed, 11);
  const probabilities = new Float64Array(count * classes);
  for (let fold = 0; fold < FOLDS; fold++) {
    const inside = order.filter((_, place) => place % FOLDS !== fold);
    const outside = order.filter((_, place) => place % FOLDS === fold);
    const probe = await fitLinearProbe(rowsOf(rows, inside, dimension), settings.l2, {
      ...settings,
      limits: FOLD_LIMITS,
    });
    const scores = linearScores(probe, rowsOf(rows, outside, dimension).embeddings);
    for (const [place, row] of outside.entries()) {
      softmax(
        scores.subarray(place * classes, (place + 1) * classes),
        probabilities.subarray(row * classes, (row + 1) * classes),
      );
    }
  }
  return probabilities;
}

export function rowsOf(all: LabelledEmbeddings, rows: readonly number[], dimension: number): LabelledEmbeddings {
  const embeddings = new Float32Array(rows.length * dimension);
  for (const [place, row] of rows.entries()) {
    embeddings.set(all.embeddings.subarray(row * dimension, (row + 1) * dimension), place * dimension);
  }
  return { embeddings, classes: Int32Array.from(rows, (row) => all.classes[row]!) };
}

function softmax(scores: Float64Array, into: Float64Array): void {
  const highest = Math.max(...scores);
  let total = 0;
  for (const [label, score] of scores.entries()) total += into[label] = Math.exp(score - highest);
  for (let label = 0; label < into.length; label++) into[label]! /= total;
}

export interface Suspicion {
  readonly row: number;
  readonly suggested: number;
  /** Probability of the suggested label minus that of the given one. */
  readonly margin: number;
}

/**
 * Rows off the diagonal of the confident joint, the surest first. A row counts as confidently of a label when its probability
 * is at least the mean that rows with that label have of it; of several the likeliest counts. So a label that the probe knows
 * badly accuses nobody.
 */
export function suspiciousLabels(
  probabilities: Float64Array,
  given: Int32Array,
  classes: number,
): readonly Suspicion[] {
  return offDiagonal(confidentLabels(probabilities, given, classes), probabilities, given, classes);
}

/** The label that each row is confidently of, −1 where of none; `least`: no probability below it is confidence, whatever the mean. */
export function confidentLabels(
  probabilities: Float64Array,
  given: Int32Array,
  classes: number,
  least = 0,
): Int32Array {
  const [sums, counts] = [new Float64Array(classes), new Uint32Array(classes)];
  for (const [row, label] of given.entries()) {
    sums[label]! += probabilities[row * classes + label]!;
    counts[label]!++;
  }
  return given.map((_, row) => {
    let best = -1;
    for (let other = 0; other < classes; other++) {
      const chance = probabilities[row * classes + other]!;
      const confident = counts[other]! > 0 && chance >= sums[other]! / counts[other]! && chance >= least;
      if (confident && (best === -1 || chance > probabilities[row * classes + best]!)) best = other;
    }
    return best;
  });
}

/** Those that are confidently of another label than the given one, the surest first. */
export function offDiagonal(
  confident: Int32Array,
  probabilities: Float64Array,
  given: Int32Array,
  classes: number,
): readonly Suspicion[] {
  const found: Suspicion[] = [];
  for (const [row, label] of given.entries()) {
    const suggested = confident[row]!;
    if (suggested === -1 || suggested === label) continue;
    const margin = probabilities[row * classes + suggested]! - probabilities[row * classes + label]!;
    found.push({ row, suggested, margin });
  }
  return found.sort((a, b) => b.margin - a.margin || a.row - b.row);
}

/** The share of rows accused, with Wilson's interval. */
function labelErrorScore(accused: number, rows: number): Score {
  return rows === 0
    ? { value: null, interval: null, rows }
    : { value: accused / rows, interval: wilsonInterval(accused, rows), rows };
}

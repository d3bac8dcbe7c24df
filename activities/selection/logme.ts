/**
 * LogME (You et al., ICML 2021, arXiv:2102.11005): how well frozen embeddings explain the labels, without a training: the
 * evidence of a Bayesian linear regression on each label's 0/1 column, maximised over both precisions, a row and averaged
 * over the labels. Higher is better; only differences mean something. Where frozen scores are equal it breaks the tie.
 * The regression is solved in tridiagonal form, exactly and without eigenvectors.
 */
import { MatrixProducts } from '../../inference/matrix-product.ts';
import { seededRandom, sampleIndices, shuffleStart } from '../validation/random.ts';
import { timeSlice } from '../validation/time-slice.ts';
import type { Score } from '../contract/measures.ts';
import { rowsInMemory, type EmbeddedRows } from './embedded-rows.ts';
import type { LabelledEmbeddings } from './knn.ts';
import { dot, shifted, tridiagonalise, type Tridiagonal } from './tridiagonal.ts';

export interface LogmeOptions {
  readonly dimension: number;
  readonly classes: number;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** Rows that are looked at: the interval is narrow by then, and the cost grows with them. */
const MAX_ROWS = 2000;
const FOLDS = 5;
/** The quantile 0.975 of Student's t with FOLDS − 1 degrees of freedom. */
const STUDENT = 2.776;
const MAX_ITERATIONS = 200;
const TOLERANCE = 1e-6;

/** XᵀX row-major, Xᵀ1 a class, and the rows of each class: of parts of the rows they add up. */
interface Sums {
  readonly rows: number;
  readonly gram: Float64Array;
  readonly targets: readonly Float64Array[];
  readonly counts: Float64Array;
}

/**
 * The score on at most MAX_ROWS rows; its interval is the jackknife's over FOLDS folds, each left out in turn (Efron &
 * Stein, Ann. Statist. 9, 1981). No value below two labels, no interval below 2 · FOLDS rows.
 */
export async function logme(data: LabelledEmbeddings | EmbeddedRows, options: LogmeOptions): Promise<Score> {
  const { dimension, seed, signal } = options;
  const train = 'embeddings' in data ? rowsInMemory(data, dimension) : data;
  const pause = timeSlice(signal);
  const chosen = [...sampleIndices(train.classes.length, MAX_ROWS, seededRandom(seed, 3))];
  shuffleStart(chosen, chosen.length, seededRandom(seed, 4));
  const rows = chosen.length;
  if (new Set(chosen.map((row) => train.classes[row])).size < 2) return { value: null, interval: null, rows };
  const folds = await foldsOf(train, chosen, options, pause);
  const all = folds.reduce((total, one) => combine(total, one, 1));
  const value = await evidence(all, pause);
  if (rows < 2 * FOLDS) return { value, interval: null, rows };
  const without: number[] = [];
  for (const fold of folds) without.push(await evidence(combine(all, fold, -1), pause));
  const mean = without.reduce((sum, one) => sum + one, 0) / FOLDS;
  const spread = without.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  const half = STUDENT * Math.sqrt((spread * (FOLDS - 1)) / FOLDS);
  return { value, interval: { low: value - half, high: value + half, confidence: 0.95 }, rows };
}

/** Their rows dealt round-robin; of fewer rows than folds, as many as there are rows. */
async function foldsOf(
  train: EmbeddedRows,
  chosen: readonly number[],
  options: LogmeOptions,
  pause: () => Promise<void> | undefined,
): Promise<readonly Sums[]> {
  const products = await MatrixProducts.load();
  try {
    const folds: Sums[] = [];
    for (let fold = 0; fold < Math.min(FOLDS, chosen.length); fold++) {
      const part = chosen.filter((_, at) => at % FOLDS === fold);
      folds.push(await sumsOf(await train.pick(part), options, products));
      await pause();
    }
    return folds;
  } finally {
    await products.release();
  }
}

async function sumsOf(
  { embeddings, classes: labels }: LabelledEmbeddings,
  { dimension, classes: count }: LogmeOptions,
  products: MatrixProducts,
): Promise<Sums> {
  const rows = labels.length;
  const targets = Array.from({ length: count }, () => new Float64Array(dimension));
  const counts = new Float64Array(count);
  for (const [row, label] of labels.entries()) {
    const vector = embeddings.subarray(row * dimension, (row + 1) * dimension);
    const target = targets[label]!;
    counts[label]!++;
    for (let place = 0; place < dimension; place++) target[place]! += vector[place]!;
  }
  const part = { values: Float64Array.from(embeddings), rows, columns: dimension };
  return { rows, gram: await products.transposedTimes(part, part), targets, counts };
}

function combine(one: Sums, other: Sums, sign: 1 | -1): Sums {
  const add = (left: Float64Array, right: Float64Array) => left.map((value, at) => value + sign * right[at]!);
  return {
    rows: one.rows + sign * other.rows,
    gram: add(one.gram, other.gram),
    targets: one.targets.map((target, label) => add(target, other.targets[label]!)),
    counts: add(one.counts, other.counts),
  };
}

/** A row, averaged over the labels that have rows. */
async function evidence(
  { rows, gram, targets, counts }: Sums,
  pause: () => Promise<void> | undefined,
): Promise<number> {
  const labels = targets.map((_, label) => label).filter((label) => counts[label]! > 0);
  const vectors = labels.map((label) => Float64Array.from(targets[label]!));
  const form = await tridiagonalise(Float64Array.from(gram), vectors, pause);
  let sum = 0;
  for (const [at, label] of labels.entries()) {
    sum += labelEvidence(form, form.vectors[at]!, counts[label]!, rows);
    await pause();
  }
  return sum / labels.length / rows;
}

/**
 * Maximal log evidence of one label's column y of `rows` rows, with yᵀy = `ones` and `target` = Xᵀy: MacKay's fixed point over
 * the ratio of the precisions of weights (alpha) and noise (beta).
 */
function labelEvidence(form: Tridiagonal, target: Float64Array, ones: number, rows: number): number {
  const dimension = target.length;
  let ratio = 1;
  let best = Number.NEGATIVE_INFINITY;
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    const { solution, logDeterminant, inverseTrace } = shifted(form, ratio, target);
    const weights = dot(solution, solution);
    // A label that a hyperplane explains leaves no residual but rounding.
    const residual = Math.max(ones - dot(solution, target) - ratio * weights, 1e-12 * ones);
    const fitted = dimension - ratio * inverseTrace;
    const alpha = fitted / Math.max(weights, 1e-300);
    const beta = (rows - fitted) / residual;
    const next = alpha / beta;
    // At the point's own best beta, so that every value is an evidence that is reached.
    const noise = rows / (residual + ratio * weights);
    best = Math.max(
      best,
      (dimension * Math.log(ratio) + rows * Math.log(noise / (2 * Math.PI)) - logDeterminant - rows) / 2,
    );
    if (!Number.isFinite(next) || next <= 0 || Math.abs(next - ratio) <= TOLERANCE * ratio) break;
    ratio = next;
  }
  return best;
}

/**
 * LogME (You et al., ICML 2021, arXiv:2102.11005): how well frozen embeddings explain the labels, without a training: the
 * evidence of a Bayesian linear regression on each label's 0/1 column, maximised over both precisions, a row and averaged
 * over the labels. Higher is better; only differences mean something. Where frozen scores are equal it breaks the tie.
 * The regression is solved in tridiagonal form, exactly and without eigenvectors: of XᵀX, or of XXᵀ where the rows are fewer
 * than the features (Bishop, PRML, 6.1: the same regression by its kernel), for the time grows with the cube of the smaller.
 */
import { MatrixProducts } from '../../inference/matrix-product.ts';
import { seededRandom, sampleIndices, shuffleStart } from '../validation/random.ts';
import { timeSlice } from '../validation/time-slice.ts';
import type { Score } from '../contract/measures.ts';
import { rowsInMemory, type EmbeddedRows } from './embedded-rows.ts';
import type { LabelledEmbeddings } from './knn.ts';
import { dot, quadratic, shifted, tridiagonalise, type Tridiagonal } from './tridiagonal.ts';

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
/** How far the ratio of the precisions may lie from the sum of the eigenvalues, either way: beyond it all is rounding. */
const RATIO_REACH = 1e12;

/** The regression on a class each, of some rows. */
interface Regression {
  readonly rows: number;
  /** XᵀX or XXᵀ, row-major. */
  readonly gram: Float64Array;
  /** Of each class, what the gram is solved for: Xᵀy, or y itself. */
  readonly targets: readonly Float64Array[];
  /** Rows of each class. */
  readonly counts: Float64Array;
  readonly of: 'features' | 'rows';
}
/** Of all rows, or without a fold: they were dealt round-robin. */
type Form = (without: number | null) => Regression;

/** By features: of parts of the rows they add up. */
type Sums = Omit<Regression, 'of'>;

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
  const form =
    rows < dimension ? await byRows(train, chosen, options) : await byFeatures(train, chosen, options, pause);
  const value = await evidence(form(null), pause);
  if (rows < 2 * FOLDS) return { value, interval: null, rows };
  const without: number[] = [];
  for (let fold = 0; fold < FOLDS; fold++) without.push(await evidence(form(fold), pause));
  const mean = without.reduce((sum, one) => sum + one, 0) / FOLDS;
  const spread = without.reduce((sum, one) => sum + (one - mean) ** 2, 0);
  const half = STUDENT * Math.sqrt((spread * (FOLDS - 1)) / FOLDS);
  return { value, interval: { low: value - half, high: value + half, confidence: 0.95 }, rows };
}

async function byRows(
  train: EmbeddedRows,
  chosen: readonly number[],
  { dimension, classes: count }: LogmeOptions,
): Promise<Form> {
  const products = await MatrixProducts.load();
  try {
    const { embeddings, classes } = await train.pick(chosen);
    const all = { values: Float64Array.from(embeddings), rows: chosen.length, columns: dimension };
    const kernel = await products.timesTransposed(all, all);
    return (without) => {
      const places = chosen.flatMap((_, at) => (at % FOLDS === without ? [] : [at]));
      const rows = places.length;
      const gram = new Float64Array(rows * rows);
      places.forEach((place, row) =>
        places.forEach((other, column) => (gram[row * rows + column] = kernel[place * chosen.length + other]!)),
      );
      const targets = Array.from({ length: count }, (_, label) =>
        Float64Array.from(places, (place) => Number(classes[place] === label)),
      );
      const counts = Float64Array.from(targets, (target) => target.reduce((sum, one) => sum + one, 0));
      return { rows, gram, targets, counts, of: 'rows' };
    };
  } finally {
    await products.release();
  }
}

async function byFeatures(
  train: EmbeddedRows,
  chosen: readonly number[],
  options: LogmeOptions,
  pause: () => Promise<void> | undefined,
): Promise<Form> {
  const folds = await foldsOf(train, chosen, options, pause);
  const all = folds.reduce((total, one) => combine(total, one, 1));
  return (without) => ({ ...(without === null ? all : combine(all, folds[without]!, -1)), of: 'features' });
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
  { rows, gram, targets, counts, of }: Regression,
  pause: () => Promise<void> | undefined,
): Promise<number> {
  const labels = targets.map((_, label) => label).filter((label) => counts[label]! > 0);
  const vectors = labels.map((label) => Float64Array.from(targets[label]!));
  const form = await tridiagonalise(Float64Array.from(gram), vectors, pause);
  let sum = 0;
  for (const [at, label] of labels.entries()) {
    sum += labelEvidence(form, form.vectors[at]!, { ones: counts[label]!, rows, of });
    await pause();
  }
  return sum / labels.length / rows;
}

/**
 * Maximal log evidence of one label's column y of `rows` rows, with yᵀy = `ones` and `target` = Xᵀy or y: MacKay's fixed point over
 * the ratio of the precisions of weights (alpha) and noise (beta). What the determinant of XᵀX has more factors of than that of XXᵀ
 * is the ratio, and stands on both sides. Of features that tell nothing of the label it is that of no weights, which the point nears
 * as the ratio grows beyond bounds.
 */
function labelEvidence(
  form: Tridiagonal,
  target: Float64Array,
  { ones, rows, of }: { readonly ones: number } & Pick<Regression, 'rows' | 'of'>,
): number {
  const size = target.length;
  const trace = form.diagonal.reduce((sum, one) => sum + one, 0);
  let ratio = 1;
  let best = (rows * Math.log(rows / ones / (2 * Math.PI)) - rows) / 2;
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
    const { solution, logDeterminant, inverseTrace } = shifted(form, ratio, target);
    const [along, square] = [dot(solution, target), dot(solution, solution)];
    // The weights' square, and what they leave of y: by rows the solution is that rest over the ratio.
    const weights = of === 'features' ? square : weightsByRows(form, solution, { along, square, ratio, trace });
    if (weights <= 0) break;
    const rest = of === 'features' ? ones - along - ratio * weights : ratio * ratio * square;
    // A label that a hyperplane explains leaves no residual but rounding.
    const residual = Math.max(rest, 1e-12 * ones);
    // At the point's own best beta, so that every value is an evidence that is reached.
    const noise = rows / (residual + ratio * weights);
    const reached = (size * Math.log(ratio) + rows * Math.log(noise / (2 * Math.PI)) - logDeterminant - rows) / 2;
    if (reached > best) best = reached;
    const free = ratio * inverseTrace;
    const [alpha, beta] = [(size - free) / weights, (rows - size + free) / residual];
    const next = alpha / beta;
    if (!(next > 0 && next <= RATIO_REACH * trace)) break;
    const last = ratio;
    ratio = Math.max(next, trace / RATIO_REACH);
    if (Math.abs(ratio - last) <= TOLERANCE * last) break;
  }
  return best;
}

/** The square of Xᵀs, of a solution s by rows: each of two ways loses its digits to rounding where the other keeps them. */
function weightsByRows(
  form: Tridiagonal,
  solution: Float64Array,
  of: { readonly along: number; readonly square: number; readonly ratio: number; readonly trace: number },
): number {
  return of.ratio > of.trace ? quadratic(form, solution) : of.along - of.ratio * of.square;
}

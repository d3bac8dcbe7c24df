/**
 * A linear probe: multinomial logistic regression on frozen embeddings (Alain & Bengio 2016, arXiv:1610.01644).
 * Minimises Σ −log p(class | embedding) + l2/2 · ‖W‖² over standardised features, the bias unpenalised: scikit-learn's
 * LogisticRegression with C = 1/l2, against whose figures it is tested. `l2` comes from cross-validation on the training rows.
 */
import { MatrixProducts } from '../../inference/matrix-product.ts';
import { sampleIndices, seededRandom, shuffleStart } from '../validation/random.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { rowsInMemory, type EmbeddedRows } from './embedded-rows.ts';
import type { LabelledEmbeddings } from './knn.ts';
import { minimise, type Evaluated } from './minimise.ts';
import { featuresOf, standardisation, type Features, type Standardisation } from './standardised.ts';

/** The scores of an embedding e are `weights · e + bias`: the standardisation is folded in. */
export interface LinearProbe {
  /** [classes][dimension]. */
  readonly weights: readonly (readonly number[])[];
  readonly bias: readonly number[];
  readonly l2: number;
}

export interface ProbeOptions {
  readonly dimension: number;
  readonly classes: number;
  /** When to stop; to the arithmetic's end when left out. */
  readonly limits?: { readonly tolerance: number; readonly maxIterations: number };
  readonly signal?: AbortSignal;
}

/** Penalties tried, strongest first: each fit starts from the one before it. */
const PENALTIES = [1000, 100, 10, 1];
const TO_THE_END = { tolerance: 1e-6, maxIterations: 500 };
const FOLDS = 3;
/** Rows that choose the penalty: above this the choice no longer changes and only costs time. */
const MAX_CHOICE_ROWS = 2000;

/**
 * What the folds that chose the penalty said at the chosen one: every row was asked of a fit that had not seen it. Counted are only rows
 * whose label has another one in the folds: a fit that has seen none of a label is all but never right.
 */
export interface CrossValidated {
  readonly folds: number;
  readonly correct: number;
  readonly rows: number;
  /** `rows` again, of all that were in the folds: their label has `others` further rows there at least. */
  readonly askable: { readonly rows: number; readonly of: number; readonly others: number };
}

/** Chooses the penalty on the training rows by seeded, stratified 3-fold log-loss, then fits all of them. */
export async function trainLinearProbe(
  train: LabelledEmbeddings,
  options: ProbeOptions & { readonly seed: number },
): Promise<LinearProbe> {
  return (await crossValidatedProbe(train, options)).probe;
}

/** The same, with what cross-validation said on the way. Of rows in a file a block at a time is in memory. */
export async function crossValidatedProbe(
  train: LabelledEmbeddings | EmbeddedRows,
  options: ProbeOptions & { readonly seed: number },
): Promise<{ readonly probe: LinearProbe; readonly crossValidated: CrossValidated }> {
  const rows = rowsOf(train, options.dimension);
  const { l2, ...crossValidated } = await atWork(options, (work) => choosePenalty(rows, options.seed, work));
  return { probe: await fitLinearProbe(rows, l2, options), crossValidated };
}

/** Fits with a given penalty. Deterministic: full-batch L-BFGS from zero. */
export async function fitLinearProbe(
  train: LabelledEmbeddings | EmbeddedRows,
  l2: number,
  options: ProbeOptions,
): Promise<LinearProbe> {
  const rows = rowsOf(train, options.dimension);
  const scale = await standardisation(rows, options.dimension);
  const start = new Float64Array(options.classes * (options.dimension + 1));
  const features = await featuresOf(rows, scale);
  const found = await atWork(options, (work) => fit(features, l2, start, work, options.limits ?? TO_THE_END));
  return foldBack(found, l2, scale, options.classes);
}

/** Class scores of embeddings [rows, dimension]: row-major [rows, classes]. */
export function linearScores(probe: LinearProbe, embeddings: Float32Array): Float64Array {
  const classes = probe.bias.length;
  const dimension = probe.weights[0]?.length ?? 0;
  const scores = new Float64Array((embeddings.length / dimension) * classes);
  for (let at = 0; at < scores.length; at++) {
    const label = at % classes;
    const start = ((at - label) / classes) * dimension;
    const weights = probe.weights[label]!;
    let score = probe.bias[label]!;
    for (let feature = 0; feature < dimension; feature++) score += weights[feature]! * embeddings[start + feature]!;
    scores[at] = score;
  }
  return scores;
}

/** The highest class of every row, a block at a time. */
export async function probedClasses(probe: LinearProbe, rows: EmbeddedRows): Promise<Int32Array> {
  const predicted = new Int32Array(rows.classes.length);
  let start = 0;
  for await (const { embeddings, classes } of rows.blocks()) {
    predicted.set(highestClasses(linearScores(probe, embeddings), probe.bias.length), start);
    start += classes.length;
  }
  return predicted;
}

/** The class with the highest score in each row of scores [rows, classes]; the lower index on a tie. */
export function highestClasses(scores: ArrayLike<number>, classes: number): Int32Array {
  return Int32Array.from({ length: scores.length / classes }, (_, row) => {
    let best = 0;
    for (let label = 1; label < classes; label++) {
      if (scores[row * classes + label]! > scores[row * classes + best]!) best = label;
    }
    return best;
  });
}

/** What the arithmetic needs: the caller's options, the pause that lets the event loop in, and the products of matrices. */
interface Work {
  readonly dimension: number;
  readonly classes: number;
  readonly products: MatrixProducts;
  readonly pause: () => Promise<void> | undefined;
}
function rowsOf(train: LabelledEmbeddings | EmbeddedRows, dimension: number): EmbeddedRows {
  return 'embeddings' in train ? rowsInMemory(train, dimension) : train;
}

async function atWork<Result>(options: ProbeOptions, use: (work: Work) => Promise<Result>): Promise<Result> {
  const products = await MatrixProducts.load();
  try {
    return await use({ ...options, products, pause: timeSlice(options.signal) });
  } finally {
    await products.release();
  }
}

async function choosePenalty(
  train: EmbeddedRows,
  seed: number,
  work: Work,
): Promise<CrossValidated & { readonly l2: number }> {
  const { dimension, classes } = work;
  const chosen = sampleIndices(train.classes.length, MAX_CHOICE_ROWS, seededRandom(seed, 1));
  const folds = stratifiedFolds(chosen, train.classes, seed);
  const ofLabel = new Int32Array(classes);
  for (const row of chosen) ofLabel[train.classes[row]!]!++;
  const losses = new Float64Array(PENALTIES.length);
  const correct = new Int32Array(PENALTIES.length);
  for (let held = 0; held < FOLDS; held++) {
    const fitted = rowsInMemory(await train.pick(chosen.filter((_, at) => folds[at] !== held)), dimension);
    const judged = await train.pick(chosen.filter((_, at) => folds[at] === held));
    const scale = await standardisation(fitted, dimension);
    const fitFeatures = await featuresOf(fitted, scale);
    const judgedFeatures = await featuresOf(rowsInMemory(judged, dimension), scale);
    let point: Float64Array = new Float64Array(classes * (dimension + 1));
    for (const [at, l2] of PENALTIES.entries()) {
      point = await fit(fitFeatures, l2, point, work, { tolerance: 1e-3, maxIterations: 50 });
      losses[at]! += (await lossAndGradient(judgedFeatures, 0, point, work)).value;
      const scores = linearScores(foldBack(point, l2, scale, classes), judged.embeddings);
      highestClasses(scores, classes).forEach((found, row) => {
        if (found === judged.classes[row] && ofLabel[found]! > 1) correct[at]!++;
      });
    }
  }
  // The stronger penalty on a tie: it comes first.
  const best = losses.indexOf(Math.min(...losses));
  // Dealt round-robin, two of a label are in unlike folds.
  const rows = chosen.length - ofLabel.filter((count) => count === 1).length;
  const askable = { rows, of: chosen.length, others: 1 };
  return { l2: PENALTIES[best] ?? 1, folds: FOLDS, correct: correct[best] ?? 0, rows, askable };
}

/** The fold of each chosen row: classes dealt round-robin after a seeded shuffle, so that every fold has every class it can. */
function stratifiedFolds(rows: readonly number[], classes: Int32Array, seed: number): Int32Array {
  const order = rows.map((_, at) => at);
  shuffleStart(order, order.length, seededRandom(seed, 2));
  order.sort((left, right) => classes[rows[left]!]! - classes[rows[right]!]!);
  const folds = new Int32Array(rows.length);
  order.forEach((at, place) => (folds[at] = place % FOLDS));
  return folds;
}

async function fit(
  features: Features,
  l2: number,
  start: Float64Array,
  work: Work,
  limits: { tolerance: number; maxIterations: number },
): Promise<Float64Array> {
  return minimise((point) => lossAndGradient(features, l2, point, work), start, limits);
}

/** Mean of the penalised loss over the rows; parameters are the weights [classes][dimension], then the biases. */
async function lossAndGradient(
  features: Features,
  l2: number,
  point: Float64Array,
  { dimension, classes, pause, products }: Work,
): Promise<Evaluated> {
  const { rows } = features;
  const weights = classes * dimension;
  const asked = { values: point.subarray(0, weights), rows: classes, columns: dimension };
  const gradient = new Float64Array(point.length);
  let slopes: Float64Array = new Float64Array(weights);
  let value = 0;
  for await (const block of features.blocks()) {
    const count = block.classes.length;
    const known = { values: block.values, rows: count, columns: dimension };
    // Scores, then probabilities, then errors: in one place.
    const errors = await products.timesTransposed(known, asked);
    for (let row = 0; row < count; row++) {
      const own = errors.subarray(row * classes, (row + 1) * classes);
      for (let label = 0; label < classes; label++) own[label]! += point[weights + label]!;
      const truth = block.classes[row]!;
      value -= softmaxInPlace(own, truth);
      own[truth]! -= 1;
      for (let label = 0; label < classes; label++) gradient[weights + label]! += own[label]!;
      if (row % 256 === 0) await pause();
    }
    slopes = await products.transposedTimes({ values: errors, rows: count, columns: classes }, known, slopes);
  }
  gradient.set(slopes);
  for (let at = 0; at < weights; at++) {
    value += (l2 / 2) * point[at]! ** 2;
    gradient[at]! += l2 * point[at]!;
  }
  for (let at = 0; at < gradient.length; at++) gradient[at]! /= rows;
  await pause();
  return { value: value / rows, gradient };
}

/** Turns scores into probabilities and gives the logarithm of the true class's, without overflow. */
function softmaxInPlace(scores: Float64Array, truth: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (let label = 0; label < scores.length; label++) highest = Math.max(highest, scores[label]!);
  const own = scores[truth]! - highest;
  let total = 0;
  for (let label = 0; label < scores.length; label++) total += scores[label] = Math.exp(scores[label]! - highest);
  for (let label = 0; label < scores.length; label++) scores[label]! /= total;
  return own - Math.log(total);
}

function foldBack(point: Float64Array, l2: number, scale: Standardisation, classes: number): LinearProbe {
  const dimension = scale.mean.length;
  const rows = Array.from({ length: classes }, (_, label) =>
    point.subarray(label * dimension, (label + 1) * dimension),
  );
  const biases = point.subarray(classes * dimension);
  const weights = rows.map((row) => Array.from(scale.deviation, (deviation, at) => row[at]! / deviation));
  const bias = weights.map((row, label) =>
    row.reduce((sum, weight, at) => sum - weight * scale.mean[at]!, biases[label]!),
  );
  return { weights, bias, l2 };
}

/**
 * A head for a backbone that is frozen: multinomial logistic regression on its embeddings (selection/linear-probe.ts), the
 * penalty chosen on the training rows, and one temperature fitted on validation (Guo et al., On Calibration of Modern Neural
 * Networks, ICML 2017). The same rows and seed give the same numbers.
 */
import type { LabelledEmbeddings } from '../selection/knn.ts';
import { highestClasses, linearScores, trainLinearProbe, type ProbeOptions } from '../selection/linear-probe.ts';
import { countCorrect } from '../validation/metrics.ts';

/** What `export-classifier` puts behind the graph (docs/training-process.md). */
export interface Head {
  /** [classes][dimension]. */
  readonly weights: readonly (readonly number[])[];
  readonly bias: readonly number[];
  /** What the scores are divided by: labels stay, only how sure they are changes. */
  readonly temperature: number;
}

export interface FittedHead {
  readonly head: Head;
  readonly l2: number;
  readonly train: SplitMeasures;
  readonly validation: SplitMeasures;
}
/** Null where the split has no rows. */
export interface SplitMeasures {
  /** Mean cross-entropy in nats. */
  readonly loss: number | null;
  /** 0–1. */
  readonly accuracy: number | null;
}

// A head that is right on every row would be made infinitely sure; with fewer rows the fitted number is noise.
const LOWEST = 0.25;
const HIGHEST = 10;
const LEAST_ROWS = 30;

export async function fitHead(
  train: LabelledEmbeddings,
  validation: LabelledEmbeddings,
  options: ProbeOptions & { readonly seed: number },
): Promise<FittedHead> {
  const fitted = await trainLinearProbe(train, options);
  // As the graph will have it. Double precision would tell one order of summation from another.
  const weights = fitted.weights.map((row) => row.map(Math.fround));
  const [bias, l2] = [fitted.bias.map(Math.fround), fitted.l2];
  const scores = linearScores({ weights, bias, l2 }, validation.embeddings);
  const temperature = fitTemperature(scores, validation.classes, options.classes);
  const measure = (of: Float64Array, { classes }: LabelledEmbeddings): SplitMeasures =>
    measured(of, classes, options.classes, temperature);
  return {
    head: { weights, bias, temperature },
    l2,
    train: measure(linearScores({ weights, bias, l2 }, train.embeddings), train),
    validation: measure(scores, validation),
  };
}

/** The temperature with the least mean cross-entropy, by golden-section search: convex in 1/t, so with one minimum in t. 1 below 30 rows. */
export function fitTemperature(scores: Float64Array, truth: Int32Array, classes: number): number {
  if (truth.length < LEAST_ROWS) return 1;
  const ratio = (Math.sqrt(5) - 1) / 2;
  const loss = (logTemperature: number): number => crossEntropy(scores, truth, classes, Math.exp(logTemperature));
  let [low, high] = [Math.log(LOWEST), Math.log(HIGHEST)];
  while (high - low > 1e-6) {
    const [left, right] = [high - ratio * (high - low), low + ratio * (high - low)];
    if (loss(left) <= loss(right)) high = right;
    else low = left;
  }
  // Six digits: what is beyond them is the arithmetic's noise.
  return Number(Math.exp((low + high) / 2).toPrecision(6));
}

function measured(scores: Float64Array, truth: Int32Array, classes: number, temperature: number): SplitMeasures {
  const rows = truth.length;
  if (rows === 0) return { loss: null, accuracy: null };
  return {
    loss: crossEntropy(scores, truth, classes, temperature),
    accuracy: countCorrect(truth, highestClasses(scores, classes)) / rows,
  };
}

/** Mean of −log softmax(scores / temperature) of the true class. `scores` [rows, classes]. */
function crossEntropy(scores: Float64Array, truth: Int32Array, classes: number, temperature: number): number {
  let sum = 0;
  for (const [row, own] of truth.entries()) {
    const line = scores.subarray(row * classes, (row + 1) * classes);
    const highest = line.reduce((best, score) => Math.max(best, score), Number.NEGATIVE_INFINITY);
    const total = line.reduce((all, score) => all + Math.exp((score - highest) / temperature), 0);
    sum += Math.log(total) - ((line[own] as number) - highest) / temperature;
  }
  return sum / truth.length;
}

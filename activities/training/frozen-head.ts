/**
 * A head for a backbone that is frozen: multinomial logistic regression on its embeddings (selection/linear-probe.ts), the
 * penalty chosen on the training rows, and one temperature fitted on validation (Guo et al., On Calibration of Modern Neural
 * Networks, ICML 2017). The same rows and seed give the same numbers.
 */
import { heldIfSmall, type Blocks, type EmbeddedRows } from '../selection/embedded-rows.ts';
import {
  crossValidatedProbe,
  highestClasses,
  linearScores,
  type LinearProbe,
  type ProbeOptions,
} from '../selection/linear-probe.ts';
import { countCorrect } from '../validation/metrics.ts';
import { timeSlice } from '../validation/time-slice.ts';

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

type Pause = ReturnType<typeof timeSlice>;

/** Rows as a probe scores them, some at a time. */
export interface Scored {
  readonly rows: number;
  readonly blocks: Blocks<{
    /** Row-major [rows, classes]. */
    readonly scores: Float64Array;
    readonly classes: Int32Array;
  }>;
}

export async function fitHead(
  train: EmbeddedRows,
  validation: EmbeddedRows,
  options: ProbeOptions & { readonly seed: number },
): Promise<FittedHead> {
  const { probe: fitted } = await crossValidatedProbe(train, options);
  // As the graph will have it. Double precision would tell one order of summation from another.
  const weights = fitted.weights.map((row) => row.map(Math.fround));
  const [bias, l2] = [fitted.bias.map(Math.fround), fitted.l2];
  const probe = { weights, bias, l2 };
  const scored = await scoredRows(probe, validation);
  const pause = timeSlice(options.signal);
  const temperature = await fitTemperature(scored, options.classes, pause);
  return {
    head: { weights, bias, temperature },
    l2,
    train: await measured(await scoredRows(probe, train), options.classes, temperature, pause),
    validation: await measured(scored, options.classes, temperature, pause),
  };
}

async function scoredRows(probe: LinearProbe, rows: EmbeddedRows): Promise<Scored> {
  const count = rows.classes.length;
  const bytes = count * probe.bias.length * Float64Array.BYTES_PER_ELEMENT;
  const blocks = await heldIfSmall(bytes, rows, async function* () {
    for await (const { embeddings, classes } of rows.blocks()) {
      yield { scores: linearScores(probe, embeddings), classes };
    }
  });
  return { rows: count, blocks };
}

/** The temperature with the least mean cross-entropy, by golden-section search: convex in 1/t, so with one minimum in t. 1 below 30 rows. */
export async function fitTemperature(scored: Scored, classes: number, pause = timeSlice()): Promise<number> {
  if (scored.rows < LEAST_ROWS) return 1;
  const ratio = (Math.sqrt(5) - 1) / 2;
  const loss = (logTemperature: number): Promise<number> =>
    crossEntropy(scored, classes, Math.exp(logTemperature), pause);
  let [low, high] = [Math.log(LOWEST), Math.log(HIGHEST)];
  while (high - low > 1e-6) {
    const [left, right] = [high - ratio * (high - low), low + ratio * (high - low)];
    if ((await loss(left)) <= (await loss(right))) high = right;
    else low = left;
  }
  // Six digits: what is beyond them is the arithmetic's noise.
  return Number(Math.exp((low + high) / 2).toPrecision(6));
}

async function measured(scored: Scored, classes: number, temperature: number, pause: Pause): Promise<SplitMeasures> {
  if (scored.rows === 0) return { loss: null, accuracy: null };
  let correct = 0;
  for await (const { scores, classes: truth } of scored.blocks()) {
    correct += countCorrect(truth, highestClasses(scores, classes));
  }
  return { loss: await crossEntropy(scored, classes, temperature, pause), accuracy: correct / scored.rows };
}

/** Mean of −log softmax(scores / temperature) of the true class. */
async function crossEntropy(
  { rows, blocks }: Scored,
  classes: number,
  temperature: number,
  pause: Pause,
): Promise<number> {
  let sum = 0;
  for await (const { scores, classes: truth } of blocks()) {
    for (const [row, own] of truth.entries()) {
      const line = scores.subarray(row * classes, (row + 1) * classes);
      const highest = line.reduce((best, score) => Math.max(best, score), Number.NEGATIVE_INFINITY);
      const total = line.reduce((all, score) => all + Math.exp((score - highest) / temperature), 0);
      sum += Math.log(total) - ((line[own] as number) - highest) / temperature;
      if (row % 256 === 0) await pause();
    }
  }
  return sum / rows;
}

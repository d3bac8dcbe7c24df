/**
 * Whether a probability means what it says. Pure; the figures are tested against scikit-learn's and numpy's.
 *
 * ECE: the rows in bins of equal width by the probability of the predicted label, the distance of mean probability and
 * accuracy in each, weighed by its rows (Naeini, Cooper & Hauskrecht, AAAI 2015; Guo et al., On Calibration of Modern Neural
 * Networks, ICML 2017, with their 15 bins). Brier: mean squared distance of the probabilities from the truth, over all labels
 * (Brier, Monthly Weather Review 78(1), 1950: 0–2). NLL: mean −ln of the true label's probability.
 */
import type { Score } from '../contract/measures.ts';
import { finiteOrNull } from './metrics.ts';
import { quantile, type BootstrapOptions } from './statistics.ts';
import { seededRandom } from './random.ts';
import { timeSlice } from './time-slice.ts';

export const BINS = 15;

export interface ReliabilityBin {
  readonly rows: number;
  /** Means over the bin's rows; null where it has none. */
  readonly confidence: number | null;
  readonly accuracy: number | null;
}
export interface Calibration {
  readonly ece: Score;
  readonly brier: number | null;
  readonly nll: number | null;
  /** From 0 to 1, `BINS` of equal width; a probability on a border belongs to the bin below it. */
  readonly bins: readonly ReliabilityBin[];
}

interface Judged {
  /** Probability of the predicted label. */
  readonly confidence: Float64Array;
  readonly correct: Uint8Array;
}

/** `probabilities`: row-major [rows, classes]. */
export async function calibrationOf(
  probabilities: Float32Array,
  expected: Int32Array,
  classes: number,
  options: BootstrapOptions,
): Promise<Calibration> {
  const rows = expected.length;
  const confidence = new Float64Array(rows);
  const correct = new Uint8Array(rows);
  let [squares, nats] = [0, 0];
  for (let row = 0; row < rows; row++) {
    let best = 0;
    for (let label = 0; label < classes; label++) {
      const chance = probabilities[row * classes + label]!;
      if (chance > probabilities[row * classes + best]!) best = label;
      squares += (chance - (label === expected[row] ? 1 : 0)) ** 2;
    }
    confidence[row] = probabilities[row * classes + best]!;
    correct[row] = Number(best === expected[row]);
    // The smallest normal number of 32 bits stands for zero, which has no logarithm.
    nats -= Math.log(Math.max(probabilities[row * classes + expected[row]!]!, 1.1754943508222875e-38));
  }
  const judged = { confidence, correct };
  return {
    ece: await eceScore(judged, options),
    brier: finiteOrNull(squares / rows),
    nll: finiteOrNull(nats / rows),
    bins: binsOf(judged),
  };
}

/**
 * ECE with the basic bootstrap's interval (Davison & Hinkley, Bootstrap Methods and their Application, 1997, 5.2), which
 * mirrors the resamples at the estimate: ECE errs upwards on few rows, each resample by as much again, and mirroring takes
 * that off. The percentile interval would lie above the truth.
 */
async function eceScore(judged: Judged, options: BootstrapOptions): Promise<Score> {
  const rows = judged.confidence.length;
  if (rows === 0) return { value: null, interval: null, rows };
  const { resamples = 1000, confidence = 0.95, seed, signal } = options;
  const value = eceOf(judged);
  const random = seededRandom(seed, 3);
  const pause = timeSlice(signal);
  const drawn = new Uint32Array(rows);
  const values = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    for (let row = 0; row < rows; row++) drawn[row] = random.below(rows);
    values[resample] = eceOf(judged, drawn);
    await pause();
  }
  values.sort();
  const mirrored = (share: number): number => Math.min(1, Math.max(0, 2 * value - quantile(values, share)));
  const interval = { low: mirrored((1 + confidence) / 2), high: mirrored((1 - confidence) / 2), confidence };
  return { value, interval, rows };
}

function eceOf(judged: Judged, drawn?: Uint32Array): number {
  const { sums, hits } = tally(judged, drawn);
  let distance = 0;
  for (let bin = 0; bin < BINS; bin++) distance += Math.abs(sums[bin]! - hits[bin]!);
  return distance / (drawn?.length ?? judged.confidence.length);
}

function binsOf(judged: Judged): ReliabilityBin[] {
  const { rows, sums, hits } = tally(judged);
  return Array.from(rows, (count, bin) => ({
    rows: count,
    confidence: finiteOrNull(sums[bin]! / count),
    accuracy: finiteOrNull(hits[bin]! / count),
  }));
}

function tally({ confidence, correct }: Judged, drawn?: Uint32Array) {
  const [rows, sums, hits] = [new Uint32Array(BINS), new Float64Array(BINS), new Uint32Array(BINS)];
  for (let place = 0; place < (drawn ?? confidence).length; place++) {
    const row = drawn === undefined ? place : drawn[place]!;
    const bin = Math.min(BINS - 1, Math.max(0, Math.ceil(confidence[row]! * BINS) - 1));
    rows[bin]!++;
    sums[bin]! += confidence[row]!;
    hits[bin]! += correct[row]!;
  }
  return { rows, sums, hits };
}

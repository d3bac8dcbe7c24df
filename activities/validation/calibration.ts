/**
 * Whether a probability means what it says. Pure; the figures are tested against scikit-learn's and numpy's.
 *
 * ECE: the rows in bins of equal width by the probability of the predicted label, the distance of mean probability and
 * accuracy in each, weighed by its rows (Naeini, Cooper & Hauskrecht, AAAI 2015; Guo et al., On Calibration of Modern Neural
 * Networks, ICML 2017, with their 15 bins). Brier: mean squared distance of the probabilities from the truth, over all labels
 * (Brier, Monthly Weather Review 78(1), 1950: 0–2). NLL: mean −ln of the true label's probability.
 */
import type { Score } from '../contract/measures.ts';
import { MOST_ROWS_DRAWN, resampledCounts } from './cell-bootstrap.ts';
import { finiteOrNull } from './metrics.ts';
import { quantile, type BootstrapOptions } from './statistics.ts';
import { seededRandom } from './random.ts';
import { timeSlice } from './time-slice.ts';

export const BINS = 15;
/** Parts of a bin that a resample of very many rows tells apart. */
const FINE = 80;
/** Of its own, so that no other figure shifts its draws. */
const STREAM = 3;

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

/** What the figures need of every row, whatever their probabilities were. */
export interface Judged {
  /** Probability of the predicted label. */
  readonly confidence: Float32Array;
  readonly correct: Uint8Array;
  /** Sums over the rows: squared distances from the truth, and −ln of the true label's probability. */
  readonly squares: number;
  readonly nats: number;
}

/** Takes the probabilities of `rows` rows block by block, row-major [rows of the block, classes], and keeps none. */
export function gatherJudged(
  rows: number,
  classes: number,
): { readonly add: (probabilities: Float32Array, expected: Int32Array) => void; readonly judged: () => Judged } {
  const confidence = new Float32Array(rows);
  const correct = new Uint8Array(rows);
  let [squares, nats, done] = [0, 0, 0];
  return {
    add(probabilities, expected) {
      for (let row = 0; row < expected.length; row++) {
        let best = 0;
        for (let label = 0; label < classes; label++) {
          const chance = probabilities[row * classes + label]!;
          if (chance > probabilities[row * classes + best]!) best = label;
          squares += (chance - (label === expected[row] ? 1 : 0)) ** 2;
        }
        confidence[done] = probabilities[row * classes + best]!;
        correct[done] = Number(best === expected[row]);
        done += 1;
        // The smallest normal number of 32 bits stands for zero, which has no logarithm.
        nats -= Math.log(Math.max(probabilities[row * classes + expected[row]!]!, 1.1754943508222875e-38));
      }
    },
    judged: () => ({ confidence, correct, squares, nats }),
  };
}

/** `probabilities`: row-major [rows, classes]. */
export async function calibrationOf(
  probabilities: Float32Array,
  expected: Int32Array,
  classes: number,
  options: BootstrapOptions,
): Promise<Calibration> {
  const gathered = gatherJudged(expected.length, classes);
  gathered.add(probabilities, expected);
  return calibrationOfJudged(gathered.judged(), options);
}

export async function calibrationOfJudged(judged: Judged, options: BootstrapOptions): Promise<Calibration> {
  const rows = judged.confidence.length;
  return {
    ece: await eceScore(judged, options),
    brier: finiteOrNull(judged.squares / rows),
    nll: finiteOrNull(judged.nats / rows),
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
  const { resamples = 1000, confidence = 0.95 } = options;
  const value = eceOf(judged);
  const values =
    rows > MOST_ROWS_DRAWN
      ? await resampledCells(judged, { ...options, resamples })
      : await resampledRows(judged, { ...options, resamples });
  const mirrored = (share: number): number => Math.min(1, Math.max(0, 2 * value - quantile(values, share)));
  const interval = { low: mirrored((1 + confidence) / 2), high: mirrored((1 - confidence) / 2), confidence };
  return { value, interval, rows };
}

type Resampling = BootstrapOptions & { readonly resamples: number };

async function resampledRows(judged: Judged, { resamples, seed, signal }: Resampling): Promise<Float64Array> {
  const rows = judged.confidence.length;
  const random = seededRandom(seed, STREAM);
  const pause = timeSlice(signal);
  const drawn = new Uint32Array(rows);
  const values = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    for (let row = 0; row < rows; row++) drawn[row] = random.below(rows);
    values[resample] = eceOf(judged, drawn);
    await pause();
  }
  return values.sort();
}

/**
 * Of very many rows those of nearly one confidence, right or wrong, are a cell, whose mean stands for each of them: that is
 * off by less than 1 / (BINS · FINE) a row, and by nothing on average, where ECE counts hundredths.
 */
async function resampledCells(judged: Judged, options: Resampling): Promise<Float64Array> {
  const rows = judged.confidence.length;
  const counts = new Uint32Array(BINS * FINE * 2);
  const sums = new Float64Array(counts.length);
  for (const [row, chance] of judged.confidence.entries()) {
    const bin = binOf(chance);
    const fine = Math.min(FINE - 1, Math.max(0, Math.floor((chance * BINS - bin) * FINE)));
    const cell = (bin * FINE + fine) * 2 + judged.correct[row]!;
    counts[cell]!++;
    sums[cell]! += chance;
  }
  const distances = sums.map((sum, cell) => (counts[cell] === 0 ? 0 : sum / counts[cell]! - (cell % 2)));
  const ece = (drawn: Uint32Array): number => {
    let total = 0;
    for (let bin = 0; bin < BINS; bin++) {
      let distance = 0;
      for (let cell = bin * FINE * 2; cell < (bin + 1) * FINE * 2; cell++) distance += drawn[cell]! * distances[cell]!;
      total += Math.abs(distance);
    }
    return total / rows;
  };
  return (await resampledCounts(counts, ece, { ...options, stream: STREAM })) ?? new Float64Array();
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
    const bin = binOf(confidence[row]!);
    rows[bin]!++;
    sums[bin]! += confidence[row]!;
    hits[bin]! += correct[row]!;
  }
  return { rows, sums, hits };
}

function binOf(confidence: number): number {
  return Math.min(BINS - 1, Math.max(0, Math.ceil(confidence * BINS) - 1));
}

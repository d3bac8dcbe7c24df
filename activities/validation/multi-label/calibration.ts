/**
 * Whether each label's probability means what it says: ECE label by label, over all rows, whichever way the decision falls
 * (classwise ECE: Kull et al., Beyond Temperature Scaling, NeurIPS 2019), and their mean. Pure.
 */
import type { Score } from '../../contract/measures.ts';
import { BINS, type ReliabilityBin } from '../calibration.ts';
import { finiteOrNull } from '../metrics.ts';
import { seededRandom } from '../random.ts';
import { quantile, type BootstrapOptions } from '../statistics.ts';
import { timeSlice } from '../time-slice.ts';
import type { Decisions } from './decisions.ts';

export interface LabelCalibration {
  /** Mean of the labels' ECE; its interval mirrors the resamples, as that of one label a row does (../calibration.ts). */
  readonly ece: Score;
  readonly byLabel: readonly (number | null)[];
  /** Means over all labels of all rows. */
  readonly brier: number | null;
  readonly nll: number | null;
  readonly bins: readonly ReliabilityBin[];
}

const RESAMPLES = 300;

export async function labelCalibration(
  probabilities: Float32Array,
  { targets, labels }: Pick<Decisions, 'targets' | 'labels'>,
  options: BootstrapOptions,
): Promise<LabelCalibration> {
  const rows = targets.length / labels;
  const bin = Uint8Array.from(probabilities, (chance) => Math.min(BINS - 1, Math.max(0, Math.ceil(chance * BINS) - 1)));
  const distance = Float64Array.from(probabilities, (chance, at) => chance - targets[at]!);
  const ecesOf = (drawn?: Uint32Array): Float64Array => {
    const sums = new Float64Array(labels * BINS);
    const count = drawn?.length ?? rows;
    for (let place = 0; place < count; place++) {
      const start = (drawn === undefined ? place : drawn[place]!) * labels;
      for (let label = 0; label < labels; label++)
        sums[label * BINS + bin[start + label]!]! += distance[start + label]!;
    }
    return Float64Array.from(
      { length: labels },
      (_, label) =>
        sums.subarray(label * BINS, (label + 1) * BINS).reduce((sum, one) => sum + Math.abs(one), 0) / count,
    );
  };
  const byLabel = ecesOf();
  const value = mean(byLabel);
  return {
    ece: rows === 0 ? { value: null, interval: null, rows } : { value, interval: await mirrored(), rows },
    byLabel: [...byLabel].map(finiteOrNull),
    ...proper(probabilities, targets),
    bins: binsOf(probabilities, targets, bin),
  };

  async function mirrored(): Promise<Score['interval']> {
    const { resamples = RESAMPLES, confidence = 0.95, seed, signal } = options;
    const random = seededRandom(seed, 3);
    const pause = timeSlice(signal);
    const drawn = new Uint32Array(rows);
    const values = new Float64Array(resamples);
    for (let resample = 0; resample < resamples; resample++) {
      for (let row = 0; row < rows; row++) drawn[row] = random.below(rows);
      values[resample] = mean(ecesOf(drawn));
      await pause();
    }
    values.sort();
    const end = (share: number): number => Math.min(1, Math.max(0, 2 * value - quantile(values, share)));
    return { low: end((1 + confidence) / 2), high: end((1 - confidence) / 2), confidence };
  }
}

function proper(probabilities: Float32Array, targets: Uint8Array): Pick<LabelCalibration, 'brier' | 'nll'> {
  let [squares, nats] = [0, 0];
  for (const [at, chance] of probabilities.entries()) {
    squares += (chance - targets[at]!) ** 2;
    // The smallest normal number of 32 bits stands for zero, which has no logarithm.
    nats -= Math.log(Math.max(targets[at] === 1 ? chance : 1 - chance, 1.1754943508222875e-38));
  }
  return { brier: finiteOrNull(squares / targets.length), nll: finiteOrNull(nats / targets.length) };
}

function binsOf(probabilities: Float32Array, targets: Uint8Array, bin: Uint8Array): ReliabilityBin[] {
  const [rows, sums, hits] = [new Uint32Array(BINS), new Float64Array(BINS), new Uint32Array(BINS)];
  for (const [at, chance] of probabilities.entries()) {
    rows[bin[at]!]!++;
    sums[bin[at]!]! += chance;
    hits[bin[at]!]! += targets[at]!;
  }
  return Array.from(rows, (count, at) => ({
    rows: count,
    confidence: finiteOrNull(sums[at]! / count),
    accuracy: finiteOrNull(hits[at]! / count),
  }));
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Quantiles and intervals. Pure and seeded; each figure is tested against scipy's. */
import type { Interval } from '../contract/measures.ts';
import { seededRandom } from './random.ts';
import { timeSlice } from './time-slice.ts';

export interface BootstrapOptions {
  readonly seed: number;
  /** 2000: the 2.5 % tail then rests on 50 resamples, so that its Monte-Carlo error is small against the interval. */
  readonly resamples?: number;
  readonly confidence?: number;
  readonly signal?: AbortSignal;
}

/**
 * Wilson's score interval of a proportion (Wilson 1927; recommended by Brown, Cai & DasGupta, Statistical Science 16(2),
 * 2001): unlike the normal interval it neither leaves 0–1 nor shrinks to a point when every trial succeeds. `successes` may be a sum
 * of values of 0–1, which vary no more than a proportion of that mean does: the interval is then wider than need be.
 * Throws RangeError unless 0 ≤ successes ≤ trials and trials > 0.
 */
export function wilsonInterval(successes: number, trials: number, confidence = 0.95): Interval {
  if (!(trials > 0 && successes >= 0 && successes <= trials)) {
    throw new RangeError(`wilsonInterval: ${successes} successes of ${trials} trials is no proportion`);
  }
  const z = normalQuantile((1 + confidence) / 2);
  const share = successes / trials;
  const scale = 1 + (z * z) / trials;
  const centre = (share + (z * z) / (2 * trials)) / scale;
  const half = (z / scale) * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  return {
    low: successes === 0 ? 0 : Math.max(0, centre - half),
    high: successes === trials ? 1 : Math.min(1, centre + half),
    confidence,
  };
}

/** Trials that must all succeed for the lower end of Wilson's interval to reach a share: z² · share / (1 − share), rounded up. */
export function leastTrialsToShow(share: number, confidence = 0.95): number {
  const z = normalQuantile((1 + confidence) / 2);
  return share >= 1 ? Number.POSITIVE_INFINITY : Math.max(1, Math.ceil((z * z * share) / (1 - share)));
}

/**
 * Percentile bootstrap interval of a statistic of `rows` exchangeable rows (Efron & Tibshirani, An Introduction to the
 * Bootstrap, 1993, ch. 13). `statistic` gets the drawn row indices, uint32 [rows], valid only during the call; rows
 * compared with each other are paired by using the same index for both. A resample is left out where the statistic is
 * undefined. null where one has no finite value, or all are left out.
 */
export async function bootstrapInterval(
  rows: number,
  statistic: (indices: Uint32Array) => number | undefined,
  options: BootstrapOptions,
): Promise<Interval | null> {
  const { resamples = 2000, confidence = 0.95 } = options;
  if (rows === 0) return null;
  const random = seededRandom(options.seed);
  const pause = timeSlice(options.signal);
  const indices = new Uint32Array(rows);
  const drawn: number[] = [];
  for (let resample = 0; resample < resamples; resample++) {
    for (let row = 0; row < rows; row++) indices[row] = random.below(rows);
    const value = statistic(indices);
    if (value !== undefined && !Number.isFinite(value)) return null;
    if (value !== undefined) drawn.push(value);
    await pause();
  }
  if (drawn.length === 0) return null;
  const values = Float64Array.from(drawn).sort();
  return {
    low: quantile(values, (1 - confidence) / 2),
    high: quantile(values, (1 + confidence) / 2),
    confidence,
  };
}

/** What a resample tells; undefined, so that it is left out, where that is no number since nothing of what is asked was drawn. */
export function orLeftOut(value: number): number | undefined {
  return Number.isNaN(value) ? undefined : value;
}

/**
 * Interval of the mean difference `treated − control` of paired rows: rows, not models, are resampled, so that the rows'
 * difficulty, which both share, cancels out. Throws RangeError when the lengths differ.
 */
export async function pairedBootstrap(
  treated: ArrayLike<number>,
  control: ArrayLike<number>,
  options: BootstrapOptions,
): Promise<Interval | null> {
  if (treated.length !== control.length) {
    throw new RangeError(`pairedBootstrap: ${treated.length} rows cannot be paired with ${control.length}`);
  }
  const difference = Float64Array.from(treated, (value, row) => value - control[row]!);
  return bootstrapInterval(
    difference.length,
    (indices) => {
      let sum = 0;
      for (const row of indices) sum += difference[row]!;
      return sum / indices.length;
    },
    options,
  );
}

/** Quantile of ascending values by linear interpolation (type 7 of Hyndman & Fan 1996, numpy's default); NaN when empty. */
export function quantile(ascending: ArrayLike<number>, probability: number): number {
  if (ascending.length === 0) return Number.NaN;
  const place = (ascending.length - 1) * probability;
  const below = Math.floor(place);
  const low = ascending[below]!;
  const high = ascending[Math.min(below + 1, ascending.length - 1)]!;
  return low + (place - below) * (high - low);
}

/** Inverse of the standard normal distribution function (Wichura, algorithm AS 241 PPND16, 1988; relative error < 1e-15). */
export function normalQuantile(probability: number): number {
  const centred = probability - 0.5;
  if (Math.abs(centred) <= 0.425) {
    const r = 0.180625 - centred * centred;
    return (centred * polynomial(CENTRE_TOP, r)) / polynomial(CENTRE_BOTTOM, r);
  }
  const tail = Math.min(probability, 1 - probability);
  if (tail <= 0) return tail === 0 ? Math.sign(centred) * Infinity : Number.NaN;
  const r = Math.sqrt(-Math.log(tail));
  const size =
    r <= 5
      ? polynomial(MIDDLE_TOP, r - 1.6) / polynomial(MIDDLE_BOTTOM, r - 1.6)
      : polynomial(FAR_TOP, r - 5) / polynomial(FAR_BOTTOM, r - 5);
  return centred < 0 ? -size : size;
}

/** Horner's rule; coefficients from the constant term upwards. */
function polynomial(coefficients: readonly number[], x: number): number {
  return coefficients.reduceRight((sum, coefficient) => sum * x + coefficient, 0);
}

const CENTRE_TOP = [
  3.3871328727963665, 133.14166789178438, 1971.5909503065513, 13731.69376550946, 45921.95393154987, 67265.7709270087,
  33430.57558358813, 2509.0809287301227,
];
const CENTRE_BOTTOM = [
  1, 42.31333070160091, 687.1870074920579, 5394.196021424751, 21213.794301586597, 39307.89580009271, 28729.085735721943,
  5226.495278852546,
];
const MIDDLE_TOP = [
  1.4234371107496835, 4.630337846156546, 5.769497221460691, 3.6478483247632045, 1.2704582524523684, 0.2417807251774506,
  0.022723844989269184, 0.0007745450142783414,
];
const MIDDLE_BOTTOM = [
  1, 2.053191626637759, 1.6763848301838038, 0.6897673349851, 0.14810397642748008, 0.015198666563616457,
  0.0005475938084995345, 1.0507500716444169e-9,
];
const FAR_TOP = [
  6.657904643501103, 5.463784911164114, 1.7848265399172913, 0.29656057182850487, 0.026532189526576124,
  0.0012426609473880784, 2.7115555687434876e-5, 2.0103343992922881e-7,
];
const FAR_BOTTOM = [
  1, 0.599832206555888, 0.1369298809227358, 0.014875361290850615, 0.0007868691311456133, 1.8463183175100548e-5,
  1.421511758316446e-7, 2.0442631033899397e-15,
];

/**
 * The learning curve: error(n) = floor + scale · n^−decay, a power law with an offset (Cortes et al., "Learning curves:
 * asymptotic values and rate of convergence", NIPS 1993; Hestness et al., arXiv:1712.00409), fitted by least squares and
 * read off at all rows. Two sizes cannot show a floor: it is taken as 0, and the decay is theirs, from 0.05 to 1.2. Where they fall more
 * slowly, or not at all, there is a floor all the same: beside a decay of 0.05, or as all of a level curve. The interval is a parametric bootstrap:
 * each point drawn anew from its own sampling error and fitted again. Of two sizes two draws of three have a floor, by a decay of all that is seen,
 * and the third follows a line of log-odds over log rows, since real curves fall faster than such laws where the first rung has taught little
 * (bench/foretold-texts.ts; Viering & Loog, arXiv:2103.10948 show curves that bend otherwise).
 */
import type { Prediction } from '../contract/prototype.ts';
import { seededRandom, type Random } from '../validation/random.ts';
import { quantile } from '../validation/statistics.ts';

export interface CurvePoint {
  readonly rows: number;
  /** 0–1, on `measuredRows` rows. */
  readonly accuracy: number;
  readonly measuredRows: number;
}
export interface PowerLaw {
  readonly floor: number;
  readonly scale: number;
  readonly decay: number;
  /** Two points cannot tell floor and decay both: the floor is taken as 0, or the decay as the least that is tried. */
  readonly assumed: boolean;
}

/** What is seen of classifiers on texts. */
const SEEN_DECAYS = { least: 0.1, most: 1 } as const;
const DECAYS = Array.from({ length: 60 }, (_, step) => 0.05 * 1.055 ** step); // 0.05 … 1.2
const RESAMPLES = 400;

/**
 * The law nearest to the points in squared error, with floor and scale not below 0; null below two different sizes. Of two sizes it has
 * `assumedDecay`, else the decay that gives it no floor, as far as that is tried.
 */
export function fitLearningCurve(
  points: readonly Pick<CurvePoint, 'rows' | 'accuracy'>[],
  assumedDecay?: number,
): PowerLaw | null {
  const sizes = new Set(points.map(({ rows }) => rows)).size;
  if (sizes < 2) return null;
  const assumed = sizes < 3;
  let best: (PowerLaw & { readonly loss: number }) | undefined;
  for (const decay of assumed ? [assumedDecay ?? decayThrough(points)] : DECAYS) {
    const found = fitLinear(points, decay);
    if (best === undefined || found.loss < best.loss) best = { ...found, decay, assumed };
  }
  if (best === undefined) return null;
  const { floor, scale, decay } = best;
  return { floor, scale, decay, assumed };
}

export function accuracyAt({ floor, scale, decay }: PowerLaw, rows: number): number {
  return Math.min(1, Math.max(0, 1 - floor - scale * rows ** -decay));
}

/** The accuracy at `rows`, with a 95 % interval; null where no curve can be fitted. Deterministic in `seed`. */
export function predictAccuracy(
  points: readonly CurvePoint[],
  rows: number,
  seed: number,
): { readonly curve: PowerLaw; readonly prediction: Prediction } | null {
  const curve = fitLearningCurve(points);
  if (curve === null) return null;
  const random = seededRandom(seed);
  const values = new Float64Array(RESAMPLES);
  for (let resample = 0; resample < RESAMPLES; resample++) {
    const drawn = points.map(({ rows: at, accuracy, measuredRows }) => {
      // The share as Wilson centres it: 100 of 100 right is no proof of no error.
      const share = (accuracy * measuredRows + 2) / (measuredRows + 4);
      const deviation = Math.sqrt((share * (1 - share)) / (measuredRows + 4));
      return { rows: at, accuracy: Math.min(1, Math.max(0, accuracy + deviation * random.normal())) };
    });
    // What two sizes leave open is part of what is not known.
    values[resample] =
      curve.assumed && resample % 3 === 2
        ? alongLogOdds(drawn, points, rows)
        : accuracyAt(fitLearningCurve(drawn, curve.assumed ? drawnDecay(drawn, random) : undefined) ?? curve, rows);
  }
  values.sort();
  const interval = { low: quantile(values, 0.025), high: quantile(values, 0.975), confidence: 0.95 };
  return { curve, prediction: { value: accuracyAt(curve, rows), interval } };
}

/** Evenly of those that are seen and go through both sizes: of a smaller one the floor would be below 0. */
function drawnDecay(points: readonly Pick<CurvePoint, 'rows' | 'accuracy'>[], random: Random): number {
  const { least, most } = SEEN_DECAYS;
  const from = Math.min(most, Math.max(least, decayThrough(points)));
  return from + (most - from) * random.uniform();
}

interface Ends {
  readonly few: number;
  readonly many: number;
  readonly first: number;
  readonly last: number;
}

/** Mean errors at the smallest and at the largest size. */
function endsOf(points: readonly Pick<CurvePoint, 'rows' | 'accuracy'>[]): Ends {
  const few = Math.min(...points.map(({ rows }) => rows));
  const many = Math.max(...points.map(({ rows }) => rows));
  const errorAt = (size: number): number =>
    mean(points.filter(({ rows }) => rows === size).map(({ accuracy }) => 1 - accuracy));
  return { few, many, first: errorAt(few), last: errorAt(many) };
}

/** Of the law without a floor through both sizes, within what is tried of more sizes. */
function decayThrough(points: readonly Pick<CurvePoint, 'rows' | 'accuracy'>[]): number {
  const { few, many, first, last } = endsOf(points);
  const [least, most] = [DECAYS[0]!, DECAYS.at(-1)!];
  if (last <= 0) return most;
  return Math.min(most, Math.max(least, Math.log(first / last) / Math.log(many / few)));
}

/** At `rows`, where the log-odds of an error fall evenly with the logarithm of the rows; no error is taken for less than half a row of those measured. */
function alongLogOdds(
  drawn: readonly Pick<CurvePoint, 'rows' | 'accuracy'>[],
  points: readonly CurvePoint[],
  rows: number,
): number {
  const { few, many, first, last } = endsOf(drawn);
  const least = 0.5 / Math.min(...points.map(({ measuredRows }) => measuredRows));
  const oddsOf = (error: number): number => {
    const held = Math.min(1 - least, Math.max(least, error));
    return Math.log((1 - held) / held);
  };
  // No curve falls with more rows.
  const slope = Math.max(0, (oddsOf(last) - oddsOf(first)) / Math.log(many / few));
  return 1 / (1 + Math.exp(-(oddsOf(last) + slope * Math.log(rows / many))));
}

/** Of a given decay the law is linear: the least-squares line over n^−decay, held at the border where it would leave it. */
function fitLinear(
  points: readonly Pick<CurvePoint, 'rows' | 'accuracy'>[],
  decay: number,
): { readonly floor: number; readonly scale: number; readonly loss: number } {
  const xs = points.map(({ rows }) => rows ** -decay);
  const ys = points.map(({ accuracy }) => 1 - accuracy);
  const meanX = mean(xs);
  const meanY = mean(ys);
  const spread = xs.reduce((sum, x) => sum + (x - meanX) ** 2, 0);
  const slope = xs.reduce((sum, x, at) => sum + (x - meanX) * (ys[at]! - meanY), 0) / spread;
  const lossOf = (floor: number, scale: number): number =>
    xs.reduce((sum, x, at) => sum + (floor + scale * x - ys[at]!) ** 2, 0);
  const free = { scale: slope, floor: meanY - slope * meanX };
  // No curve falls with more rows, and no error is negative: else the nearest line at one of the two borders.
  const throughZero = xs.reduce((sum, x, at) => sum + x * ys[at]!, 0) / xs.reduce((sum, x) => sum + x * x, 0);
  const borders = [
    { floor: Math.max(0, meanY), scale: 0 },
    { floor: 0, scale: Math.max(0, throughZero) },
  ];
  const allowed = free.scale >= 0 && free.floor >= 0 ? [free] : borders;
  const [first, ...others] = allowed.map((one) => ({ ...one, loss: lossOf(one.floor, one.scale) }));
  return others.reduce((best, one) => (one.loss < best.loss ? one : best), first!);
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/**
 * Seconds at `rows` from seconds at fewer: a start and a time a row, by least squares, neither below 0. Of one point all of
 * its time is taken to grow: an upper bound. null without a point.
 */
export function predictSeconds(
  points: readonly { readonly rows: number; readonly seconds: number }[],
  rows: number,
  workFactor = 1,
): number | null {
  const [first] = points;
  if (first === undefined) return null;
  const sizes = new Set(points.map((point) => point.rows)).size;
  if (sizes < 2) return Math.max(...points.map(({ seconds, rows: at }) => (seconds * rows * workFactor) / at));
  const meanRows = mean(points.map((point) => point.rows));
  const meanSeconds = mean(points.map(({ seconds }) => seconds));
  const spread = points.reduce((sum, point) => sum + (point.rows - meanRows) ** 2, 0);
  const slope =
    points.reduce((sum, point) => sum + (point.rows - meanRows) * (point.seconds - meanSeconds), 0) / spread;
  const perRow = slope <= 0 || meanSeconds - slope * meanRows < 0 ? meanSeconds / meanRows : slope;
  return Math.max(0, meanSeconds - perRow * meanRows) + perRow * rows * workFactor;
}

/** Scores with intervals of rows of several labels: rows are resampled, never single labels, which hang together. */
import type { Interval, Score } from '../../contract/measures.ts';
import { hitsOf, macroF1Limits, widest, worstF1Limits } from '../f1-limits.ts';
import { finiteOrNull, givenLabels, meanF1 } from '../metrics.ts';
import { pairedDifferenceInterval } from '../paired.ts';
import { NO_SCORE } from '../scores.ts';
import { bootstrapInterval, normalQuantile, orLeftOut, wilsonInterval, type BootstrapOptions } from '../statistics.ts';
import type { Decisions } from './decisions.ts';
import {
  averagePrecisions,
  countsOf,
  f1OfEach,
  macroF1,
  meanOfKnown,
  microF1,
  supportOf,
  worstF1,
  type LabelCounts,
} from './metrics.ts';

/** Of figures that look at every label of every row: enough for two digits of an interval. */
const RESAMPLES = 500;

/**
 * Mean of numbers from 0 to 1. The interval is Wilson's with as many trials as right-or-wrong rows would need to tell as much:
 * the rows, times how much less their credits vary than such answers would (the effective sample size of L. Kish, Survey
 * Sampling, 1965; in Wilson's interval: Dean & Pagano, Survey Statistics 2015). Resamples of few rows that are nearly all right
 * hardly differ, so that a bootstrap is too narrow there.
 */
export function meanScore(credits: Float64Array): Score {
  const rows = credits.length;
  if (rows === 0) return NO_SCORE;
  const value = meanOf(credits);
  if (!Number.isFinite(value)) return { ...NO_SCORE, rows };
  const trials = rows * Math.max(1, lessVariation(credits));
  return { value, interval: wilsonInterval(value * trials, trials), rows };
}

/** Variance that answers right or wrong of this mean would have, over the credits' own: 1 where all are 0 or 1. */
function lessVariation(credits: Float64Array): number {
  const { mean, variance } = withBoth(credits);
  return (mean * (1 - mean)) / ((credits.length + 1) * variance);
}

/** By how much the first is better on the same rows. The interval is no point where both are alike. */
export function pairedGain(first: Float64Array, second: Float64Array): Score {
  const rows = first.length;
  if (rows === 0) return NO_SCORE;
  const differences = Array.from(first, (credit, row) => credit - second[row]!);
  return { value: meanOf(first) - meanOf(second), interval: pairedDifferenceInterval(differences), rows };
}

/**
 * Mean of the first minus that of the second, of different rows with numbers from 0 to 1: the normal interval with a 0 and a 1
 * added to each sample, as Agresti & Caffo do for shares (The American Statistician 54(4), 2000), so that it does not shrink
 * to a point where all rows are alike.
 */
export function meanDifference(first: Float64Array, second: Float64Array, confidence = 0.95): Score {
  if (first.length === 0 || second.length === 0) return NO_SCORE;
  const [a, b] = [withBoth(first), withBoth(second)];
  const half = normalQuantile((1 + confidence) / 2) * Math.sqrt(a.variance + b.variance);
  const centre = a.mean - b.mean;
  const interval = { low: Math.max(-1, centre - half), high: Math.min(1, centre + half), confidence };
  return { value: meanOf(first) - meanOf(second), interval, rows: second.length };
}

/** Mean and the mean's variance. */
function withBoth(credits: Float64Array): { readonly mean: number; readonly variance: number } {
  const all = Float64Array.from([0, 1, ...credits]);
  const mean = meanOf(all);
  const squares = all.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, variance: squares / (all.length - 1) / all.length };
}

export function meanOf(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export interface F1Scores {
  readonly macroF1: Score;
  readonly microF1: Score;
  readonly worstLabelF1: Score;
}

/**
 * Macro-F1 is over the labels that are given or answered, or over the given ones alone; of a resample, over those that it has. One without
 * any given label is left out where only these count.
 */
export async function f1Scores(
  decisions: Decisions,
  options: BootstrapOptions,
  over: 'given' | 'occurring' = 'occurring',
): Promise<F1Scores> {
  const rows = decisions.targets.length / decisions.labels;
  const counts = countsOf(decisions);
  const all = counts();
  const given = over === 'given' ? givenLabels(supportOf(all)) : undefined;
  const told = over === 'given' ? orLeftOut : (value: number) => value;
  const of = async (statistic: (counts: LabelCounts) => number, limits: Interval | null): Promise<Score> => {
    const value = finiteOrNull(statistic(all));
    if (value === null || rows === 0) return { ...NO_SCORE, rows };
    const resampled = await bootstrapInterval(rows, (drawn) => told(statistic(counts(drawn))), options);
    return { value, interval: widest(resampled, limits), rows };
  };
  const either = all.right.map((right, label) => right + all.wrong[label]! + all.missed[label]!);
  const hits = { right: all.right, either };
  const together = { right: [sum(all.right)], either: [sum(either)] };
  return {
    macroF1: await of(
      over === 'given' ? (drawn) => meanF1(f1OfEach(drawn), supportOf(drawn)) : macroF1,
      macroF1Limits(hitsOf(hits, given), options.confidence),
    ),
    // All labels as one: without a mistake no resample has one.
    microF1: await of(microF1, macroF1Limits(together, options.confidence)),
    worstLabelF1: await of(worstF1, worstF1Limits(hits, options.confidence)),
  };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Mean average precision over the labels that some row has; each label's own beside it, null where no row has it. */
export async function averagePrecisionScore(
  probabilities: Float32Array,
  { targets, labels }: Pick<Decisions, 'targets' | 'labels'>,
  options: BootstrapOptions,
): Promise<{ readonly mean: Score; readonly byLabel: readonly (number | null)[] }> {
  const rows = targets.length / labels;
  const precisions = averagePrecisions(probabilities, targets, labels);
  const byLabel = precisions();
  const interval = await bootstrapInterval(rows, (drawn) => meanOfKnown(precisions(drawn)), {
    resamples: RESAMPLES,
    ...options,
  });
  return {
    mean: { value: finiteOrNull(meanOfKnown(byLabel)), interval, rows },
    byLabel: [...byLabel].map(finiteOrNull),
  };
}

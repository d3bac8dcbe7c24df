/** What queries' figures say of a model: means with intervals over the queries, which are what varies. */
import type { Interval, Score } from '../contract/measures.ts';
import { NO_SCORE } from '../validation/scores.ts';
import { bootstrapInterval, pairedBootstrap, wilsonInterval, type BootstrapOptions } from '../validation/statistics.ts';

/**
 * The mean of values of 0–1, one a query, by percentile bootstrap over queries and by Wilson's interval, whichever end is the weaker:
 * a resample knows only the values that were drawn, and of a handful that all but agree it would claim near-certainty. No variable
 * of 0–1 varies more than shares of 0 and 1 of the same mean, so Wilson's of their sum is not too narrow for them.
 * Values of 0 and 1 alone are a proportion, and Wilson's is theirs.
 */
export async function meanScore(values: ArrayLike<number>, options: BootstrapOptions): Promise<Score> {
  const rows = values.length;
  if (rows === 0) return NO_SCORE;
  const numbers = Array.from(values);
  if (numbers.some((value) => !(value >= 0 && value <= 1)))
    throw new RangeError('meanScore: a value is not within 0–1');
  const sum = numbers.reduce((total, value) => total + value, 0);
  const value = sum / rows;
  const wilson = wilsonInterval(Math.min(sum, rows), rows, options.confidence);
  if (numbers.every((number) => number === 0 || number === 1)) return { value, interval: wilson, rows };
  const drawn = await bootstrapInterval(rows, (indices) => meanOf(numbers, indices), options);
  return { value, interval: drawn && weaker(drawn, wilson), rows };
}

/** How often so many queries may show nothing of what a gain is held against. */
const UNSEEN = 0.05;

/**
 * Mean difference `ours − theirs` on the same queries, each value within 0–1: by paired bootstrap, and by what so many queries still
 * allow had they all differed by the mean: that the share which Wilson's bound leaves open differs the other way by the most that any
 * of them did, and by all that can be as large a share of queries as so many would show none of, one time in twenty: what was never seen
 * may be there. The weaker end of both: where all queries, or all but one, differ by as much, resamples hardly do, and certainty would
 * be claimed of a handful.
 * How often it is wrong, beside other intervals: bench/retrieval-gains.ts.
 */
export async function gainScore(
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
  options: BootstrapOptions,
): Promise<Score> {
  const rows = ours.length;
  if (rows === 0) return NO_SCORE;
  const drawn = await pairedBootstrap(ours, theirs, options);
  const differences = Array.from(ours, (figure, query) => figure - theirs[query]!);
  const value = differences.reduce((sum, difference) => sum + difference, 0) / rows;
  const most = differences.reduce((widest, difference) => Math.max(widest, Math.abs(difference)), 0);
  const { low: agree, confidence } = wilsonInterval(rows, rows, options.confidence);
  const beyond = 1 - UNSEEN ** (1 / rows);
  const half = Math.max(0, 1 - agree - beyond) * (Math.abs(value) + most) + beyond * (Math.abs(value) + 1);
  const allowed = { low: Math.max(-1, value - half), high: Math.min(1, value + half), confidence };
  return { value, interval: drawn && weaker(drawn, allowed), rows };
}

/** From the lower of both low ends to the higher of both high ends. */
function weaker(one: Interval, other: Interval): Interval {
  return { low: Math.min(one.low, other.low), high: Math.max(one.high, other.high), confidence: one.confidence };
}

function meanOf(values: readonly number[], drawn: Uint32Array): number {
  let sum = 0;
  for (const query of drawn) sum += values[query]!;
  return sum / drawn.length;
}

/** What queries' figures say of a model: means with intervals over the queries, which are what varies. */
import type { Score } from '../contract/measures.ts';
import { NO_SCORE } from '../validation/scores.ts';
import { bootstrapInterval, pairedBootstrap, wilsonInterval, type BootstrapOptions } from '../validation/statistics.ts';

/**
 * The mean of values of 0–1, one a query. By percentile bootstrap over queries; where all are equal no resample differs, and shares
 * of 0 and 1 are a proportion: there it is Wilson's interval, which so few queries still allow.
 */
export async function meanScore(values: ArrayLike<number>, options: BootstrapOptions): Promise<Score> {
  const rows = values.length;
  if (rows === 0) return NO_SCORE;
  const numbers = Array.from(values);
  const sum = numbers.reduce((total, value) => total + value, 0);
  if (numbers.some((value) => !(value >= 0 && value <= 1)))
    throw new RangeError('meanScore: a value is not within 0–1');
  const isProportion = numbers.every((value) => value === 0 || value === 1);
  if (isProportion || numbers.every((value) => value === numbers[0])) {
    const interval = wilsonInterval(Math.min(sum, rows), rows, options.confidence);
    return { value: sum / rows, interval, rows };
  }
  const interval = await bootstrapInterval(rows, (drawn) => meanOf(numbers, drawn), options);
  return { value: sum / rows, interval, rows };
}

/**
 * Mean difference `ours − theirs` on the same queries, each value within 0–1, by paired bootstrap. Where every query differs by as
 * much no resample differs, and certainty would be claimed of a handful: what so many that agree still allow is that the share
 * which Wilson's bound leaves open differs by the most that can be, down or up.
 */
export async function gainScore(
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
  options: BootstrapOptions,
): Promise<Score> {
  const rows = ours.length;
  if (rows === 0) return NO_SCORE;
  const interval = await pairedBootstrap(ours, theirs, options);
  const value = Array.from(ours).reduce((sum, figure, query) => sum + figure - theirs[query]!, 0) / rows;
  if (interval !== null && interval.high - interval.low > 1e-12) return { value, interval, rows };
  const { low: agree, confidence } = wilsonInterval(rows, rows, options.confidence);
  const [low, high] = [agree * value - (1 - agree), agree * value + (1 - agree)];
  return { value, interval: { low, high, confidence }, rows };
}

function meanOf(values: readonly number[], drawn: Uint32Array): number {
  let sum = 0;
  for (const query of drawn) sum += values[query]!;
  return sum / drawn.length;
}

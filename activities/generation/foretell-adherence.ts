/**
 * What the gates of adherence should judge over more test prompts than were asked, of the model as it is. The prompts that were asked
 * are among them, drawn at random; the answers to the rest keep the guidelines as often as the asked ones let expect. Pure.
 */
import type { Interval, Score } from '../contract/measures.ts';
import { normalQuantile, wilsonInterval } from '../validation/statistics.ts';

/** Test prompts that an evaluation asks: beyond them an interval no longer narrows visibly (1.4 points), and each takes two models seconds. */
export const MOST_TEST_PROMPTS = 5000;

/** What a gate that judges the lower end of an interval would judge: in 95 of 100 runs between these. */
export interface ForetoldEnd {
  readonly low: number;
  readonly high: number;
}

export interface ForetoldAdherence {
  /** Wilson's, as the gate has it, where the answers keep the guidelines exactly as often as here. */
  readonly interval: Interval;
  readonly judged: ForetoldEnd;
  /** That the lower end reaches the threshold. */
  readonly probability: number;
  /** The lower end where every answer keeps them: no model has more of so many prompts. */
  readonly most: number;
}

/** Where prompts are left out of the whole, those that were asked need not be among them: all are then drawn anew. */
interface Whole {
  readonly rows: number;
  readonly nested: boolean;
}

/**
 * The answers to the rest are beta-binomial, by Jeffreys' prior: the posterior of the share, and the chance of so many prompts (Brown,
 * Cai & DasGupta, Statistical Science 16(2), 2001). Throws RangeError without answers.
 */
export function foretellAdherence(
  { value, rows: asked }: Pick<Score, 'value' | 'rows'>,
  { rows, nested }: Whole,
  threshold: number,
): ForetoldAdherence {
  if (value === null || asked === 0 || rows === 0) throw new RangeError('no answer was judged');
  const kept = Math.round(value * asked);
  const [had, left] = nested ? [kept, rows - asked] : [0, rows];
  const chances = betaBinomial(left, kept + 0.5, asked - kept + 0.5);
  const endAt = (more: number): number => wilsonInterval(had + more, rows).low;
  let [below, passing] = [0, 0];
  let low = left;
  let high = left;
  for (const [more, chance] of chances.entries()) {
    if (endAt(more) >= threshold) passing += chance;
    below += chance;
    if (below >= 0.025) low = Math.min(low, more);
    if (below >= 0.975) high = Math.min(high, more);
  }
  return {
    interval: wilsonInterval(value * rows, rows),
    judged: { low: endAt(low), high: endAt(high) },
    probability: Math.min(1, passing),
    most: wilsonInterval(rows, rows).low,
  };
}

/**
 * The lower end of an interval of differences (whose halves narrow by the root of the prompts) over more prompts, by the normal
 * distribution: of those that were asked, what is left open is the chance of the rest.
 */
export function foretellDifference(
  { value, interval, rows: asked }: Score,
  { rows, nested }: Whole,
): ForetoldEnd | null {
  if (value === null || interval === null || asked === 0 || rows === 0) return null;
  const half = (interval.high - interval.low) / 2;
  const centre = (interval.high + interval.low) / 2;
  const narrowed = half * Math.sqrt(asked / rows);
  const open = half * Math.sqrt(nested ? 1 - asked / rows : 1 + asked / rows);
  const scale = normalQuantile(0.975) / normalQuantile((1 + interval.confidence) / 2);
  return { low: centre - narrowed - open * scale, high: centre - narrowed + open * scale };
}

/** The chances of 0 … `trials` successes, each from the one before. */
function betaBinomial(trials: number, successes: number, failures: number): Float64Array {
  const logs = new Float64Array(trials + 1);
  for (let at = 0; at < trials; at += 1) logs[0]! += Math.log((failures + at) / (successes + failures + at));
  for (let at = 0; at < trials; at += 1) {
    const ratio = ((trials - at) / (at + 1)) * ((successes + at) / (failures + trials - at - 1));
    logs[at + 1] = logs[at]! + Math.log(ratio);
  }
  return logs.map((log) => Math.exp(log));
}

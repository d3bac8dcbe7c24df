/**
 * The Pareto set: who is beaten in everything at once, by the figures as they stand, and beyond the chance that is in a
 * measured quality. Pure.
 */
import type { Hardware, Interval } from '../contract/measures.ts';
import type { EncoderProbe } from '../contract/selection.ts';
import { areAlike } from './machines.ts';

/** What candidates are held against each other by. */
export interface Standing {
  readonly id: string;
  /** Wanted high, 0–1; measured on rows, so that chance is in it. */
  readonly quality: number;
  /** Of the quality; null where it has none. */
  readonly interval: Interval | null;
  /** Of one input, the 95th percentile: what is waited for. */
  readonly latencyMs: number;
  /** Of one input, the mean: what a cost at a price an hour is of. */
  readonly meanMs: number;
  /** Of a generator, each token after the first, the median. */
  readonly tokenMs?: number;
  /** That all of them are of. */
  readonly hardware: Hardware;
  readonly sizeMb: number;
  readonly memoryMb: number;
  /** Training rows of the probe that the quality is of; undefined: all. */
  readonly fittedOn?: EncoderProbe['fittedOn'];
}

/** What is wanted low; a cost per 1,000 inferences at a price an hour is the mean latency in other words. */
const WANTED_LOW = ['latencyMs', 'meanMs', 'tokenMs', 'sizeMb', 'memoryMb'] as const;

function low(one: Standing, figure: (typeof WANTED_LOW)[number]): number {
  return one[figure] ?? 0;
}

/** Whether `other` is at least as good in everything, and better in one, by the figures as they stand. */
export function dominates(other: Standing, one: Standing): boolean {
  return (
    other.quality >= one.quality &&
    isNoDearer(other, one) &&
    (other.quality > one.quality || WANTED_LOW.some((figure) => low(other, figure) < low(one, figure)))
  );
}

/** Whether another is no dearer in anything and better beyond chance: then nothing speaks for `one`. */
export function isDominatedBeyondChance(one: Standing, all: readonly Standing[]): boolean {
  return all.some((other) => other !== one && isNoDearer(other, one) && isBetterBeyondChance(other, one));
}

/** One sentence: who of the others is at least as good in all of it; `figures`: how it is called. */
export function standingOf(
  one: Standing,
  all: readonly Standing[],
  figures = 'quality, latency, size and memory',
): string {
  const dominating = all.filter((other) => dominates(other, one));
  const compared = areAlike(all) ? '' : ' that was timed on such a machine';
  return dominating.length === 0
    ? `No other candidate${compared} is as good in ${figures} at once.`
    : `At least as good in ${figures}: ${dominating.map((other) => other.id).join(', ')}.`;
}

/**
 * Whether the 95 % interval of the difference of their qualities is above zero: Newcombe's of two shares (Statistics in
 * Medicine 17, 1998, method 10), made of the interval of each. It takes the shares for those of different rows; of the same
 * rows, as here, a difference varies less, so that it errs less often than it says.
 */
export function isBetterBeyondChance(other: Standing, one: Standing): boolean {
  if (!isOfSameRows(other, one) || other.interval === null || one.interval === null) return false;
  const [below, above] = [other.quality - other.interval.low, one.interval.high - one.quality];
  return other.quality - one.quality > Math.hypot(below, above);
}

/** Fewer rows make a probe look worse than its encoder is: unlike ones are never held against each other. */
export function isOfSameRows({ fittedOn: one }: Standing, { fittedOn: other }: Standing): boolean {
  return one?.rows === other?.rows && one?.of === other?.of;
}

/** Of unlike machines nobody knows whose model is the slower one. */
function isNoDearer(other: Standing, one: Standing): boolean {
  return areAlike([other, one]) && WANTED_LOW.every((figure) => low(other, figure) <= low(one, figure));
}

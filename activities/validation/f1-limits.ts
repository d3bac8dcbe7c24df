/**
 * What so few rows of a label still allow of its F1. Resampling does not know it: rows that agree by luck agree in every resample.
 * Pure; how often the intervals miss is measured in test/validation/f1-limits.test.ts.
 */
import type { Interval } from '../contract/measures.ts';
import { wilsonInterval } from './statistics.ts';

/** Of every label: rows that are of it and were called so, and rows that are of it or were called so. */
export interface LabelHits {
  readonly right: ArrayLike<number>;
  readonly either: ArrayLike<number>;
}

/** Of these labels alone, or of all. */
export function hitsOf({ right, either }: LabelHits, labels?: readonly number[]): LabelHits {
  if (labels === undefined) return { right, either };
  return { right: labels.map((label) => right[label]!), either: labels.map((label) => either[label]!) };
}

interface Limits {
  readonly f1: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Wilson's interval of right / either, of which F1 = 2s / (1 + s) is a rising function (Takahashi, Yamamoto, Kuchiba and Koyama,
 * Applied Intelligence 52, 2022, on intervals of F1; Lam, arXiv:2309.14621, on this one). Labels that no row has are left out.
 */
function limitsOf({ right, either }: LabelHits, confidence: number): readonly Limits[] {
  const f1 = (share: number): number => (2 * share) / (1 + share);
  return Array.from(either, (rows, label) => ({ rows, hits: right[label]! }))
    .filter(({ rows }) => rows > 0)
    .map(({ rows, hits }) => {
      const { low, high } = wilsonInterval(hits, rows, confidence);
      return { f1: f1(hits / rows), low: f1(low), high: f1(high) };
    });
}

/**
 * Of the mean F1 over the labels, recovered from theirs (MOVER: Zou and Donner, Statistics in Medicine 27, 2008) as if they were
 * independent. One mistake lowers two labels: by itself too narrow where rows are many, which resampling is right about. null without rows.
 */
export function macroF1Limits(hits: LabelHits, confidence = 0.95): Interval | null {
  const limits = limitsOf(hits, confidence);
  if (limits.length === 0) return null;
  const length = (parts: readonly number[]): number => Math.hypot(...parts) / limits.length;
  const mean = limits.reduce((sum, { f1 }) => sum + f1, 0) / limits.length;
  return {
    low: Math.max(0, mean - length(limits.map(({ f1, low }) => f1 - low))),
    high: Math.min(1, mean + length(limits.map(({ f1, high }) => high - f1))),
    confidence,
  };
}

/**
 * Of the smallest F1 of a label. Whichever label is the worst, its own lower end is below its F1 as often as promised, and the least
 * of all lower ends is no higher. The upper end must hold for all labels at once (Bonferroni). null without rows.
 */
export function worstF1Limits(hits: LabelHits, confidence = 0.95): Interval | null {
  const limits = limitsOf(hits, confidence);
  if (limits.length === 0) return null;
  const atOnce = limitsOf(hits, 1 - (1 - confidence) / limits.length);
  return {
    low: Math.min(...limits.map(({ low }) => low)),
    high: Math.min(...atOnce.map(({ high }) => high)),
    confidence,
  };
}

/** As wide as the wider of two at either end. */
export function widest(one: Interval | null, other: Interval | null): Interval | null {
  if (one === null || other === null) return null;
  return { low: Math.min(one.low, other.low), high: Math.max(one.high, other.high), confidence: one.confidence };
}

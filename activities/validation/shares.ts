/** Two shares of different rows. Pure; the figures are tested against statsmodels'. */
import type { Interval, Score } from '../contract/measures.ts';
import { wilsonInterval } from './statistics.ts';

export interface Count {
  readonly hits: number;
  readonly rows: number;
}

/**
 * Interval of the difference of two independent shares, first minus second: Newcombe's hybrid score interval (method 10 of
 * Statistics in Medicine 17(8), 1998), from Wilson's interval of each. Throws RangeError unless both have rows.
 */
export function shareDifferenceInterval(first: Count, second: Count, confidence = 0.95): Interval {
  const [a, b] = [
    wilsonInterval(first.hits, first.rows, confidence),
    wilsonInterval(second.hits, second.rows, confidence),
  ];
  const [p, q] = [first.hits / first.rows, second.hits / second.rows];
  return {
    low: p - q - Math.hypot(p - a.low, b.high - q),
    high: p - q + Math.hypot(a.high - p, q - b.low),
    confidence,
  };
}

/** The difference as a score of the second's rows; no number where either has none. */
export function shareDifference(first: Count, second: Count, confidence = 0.95): Score {
  if (first.rows === 0 || second.rows === 0) return { value: null, interval: null, rows: 0 };
  return {
    value: first.hits / first.rows - second.hits / second.rows,
    interval: shareDifferenceInterval(first, second, confidence),
    rows: second.rows,
  };
}

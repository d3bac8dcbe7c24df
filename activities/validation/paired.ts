/** Two models on the same rows: is one better beyond chance? Pure; the figures are tested against scipy's and statsmodels'. */
import type { Interval } from '../contract/measures.ts';
import { normalQuantile } from './statistics.ts';

export interface Discordance {
  /** Rows that only the first has right, and rows that only the second has. */
  readonly won: number;
  readonly lost: number;
}

/** Counts the rows that only one of two has right. */
export function discordance(expected: Int32Array, first: Int32Array, second: Int32Array): Discordance {
  let [won, lost] = [0, 0];
  for (let row = 0; row < expected.length; row++) {
    const [here, there] = [first[row] === expected[row], second[row] === expected[row]];
    if (here && !there) won++;
    if (there && !here) lost++;
  }
  return { won, lost };
}

/**
 * McNemar's test of whether both err equally often, two-sided: exact (binomial over the rows on which they differ) and
 * mid-p, which is less conservative and keeps its level in practice (Fagerland, Lydersen & Laake, BMC Medical Research
 * Methodology 13:91, 2013). 1 where they differ on no row. Throws RangeError for what is no count.
 */
export function mcnemar({ won, lost }: Discordance): { readonly exactP: number; readonly midP: number } {
  for (const rows of [won, lost]) {
    if (!Number.isSafeInteger(rows) || rows < 0) throw new RangeError(`mcnemar: ${rows} is no number of rows`);
  }
  const rows = won + lost;
  const fewer = Math.min(won, lost);
  let term = Math.exp(logBinomial(rows, fewer) - rows * Math.LN2);
  const atMost = term;
  let tail = 0;
  // From the largest term down: each smaller one is the one before times a ratio.
  for (let count = fewer; count >= 0 && term > 0; count--) {
    tail += term;
    term *= count / (rows - count + 1);
  }
  return { exactP: Math.min(1, 2 * tail), midP: Math.min(1, 2 * tail - atMost) };
}

/**
 * Interval of the difference of two shares of the same rows, `(won − lost) / rows`: Wald's with one row added to each of
 * the discordant cells (Bonett & Price, Journal of Educational and Behavioral Statistics 37(4), 2012). Unlike resampling
 * it does not shrink to a point when the two never differ. Throws RangeError unless won + lost ≤ rows and rows > 0.
 */
export function pairedShareInterval({ won, lost }: Discordance, rows: number, confidence = 0.95): Interval {
  if (!(rows > 0 && won >= 0 && lost >= 0 && won + lost <= rows)) {
    throw new RangeError(`pairedShareInterval: ${won} won and ${lost} lost of ${rows} rows is no comparison`);
  }
  const z = normalQuantile((1 + confidence) / 2);
  const [better, worse] = [(won + 1) / (rows + 2), (lost + 1) / (rows + 2)];
  const centre = better - worse;
  const half = z * Math.sqrt((better + worse - centre * centre) / (rows + 2));
  return { low: Math.max(-1, centre - half), high: Math.min(1, centre + half), confidence };
}

/**
 * Interval of the mean of differences on the same rows, each of −1 to 1: `pairedShareInterval` where one of the two was asked
 * several times on a row, and its share of right answers there stands for it. A row of 1 and one of −1 are added; where
 * each was asked once the figures are the same. Throws RangeError without rows, and for a difference out of its range.
 */
export function pairedDifferenceInterval(differences: readonly number[], confidence = 0.95): Interval {
  if (differences.length === 0 || differences.some((one) => !(Math.abs(one) <= 1))) {
    throw new RangeError(`pairedDifferenceInterval: ${differences.length} differences, each of −1 to 1, are needed`);
  }
  const rows = differences.length + 2;
  const z = normalQuantile((1 + confidence) / 2);
  const centre = differences.reduce((sum, one) => sum + one, 0) / rows;
  const square = (differences.reduce((sum, one) => sum + one * one, 0) + 2) / rows;
  const half = z * Math.sqrt((square - centre * centre) / rows);
  return { low: Math.max(-1, centre - half), high: Math.min(1, centre + half), confidence };
}

/** Logarithm of the number of ways to choose `chosen` of `all`. */
function logBinomial(all: number, chosen: number): number {
  let log = 0;
  for (let place = 1; place <= chosen; place++) log += Math.log((all - chosen + place) / place);
  return log;
}

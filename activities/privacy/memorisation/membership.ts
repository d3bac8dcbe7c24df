/** Whether a text's loss tells that the model was trained on it. Pure. */
import type { Score } from '../../contract/measures.ts';
import { normalQuantile } from '../../validation/statistics.ts';

const CONFIDENCE = 0.95;

/**
 * Area under the curve of the attack that calls texts of a low loss members (Yeom et al., CSF 2018): the chance that a
 * member's loss is below a stranger's, ties counted half. Interval after DeLong, DeLong & Clarke-Pearson (Biometrics 44,
 * 1988), by mid-ranks (Sun & Xu, IEEE Signal Processing Letters 21, 2014). Null of fewer than two of either, or a loss that
 * is not finite.
 */
export function membershipAuc(members: readonly number[], strangers: readonly number[]): Score {
  const rows = members.length + strangers.length;
  const missing: Score = { value: null, interval: null, rows };
  if (members.length < 2 || strangers.length < 2) return missing;
  if (![...members, ...strangers].every(Number.isFinite)) return missing;
  // A low loss is a high score.
  const scores = [members, strangers].map((losses) => losses.map((loss) => -loss)) as [number[], number[]];
  const [all, ofMembers, ofStrangers] = [scores.flat(), scores[0], scores[1]].map(midRanks) as [
    number[],
    number[],
    number[],
  ];
  const [m, n] = [members.length, strangers.length];
  const overStrangers = ofMembers.map((rank, index) => ((all[index] as number) - rank) / n);
  const belowMembers = ofStrangers.map((rank, index) => 1 - ((all[m + index] as number) - rank) / m);
  const value = mean(overStrangers);
  const error = Math.sqrt(variance(overStrangers) / m + variance(belowMembers) / n);
  const half = normalQuantile((1 + CONFIDENCE) / 2) * error;
  const interval = { low: Math.max(0, value - half), high: Math.min(1, value + half), confidence: CONFIDENCE };
  return { value, interval, rows };
}

/** From 1; equal values share the mean of their ranks. */
function midRanks(values: readonly number[]): number[] {
  const order = Array.from(values, (_, index) => index).sort((left, right) => values[left]! - values[right]!);
  const ranks = Array.from(values, () => 0);
  for (let from = 0; from < order.length;) {
    let to = from;
    while (to < order.length && values[order[to]!] === values[order[from]!]) to += 1;
    for (let place = from; place < to; place += 1) ranks[order[place]!] = (from + to + 1) / 2;
    from = to;
  }
  return ranks;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function variance(values: readonly number[]): number {
  const centre = mean(values);
  return values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1);
}

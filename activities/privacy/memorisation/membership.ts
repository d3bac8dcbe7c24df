/** Whether a text's loss tells that the model was trained on it. Pure. */
import type { Interval, Score } from '../../contract/measures.ts';
import { normalQuantile } from '../../validation/statistics.ts';

const CONFIDENCE = 0.95;
const Z = normalQuantile((1 + CONFIDENCE) / 2);

/**
 * Area under the curve of the attack that calls texts of a low loss members (Yeom et al., CSF 2018): the chance that a
 * member's loss is below a stranger's, ties counted half (Mann & Whitney's U, by mid-ranks). No value of fewer than two of
 * either, or of a loss that is not finite.
 */
export function membershipAuc(members: readonly number[], strangers: readonly number[]): Score {
  const [m, n] = [members.length, strangers.length];
  const rows = m + n;
  const missing: Score = { value: null, interval: null, rows };
  if (m < 2 || n < 2)
    return { ...missing, notApplicable: `there are ${m} training texts and ${n} held-out ones to tell` };
  if (![...members, ...strangers].every(Number.isFinite)) return missing;
  // A low loss is a high score.
  const ranks = midRanks([...members, ...strangers].map((loss) => -loss));
  const sum = ranks.slice(0, m).reduce((total, rank) => total + rank, 0);
  const value = (sum - (m * (m + 1)) / 2) / (m * n);
  return { value, interval: aucInterval(value, m, n), rows };
}

/**
 * Score interval of an AUC (Newcombe, Statistics in Medicine 25(4), 2006, method 5): all areas that the found one is within so
 * many standard errors of, each by the error that it has itself were it the true one (`deviation`). Unlike DeLong's it does
 * not shrink to a point where all members are told, and keeps its level with a handful of texts.
 */
export function aucInterval(value: number, members: number, strangers: number): Interval {
  const apart = (truth: number): boolean => Math.abs(value - truth) > Z * deviation(truth, members, strangers);
  // Between the found area, which is within, and the end of the scale: where an area stops being within.
  const end = (limit: 0 | 1): number => {
    if (value === limit) return limit;
    let [inside, outside] = [value, limit as number];
    for (let halving = 0; halving < HALVINGS; halving += 1) {
      const middle = (inside + outside) / 2;
      if (apart(middle)) outside = middle;
      else inside = middle;
    }
    return inside;
  };
  return { low: end(0), high: end(1), confidence: CONFIDENCE };
}

/**
 * The smallest true AUC, in hundredths, that so many texts of each show to be above `limit` 95 times in 100, by the normal
 * approximation; null where not even a model that tells them all apart is shown.
 */
export function shownAuc(limit: number, texts: number): number | null {
  if (aucInterval(1, texts, texts).low <= limit) return null;
  const least = limit + Z * deviation(limit, texts, texts);
  const oneSided = normalQuantile(0.95);
  const hundredths = Array.from({ length: 100 }, (_, index) => (index + 1) / 100);
  return hundredths.find((auc) => auc - oneSided * deviation(auc, texts, texts) >= least) ?? 1;
}

const HALVINGS = 60;

/** Hanley & McNeil's (Radiology 143, 1982), with the mean number of both sides for each, as Newcombe has it. */
function deviation(auc: number, members: number, strangers: number): number {
  const others = (members + strangers) / 2 - 1;
  const pairs = 1 + (others * (1 - auc)) / (2 - auc) + (others * auc) / (1 + auc);
  return Math.sqrt((auc * (1 - auc) * pairs) / (members * strangers));
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

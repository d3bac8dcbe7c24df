/**
 * Accuracy on two sets of rows whose labels may be mixed otherwise: where one has more of the labels that are harder, its accuracy is lower
 * without any row being answered worse than its like. Compared within each label, as Mantel & Haenszel do (Journal of the National Cancer
 * Institute 22, 1959: the risk difference): a label counts n·m / (n + m) of its n and m rows, so that few rows of many labels lose
 * little, and a label that only one set has counts nothing. Pure.
 */
import type { Score } from '../contract/measures.ts';
import { notMeasured } from './scores.ts';
import { shareDifference, type Count } from './shares.ts';

export interface AnsweredRows {
  readonly classes: Int32Array;
  readonly predicted: Int32Array;
}

/**
 * The first's accuracy minus the second's, in points, with Newcombe's interval of as many rows as the weighted ones tell as much as (Kish,
 * Survey Sampling, 1965, the effective sample size). Where the labels are mixed alike it is the plain difference. `rows` are those of the second whose
 * label the first has, too.
 */
export function sameMixDifference(first: AnsweredRows, second: AnsweredRows): Score {
  const [ours, theirs] = [countLabels(first), countLabels(second)];
  const both = [...theirs].flatMap(([label, there]) => {
    const here = ours.get(label);
    return here === undefined ? [] : [{ here, there, weight: (here.rows * there.rows) / (here.rows + there.rows) }];
  });
  if (both.length === 0) return notMeasured('no label has rows on both sides');
  const weighed = (side: 'here' | 'there'): Count => {
    const sum = (of: (one: (typeof both)[number]) => number): number => both.reduce((so, one) => so + of(one), 0);
    const weights = sum(({ weight }) => weight);
    const rows = weights ** 2 / sum((one) => one.weight ** 2 / one[side].rows);
    const share = sum((one) => (one.weight * one[side].hits) / one[side].rows) / weights;
    // Sums of shares may be off one by the rounding of floats.
    return { hits: Math.min(1, share) * rows, rows };
  };
  return {
    ...shareDifference(weighed('here'), weighed('there')),
    rows: both.reduce((sum, { there }) => sum + there.rows, 0),
  };
}

function countLabels({ classes, predicted }: AnsweredRows): ReadonlyMap<number, Count> {
  const counts = new Map<number, Count>();
  for (const [row, label] of classes.entries()) {
    const { hits, rows } = counts.get(label) ?? { hits: 0, rows: 0 };
    counts.set(label, { hits: hits + Number(predicted[row] === label), rows: rows + 1 });
  }
  return counts;
}

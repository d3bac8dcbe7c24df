/** What a probe is ranked by, of the two things that are known of it. Pure. */
import type { Interval, Score } from '../contract/measures.ts';
import type { CandidateOutcome } from '../contract/selection.ts';
import { wilsonInterval } from '../validation/statistics.ts';

/** Whether every probe that was measured has its folds: only then is like ranked with like. */
export function allHaveFolds(candidates: readonly CandidateOutcome[]): boolean {
  const probes = candidates.flatMap(({ probe }) => probe ?? []);
  return probes.length > 0 && probes.every(({ crossValidated }) => typeof crossValidated?.value === 'number');
}

/**
 * The share right of validation rows and of training rows that the folds asked, row by row. Neither was seen by the fit that
 * answered. The folds' is a touch too low, of fits on two thirds of the rows, and a touch too high, since they chose the
 * penalty: of every candidate alike, and the noise of some hundred validation rows alone is larger than either. Null where
 * one of them is.
 */
export function pooledScore(validation: Score, folds: Score): Score {
  if (validation.value === null || folds.value === null) return { value: null, interval: null, rows: 0 };
  const rows = validation.rows + folds.rows;
  const value = (validation.value * validation.rows + folds.value * folds.rows) / rows;
  const interval: Interval = wilsonInterval(value * rows, rows);
  return { value, interval, rows };
}

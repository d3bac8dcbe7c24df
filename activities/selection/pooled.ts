/** What a candidate is ranked by, of the two things that are known of it: its answers to validation rows, and to training rows that it had not seen. Pure. */
import type { Score } from '../contract/measures.ts';
import type { EncoderProbe, RankCandidatesInput } from '../contract/selection.ts';

/**
 * One-sided, 0.5 %: training rows that are as good as validation pass for too kind one time in two hundred. At 5 % it was the draws whose validation
 * rows were unlucky that fell back on just these (bench/selection-pictures.ts).
 */
const TOO_KIND = 2.576;

/** Rows right of validation, and of training rows: of a probe over folds, of neighbours each asked of all the others. */
export interface Answers {
  readonly validation: Score;
  readonly training: Score | undefined;
}

/** What of a probe counts: where neighbours are served, what these find; else its linear probe. */
export function answersOf(
  probe: Pick<EncoderProbe, 'linearAccuracy' | 'crossValidated' | 'knnAccuracy' | 'knnLeaveOneOut'>,
  by: RankCandidatesInput['by'],
): Answers {
  return by === 'neighbours'
    ? { validation: probe.knnAccuracy, training: probe.knnLeaveOneOut }
    : { validation: probe.linearAccuracy, training: probe.crossValidated };
}

/**
 * Whether training rows count beside validation: every candidate has them, and none does better on them than on validation beyond
 * chance. A fit on two thirds of the rows should do a little worse, neighbours without one row as well; one that does better has seen
 * twins of what it was asked (rows of one template, pictures of one scene), or validation is of other people, sites or times. Then it is named.
 */
export function foldsCount(probes: readonly (Answers & { readonly id: string })[]): {
  readonly count: boolean;
  readonly tooKind?: string;
} {
  if (probes.length === 0 || probes.some(({ training }) => typeof training?.value !== 'number'))
    return { count: false };
  const kind = probes.find(({ validation, training }) => excess(validation, training!) > TOO_KIND);
  return kind === undefined ? { count: true } : { count: false, tooKind: kind.id };
}

/** Of two shares of different rows, in standard errors of their difference; 0 where either is missing. */
function excess({ value: before, rows }: Score, { value: after, rows: others }: Score): number {
  if (before === null || after === null || rows === 0 || others === 0) return 0;
  const both = (before * rows + after * others) / (rows + others);
  const error = Math.sqrt(both * (1 - both) * (1 / rows + 1 / others));
  return error === 0 ? 0 : (after - before) / error;
}

/** The share right of both, row by row; null where one of them is. */
export function pooledAccuracy({ validation, training }: Answers): number | null {
  if (validation.value === null || training?.value == null) return null;
  return (validation.value * validation.rows + training.value * training.rows) / (validation.rows + training.rows);
}

/** What a candidate is ranked by, of the two things that are known of it: its answers to validation rows, and to training rows that it had not seen. Pure. */
import type { Score } from '../contract/measures.ts';
import type { EncoderProbe, OfTrainingRows, RankCandidatesInput } from '../contract/selection.ts';

/**
 * One-sided, 0.5 %: training rows that are as good as validation pass for too kind one time in two hundred. At 5 % it was the draws whose validation
 * rows were unlucky that fell back on just these (bench/selection-pictures.ts).
 */
const BEYOND_CHANCE = 2.576;
/**
 * Of the training rows, those that others can be asked for at least: validation has the other labels, too. Where candidates differ by ten
 * points more on a tenth that nobody was asked for than on the rest, that is a point, the tolerance by default.
 */
const LEAST_ASKABLE = 0.9;

/** Rows right of validation, and of training rows: of a probe over folds, of neighbours each asked of all the others. */
export interface Answers {
  readonly validation: Score;
  readonly training: OfTrainingRows | undefined;
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

/** Whether training rows count beside validation, and if not, why; nothing where some candidate has none. */
export interface FoldsCount {
  readonly count: boolean;
  /** Who does better on them than on validation, beyond chance. */
  readonly tooKind?: string;
  /** Neighbours: shares right on average, where they are lower of training rows beyond chance. */
  readonly tooPoor?: { readonly validation: number; readonly training: number };
  /** More than a tenth of the rows have a label of too few for one to be asked of others. */
  readonly tooFew?: { readonly rows: number; readonly of: number; readonly others: number };
  /** Who was asked of which: not of the same share of them, so that the rarest labels count for some alone. `rows` of `of`; all where that is missing. */
  readonly unlike?: readonly { readonly id: string; readonly askable?: Askable | undefined }[];
}

type Askable = NonNullable<OfTrainingRows['askable']>;

/**
 * Whether training rows count beside validation: every candidate has them, of nearly all labels and the same ones, and none does better on them than on
 * validation beyond chance. A fit on two thirds of the rows should do a little worse, neighbours without one row as well; one that does better has seen
 * twins of what it was asked (rows of one template, pictures of one scene), or validation is of other people, sites or times. Then it is named, unless the
 * labels that no training row is asked for explain it.
 * Nor do neighbours' where the candidates together do worse on them beyond chance: a label of few rows loses too much by the one that is left out, and
 * where all answer wrong, differences shrink below the tolerance. Together, since one alone may have been lucky on validation: that is what these rows are for.
 */
export function foldsCount(
  probes: readonly (Answers & { readonly id: string })[],
  by: RankCandidatesInput['by'],
): FoldsCount {
  const few = probes.find(({ training }) => isFew(training?.askable))?.training?.askable;
  if (few !== undefined) return { count: false, tooFew: few };
  if (probes.length === 0 || probes.some(({ training }) => typeof training?.value !== 'number'))
    return { count: false };
  const [first, ...others] = probes;
  if (others.some((one) => !isAskedAlike(one.training?.askable, first?.training?.askable)))
    return { count: false, unlike: probes.map(({ id, training }) => ({ id, askable: training?.askable })) };
  const kind = probes.find(
    ({ validation, training }) => excess(atMostOf(validation, training!), training!) > BEYOND_CHANCE,
  );
  if (kind !== undefined) return { count: false, tooKind: kind.id };
  if (by !== 'neighbours') return { count: true };
  const validation = average(probes.map((one) => one.validation));
  const training = average(probes.map((one) => one.training!));
  // Of one candidate's rows: all answer the same ones, so that their mean has no larger error.
  if (excess(training, validation) <= BEYOND_CHANCE) return { count: true };
  return { count: false, tooPoor: { validation: validation.value ?? 0, training: training.value ?? 0 } };
}

/** A run that was upgraded has probes that every row was asked of beside those of askable rows alone; they are alike where all rows are askable. */
function isAskedAlike(one: Askable | undefined, other: Askable | undefined): boolean {
  if (one !== undefined && other !== undefined) return one.rows === other.rows && one.of === other.of;
  const known = one ?? other;
  return known === undefined || known.rows === known.of;
}

function isFew(askable: Askable | undefined): boolean {
  return askable !== undefined && askable.rows < LEAST_ASKABLE * askable.of;
}

/** What of validation is right at most among labels that training rows are asked for: the others, of few rows, may all be wrong. */
function atMostOf(validation: Score, { askable }: NonNullable<Answers['training']>): Pick<Score, 'value' | 'rows'> {
  const share = askable === undefined || askable.of === 0 ? 1 : askable.rows / askable.of;
  const value = validation.value === null ? null : Math.min(1, validation.value / share);
  return { value, rows: Math.round(validation.rows * share) };
}

/** The mean share, of as many rows as the one that was asked for the fewest. */
function average(scores: readonly Score[]): Pick<Score, 'value' | 'rows'> {
  const values = scores.flatMap(({ value }) => value ?? []);
  const value = values.length === 0 ? null : values.reduce((sum, one) => sum + one, 0) / values.length;
  return { value, rows: Math.min(...scores.map(({ rows }) => rows)) };
}

/** Of two shares of different rows, in standard errors of their difference; 0 where either is missing. */
function excess(
  { value: before, rows }: Pick<Score, 'value' | 'rows'>,
  { value: after, rows: others }: Pick<Score, 'value' | 'rows'>,
): number {
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

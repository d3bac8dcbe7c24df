/** What a probe is ranked by, of the two things that are known of it: its answers to validation rows, and to the folds of its training rows. Pure. */
import type { Score } from '../contract/measures.ts';
import type { EncoderProbe } from '../contract/selection.ts';

/**
 * One-sided, 0.5 %: folds that are as good as validation pass for too kind one time in two hundred. At 5 % it was the draws whose validation
 * rows were unlucky that fell back on just these (bench/selection-pictures.ts).
 */
const TOO_KIND = 2.576;

type Probed = Pick<EncoderProbe, 'linearAccuracy' | 'crossValidated'> & { readonly id: string };

/**
 * Whether the folds count beside validation: every probe has them, and none does better on them than on validation beyond
 * chance. A fit on two thirds of the rows should do a little worse; one that does better has seen twins of what it was asked
 * (rows of one template, pictures of one scene), or validation is of other people, sites or times. Then it is named.
 */
export function foldsCount(probes: readonly Probed[]): { readonly count: boolean; readonly tooKind?: string } {
  if (probes.length === 0 || probes.some(({ crossValidated }) => typeof crossValidated?.value !== 'number'))
    return { count: false };
  const kind = probes.find(({ linearAccuracy, crossValidated }) => excess(linearAccuracy, crossValidated!) > TOO_KIND);
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
export function pooledAccuracy({
  linearAccuracy: validation,
  crossValidated: folds,
}: Omit<Probed, 'id'>): number | null {
  if (validation.value === null || folds?.value == null) return null;
  return (validation.value * validation.rows + folds.value * folds.rows) / (validation.rows + folds.rows);
}

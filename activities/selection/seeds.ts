/** What several seeds of one try say of its accuracy, beside its validation rows. Pure. */
import type { RungResult } from '../contract/prototype.ts';
import { normalQuantile } from '../validation/statistics.ts';
import { studentQuantile } from '../validation/student.ts';

type Measured = Pick<RungResult, 'accuracy' | 'accuracies' | 'validationRows'>;

/** Variance of the mean accuracy from seed to seed; 0 of one seed, which tells nothing of it. */
export function seedVariance({ accuracies = [] }: Measured): number {
  const { length } = accuracies;
  if (length < 2) return 0;
  const mean = accuracies.reduce((sum, value) => sum + value, 0) / length;
  return accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (length - 1) / length;
}

/**
 * So many validation rows would leave the accuracy as uncertain, had it no other source of chance. All seeds answer the
 * same rows, so that the rows' part does not shrink with them. The half-width is that of the rows and that of the seeds,
 * squared and added, the latter with Student's t of its own degrees of freedom. Welch's degrees of freedom of the sum
 * (Biometrika 34, 1947) rise where few seeds lie near each other by chance, and his interval falls short; one spread pooled
 * over the candidates is too small for one whose seeds lie further apart than the others' do. Of one seed: the rows that
 * there are.
 */
export function rowsInEffect(result: Measured): number {
  const { accuracy, accuracies = [], validationRows: rows } = result;
  const ofSeeds = seedVariance(result);
  if (accuracy === null || ofSeeds === 0 || rows === 0) return rows;
  // The share as Wilson centres it: 100 of 100 right is no proof of no error.
  const share = (accuracy * rows + 2) / (rows + 4);
  const ofRows = (share * (1 - share)) / rows;
  const wider = studentQuantile(0.975, accuracies.length - 1) / normalQuantile(0.975);
  return (rows * ofRows) / (ofRows + ofSeeds * wider ** 2);
}

/** How far apart two tries are on the same rows by the seeds alone. */
export interface SeedDifference {
  /** Standard error of the difference of their means. */
  readonly error: number;
  /** As large a lead, or a smaller one, other seeds might turn: as many fresh ones of each, at 95 %. */
  readonly turnable: number;
}

/** Of two tries from several seeds each, whose spreads need not be alike (Welch, Biometrika 34, 1947). */
export function seedDifference(one: Measured, other: Measured): SeedDifference {
  const variances = [seedVariance(one), seedVariance(other)] as const;
  const both = variances[0] + variances[1];
  if (both === 0) return { error: 0, turnable: 0 };
  const terms = [one, other].map(({ accuracies = [] }, at) => (variances[at] ?? 0) ** 2 / (accuracies.length - 1));
  const freedom = both ** 2 / terms.reduce((sum, term) => sum + term, 0);
  const error = Math.sqrt(both);
  // The lead is of one set of seeds, what turns it of another: their errors add.
  return { error, turnable: studentQuantile(0.975, freedom) * Math.SQRT2 * error };
}

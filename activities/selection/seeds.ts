/** What several seeds of one try say of its accuracy, beside its validation rows. Pure. */
import type { RungResult } from '../contract/prototype.ts';
import { studentQuantile } from '../validation/student.ts';
import { normalQuantile } from '../validation/statistics.ts';

type Measured = Pick<RungResult, 'accuracy' | 'accuracies' | 'validationRows'>;

/** Variance of the mean accuracy from seed to seed; 0 of one seed, which tells nothing of it. */
export function seedVariance({ accuracies = [] }: Measured): number {
  const { length } = accuracies;
  if (length < 2) return 0;
  const mean = accuracies.reduce((sum, value) => sum + value, 0) / length;
  return accuracies.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (length - 1) / length;
}

/**
 * So many validation rows would leave the accuracy as uncertain, had it no other source of chance: rows and seeds add
 * their variances, and since a few seeds hardly tell their own, the interval has Student's t in place of the normal
 * quantile, with the degrees of freedom of the sum (Welch, Biometrika 34, 1947; the rows have no end of them). All seeds
 * answer the same rows, so that the rows' part does not shrink with them. Of one seed: the rows that there are.
 */
export function rowsInEffect(result: Measured): number {
  const { accuracy, accuracies = [], validationRows: rows } = result;
  const ofSeeds = seedVariance(result);
  if (accuracy === null || ofSeeds === 0 || rows === 0) return rows;
  // The share as Wilson centres it: 100 of 100 right is no proof of no error.
  const share = (accuracy * rows + 2) / (rows + 4);
  const ofRows = (share * (1 - share)) / rows;
  const both = ofRows + ofSeeds;
  const freedom = (accuracies.length - 1) * (both / ofSeeds) ** 2;
  const wider = studentQuantile(0.975, freedom) / normalQuantile(0.975);
  return (rows * ofRows) / (both * wider ** 2);
}

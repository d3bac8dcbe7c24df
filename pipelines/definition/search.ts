/** A search for the settings of the training that a definition leaves open (docs/selection.md). Off unless it is written. */
import { z } from 'zod';
import { ascendingShares } from './values.ts';

export const SearchSchema = z.strictObject({
  /** How many settings are tried, the recommended ones among them. */
  trials: z.int().min(2).max(32).default(8),
  /** Shares of the training rows, ascending; after each the better half goes on. The last one is all: what is best of few rows need not be of many. */
  rungs: ascendingShares.default([0.1, 0.3, 1]),
  /** Trainings a trial on the last rung, each from another seed, where the rows are few. Their mean counts. */
  seeds: z.int().min(1).max(9).default(3),
  /** Fewer training rows are few: there the seed moves the accuracy as much as most settings do (Dodge et al., arXiv:2002.06305). */
  fewRows: z.int().min(0).default(1000),
});

export type SearchSpec = z.output<typeof SearchSchema>;

import { z } from 'zod';
import { fraction } from './values.ts';

export const SelectionSchema = z.strictObject({
  /** Tokens; longer texts are truncated, in evaluation and in serving alike. */
  maxLength: z.int().min(8).max(512).default(64),
  maxLatencyP95Ms: z.number().positive().optional(),
  maxSizeMb: z.number().positive().optional(),
  maxMemoryMb: z.number().positive().optional(),
  /** Candidates within this much of the best probe accuracy count as equals; the faster one wins. */
  tolerance: fraction.default(0.01),
  /** Neighbours of the kNN score. */
  neighbours: z.int().min(1).max(100).default(5),
  seed: z.int().min(0).default(7),
});

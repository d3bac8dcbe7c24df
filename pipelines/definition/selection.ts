import { z } from 'zod';
import { HardwareClassSchema } from '../hardware-class.ts';
import { BY_ROWS } from '../seeds-by-rows.ts';
import { ascendingShares, fraction } from './values.ts';

/**
 * Fine-tuning the best few on growing small parts of the training rows, before one of them is tuned on all: successive
 * halving. Where only one candidate is left to tune there is nothing to try, and it is skipped.
 */
const PrototypeStage = z.strictObject({
  enabled: z.boolean().default(true),
  /** How many of the best by frozen figures are tried. */
  shortlist: z.int().min(1).max(16).default(2),
  /** Also the one with the most parameters: scores of frozen features can miss it, its size cannot. */
  generalist: z.boolean().default(true),
  /** Shares of the training rows, ascending. Three in a hundred tell the hopeless, a tenth the rest: less than a quarter of tuning all of five. */
  rungs: ascendingShares.default([0.03, 0.1]),
  /** A rung has at least so many training rows, where there are as many: below, chance decides. */
  leastRows: z.int().min(2).default(64),
  /** At most so many validation rows tell them apart: 1000 tell two points. */
  mostValidationRows: z.int().min(10).default(1000),
  /** Epochs of a try; those of `training` when left out. */
  epochs: z.int().min(1).max(1000).optional(),
  /** Trainings of a try where the training rows are few, each from another seed: their mean counts, and costs as often as much. One, or three at least; how many, the table says. */
  seeds: z
    .union([
      z
        .int()
        .min(1)
        .max(9)
        .refine((seeds) => seeds !== 2, 'two seeds hardly tell how far apart seeds lie: write 1, or 3 and more'),
      z.literal(BY_ROWS),
    ])
    .default(BY_ROWS),
  /** Fewer training rows in all are few; 1000 when left out, as of a search for settings. */
  fewRows: z.int().min(0).optional(),
});

/** What a candidate's source tells before its weights are fetched (docs/selection.md). */
export const statedLimits = {
  /** Of the encoder, heads not counted. */
  maxParameters: z.int().positive().optional(),
  /** Codes such as `en`: a candidate whose card names languages by such codes must name all of these; `eng` is `en`. */
  languages: z
    .array(z.string().regex(/^[a-z]{2,3}$/, "write a language's code, like 'en'"))
    .min(1)
    .max(50)
    .optional(),
} as const;

export const costLimit = {
  /** Of 1,000 inferences, in the currency of the workers' prices (ESPALIER_PRICES): without a price of espalier-cpu the run ends at once. */
  maxCostPer1000: z.number().positive().optional(),
} as const;

export const measuredOn = {
  /** Candidates, and the model that gates judge, are timed on machines of this class alone; on whichever the workers have when left out. */
  hardware: HardwareClassSchema.optional(),
} as const;

export const SelectionSchema = z.strictObject({
  /** Tokens; longer texts are cut, in training, evaluation and serving alike. */
  maxLength: z.int().min(8).max(512).default(64),
  /** Longer texts are read in overlapping windows of `maxLength` tokens instead, everywhere alike; what is said of a text is the mean. */
  windows: z
    .strictObject({
      /** The least share of a window's tokens that the next one has too: a sentence that one cuts in two, the next has whole. */
      overlap: z.number().min(0).max(0.5).default(0.25),
      /** Of a text; what they do not reach is not read. Each costs as much time and memory as a short text. */
      most: z.int().min(2).max(64).default(8),
    })
    .optional(),
  maxLatencyP95Ms: z.number().positive().optional(),
  ...statedLimits,
  maxSizeMb: z.number().positive().optional(),
  maxMemoryMb: z.number().positive().optional(),
  ...costLimit,
  ...measuredOn,
  /** Candidates within this much of the best probe accuracy count as equals; the faster one wins. */
  tolerance: fraction.default(0.01),
  /** Neighbours of the kNN score. */
  neighbours: z.int().min(1).max(100).default(5),
  seed: z.int().min(0).default(7),
  prototype: PrototypeStage.prefault({}),
});

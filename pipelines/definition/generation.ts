/** What only a pipeline that generates text says: how prompts are searched, when a model is tuned, how it answers. */
import { z } from 'zod';
import { CandidateSchema } from './candidates.ts';
import { costLimit, measuredOn, statedLimits } from './selection.ts';
import { trainingShape, evenShares } from './training.ts';
import { fraction, seed } from './values.ts';

/** A language model is exported whole: it has no pooling, and none of its layers is left out. */
export const GeneratorCandidateSchema = CandidateSchema.omit({ layers: true, pooling: true });

/** How examples are chosen: drawn, most like what is asked, or such that show what is done wrong (activities/generation/examples.ts). */
export const EXAMPLE_CHOICES = ['random', 'similar', 'covering'] as const;
export type ExampleChoice = (typeof EXAMPLE_CHOICES)[number];

export const GeneratorSelectionSchema = z.strictObject({
  ...statedLimits,
  /** Limits on this worker's hardware, one answer at a time. */
  maxMsPerToken: z.number().positive().optional(),
  maxFirstTokenMs: z.number().positive().optional(),
  maxSizeMb: z.number().positive().optional(),
  maxMemoryMb: z.number().positive().optional(),
  ...costLimit,
  ...measuredOn,
  /** Candidates whose adherence is within this much of the best one's count as equals; the faster one wins. */
  tolerance: fraction.default(0.01),
  /** The search for a prompt, on validation prompts. */
  prompts: z
    .strictObject({
      /** Ways to tell the model what it is: each is tried with the guidelines' rules and without. None: what the guidelines say of themselves. */
      systems: z.array(z.string().min(1).max(8000)).max(20).default([]),
      /** Good answers of the training rows that are shown as examples: each number is a variant. */
      examples: z.array(z.int().min(0).max(16)).min(1).max(8).default([0, 2]),
      /** How they are chosen: each is a variant, too, where it gives other examples. */
      exampleChoices: z
        .array(z.enum(EXAMPLE_CHOICES))
        .min(1)
        .default([...EXAMPLE_CHOICES]),
      /** Variants that are tried; the rest is left out, and said. */
      maxVariants: z.int().min(1).max(64).default(12),
      /** Validation prompts that a variant is asked in the last round; the search halves the variants on its way there. */
      maxPrompts: z.int().min(3).max(5000).default(100),
      /** Tokens, read and written, that the search of one model may cost; it ends there with the best so far. */
      budgetTokens: z.int().min(1000).default(2_000_000),
    })
    .prefault({}),
  seed: z.int().min(0).default(7),
});
export type GeneratorSelectionSpec = z.output<typeof GeneratorSelectionSchema>;

/** When a prompt is enough. */
export const AdherenceSchema = z
  .strictObject({
    /** Share of answers that keep every guideline of severity `gate`. Only under it is a model tuned. */
    target: fraction.default(0.9),
    /** `lower`: the lower end of the 95 % interval must reach it; `estimate`: the share itself. */
    judgedBy: z.enum(['lower', 'estimate']).default('lower'),
    /** Good answers without which nothing is tuned: fewer teach a model their words, not their way. */
    minCompletions: z.int().min(1).default(50),
  })
  .prefault({});
export type AdherenceSpec = z.output<typeof AdherenceSchema>;

export const GeneratorTrainingSchema = z
  .strictObject({
    ...trainingShape,
    method: z.enum(['full', 'lora']).default('lora'),
    /** Tokens of prompt and answer together; what is longer is cut. */
    maxLength: z.int().min(16).max(131_072).default(256),
    /** Rows one after the other in sequences of `maxLength` tokens: faster where rows are short. The loss is on answers alone either way. */
    packing: z.boolean().default(false),
    /** Good answers that break a guideline themselves are not learnt from. */
    onlyAdherent: z.boolean().default(true),
  })
  .omit({ headLearningRate: true, classWeights: true })
  .refine(evenShares, {
    path: ['gradientAccumulation'],
    error: 'must be a multiple of processes, which share the micro-batches of a step',
  });
export type GeneratorTrainingSpec = z.output<typeof GeneratorTrainingSchema>;

/** How the model answers: in the search, in the evaluation, and by default where it is served. */
export const GenerationDefaultsSchema = z
  .strictObject({
    maxNewTokens: z.int().min(1).max(4096).default(128),
    /** 0 takes the likeliest token. */
    temperature: z.number().min(0).max(5).default(0),
    topP: z.number().positive().max(1).optional(),
    topK: z.int().min(1).optional(),
    repetitionPenalty: z.number().min(1).max(5).optional(),
    stop: z.array(z.string().min(1).max(200)).max(8).default([]),
    seed,
  })
  .prefault({});
export type GenerationDefaults = z.output<typeof GenerationDefaultsSchema>;

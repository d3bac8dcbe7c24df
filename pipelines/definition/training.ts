import { z } from 'zod';
import { duration } from '../duration.ts';
import { LauncherSchema } from '../launcher.ts';
import { SearchSchema } from './search.ts';
import { fraction, seed } from './values.ts';

/** Of any training; what a task has otherwise, its own schema says. */
export const trainingShape = {
  /** `full` tunes everything, `lora` low-rank adapters (merged at the end), `head` only the classifier on frozen features. */
  method: z.enum(['full', 'lora', 'head']).default('full'),
  /** This and the other numbers without a default come from the model's size and the rows (pipelines/recipe.ts) where they are left out. */
  epochs: z.int().min(1).max(1000).optional(),
  batchSize: z.int().min(1).max(4096).optional(),
  gradientAccumulation: z.int().min(1).max(1024).default(1),
  learningRate: z.number().positive().max(1).optional(),
  /** The head is new, the encoder is not: it learns faster. */
  headLearningRate: z.number().positive().max(1).optional(),
  weightDecay: z.number().min(0).max(1).optional(),
  warmupFraction: fraction.optional(),
  schedule: z.enum(['linear', 'cosine', 'constant']).default('linear'),
  dropout: fraction.default(0.1),
  labelSmoothing: fraction.default(0),
  maxGradientNorm: z.number().positive().default(1),
  /** Weigh the loss by inverse label frequency. */
  classWeights: z.boolean().default(false),
  lora: z
    .strictObject({
      rank: z.int().min(1).max(256).default(8),
      alpha: z.number().positive().default(16),
      dropout: fraction.default(0.05),
    })
    .prefault({}),
  precision: z.enum(['fp32', 'bf16']).default('fp32'),
  seed,
  /** Stop after this many epochs without a better validation loss; 0 never stops early. The best epoch's weights are kept. */
  earlyStoppingPatience: z.int().min(0).default(2),
  /** When a training leaves a checkpoint and which are kept. Nothing here touches the result, so none of it is in a step's key. */
  checkpoints: z
    .strictObject({
      /** `auto`: from what a checkpoint costs and how often machines fail (Young/Daly), between 30 s and 10 min. */
      every: z.union([z.literal('auto'), duration]).default('auto'),
      /** Also after this many optimizer steps, whichever comes first. */
      everySteps: z.int().min(1).optional(),
      /** The newest to keep. Two: for when the newest turns out damaged. */
      keepLast: z.int().min(1).max(100).default(2),
      /** Besides them, those with the lowest validation loss. */
      keepBest: z.int().min(0).max(100).default(0),
      /** What `auto` reckons with. 0.05: a machine that fails every 20 hours. */
      failureRatePerHour: z.number().positive().max(3600).default(0.05),
    })
    .prefault({}),
  /** CPU threads of the training process; part of the record because it changes the last bits. */
  threads: z.int().min(1).max(256).default(1),
  /**
   * Processes that share every step, each on a device of its own where there are devices, all on one machine. They are
   * dealt the micro-batches of a step, so `gradientAccumulation` must be a multiple; rows and result stay one training's.
   */
  processes: z.int().min(1).max(64).default(1),
  /** A worker of the training's own, on Ray or Kubernetes; without one the workers of the shared queue train. */
  launcher: LauncherSchema.optional(),
} as const;

export function evenShares({
  gradientAccumulation,
  processes,
}: {
  readonly gradientAccumulation: number;
  readonly processes: number;
}): boolean {
  return gradientAccumulation % processes === 0;
}

/** Of a training that learns labels. */
export const searchShape = {
  /** Tries other settings than the recommended ones on growing parts of the rows, before the training itself. */
  search: SearchSchema.optional(),
} as const;

export const TrainingSchema = z.strictObject({ ...trainingShape, ...searchShape }).refine(evenShares, {
  path: ['gradientAccumulation'],
  error: 'must be a multiple of processes, which share the micro-batches of a step',
});

/** As a definition has it: what it leaves open is named when model and rows are known. */
export type Training = z.output<typeof TrainingSchema>;

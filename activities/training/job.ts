/** The training process's contract as TypeScript sees it (docs/training-process.md): jobs in, events out. No I/O. */
import { z } from 'zod';
import { EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import type { Windows } from '../../inference/windows.ts';
import type { TrainingSpec } from '../../pipelines/definition.ts';

interface Training {
  readonly verb: 'train';
  /** Folder: `config.json`, `model.safetensors`, tokenizer files. */
  readonly model: string;
  /** JSON-lines files; what a row holds is the family's (docs/training-process.md). */
  readonly train: string;
  readonly validation: string;
  readonly training: Omit<TrainingSpec, 'checkpoints' | 'processes' | 'launcher'>;
  readonly device: 'auto' | 'cpu' | 'cuda';
  /** Folder that receives the checkpoint folders. */
  readonly checkpoints: string;
  readonly out: string;
  readonly resumeFrom?: string | null;
  /** null: from what a checkpoint costs and `failureRatePerHour`. */
  readonly checkpointEverySeconds?: number | null;
  readonly checkpointEverySteps?: number | null;
  readonly failureRatePerHour?: number;
  /** Cuts every batch into this many parts: less memory, the same effective batch. At most `training.batchSize`. */
  readonly microBatchDivisor?: number;
  /** Processes of one machine that share every step; 1 when missing. */
  readonly processes?: number;
  /** Seconds since 1970: the epoch that would not end before is not begun, once one has ended. */
  readonly stopAt?: number;
  /** No further epoch after so many, which `training.epochs` (the learning rate's schedule) knows nothing of. */
  readonly stopAfterEpochs?: number;
}
export interface TextTask extends Training {
  /** This when missing. */
  readonly task?: 'text-classification';
  readonly labels: readonly string[];
  /** A row has none, one or several of them, in `labels`; when missing one, in `label`. */
  readonly multiLabel?: boolean;
  readonly pooling: 'mean' | 'cls';
  readonly maxLength: number;
  /** How longer texts are read; null or missing: cut. */
  readonly windows?: Windows | null;
}
export interface ImageTask extends Training {
  readonly task: 'image-classification';
  readonly labels: readonly string[];
  /** A crop keeps at least this share (0–1) of the picture's area; null: none. */
  readonly augmentation: { readonly horizontalFlip: boolean; readonly minimumCropArea: number | null } | null;
}
export interface LanguageTask extends Training {
  readonly task: 'causal-lm';
  readonly maxLength: number;
  /** Rows one after the other, cut every `maxLength` tokens; else a row is a sequence. */
  readonly packing: boolean;
}
export type TrainTask = TextTask | ImageTask | LanguageTask;
export interface ExportImageEncoderTask {
  readonly verb: 'export-encoder';
  readonly task: 'image-classification';
  readonly model: string;
  readonly out: string;
}
export interface ExportTextEncoderTask {
  readonly verb: 'export-encoder';
  readonly model: string;
  readonly pooling: 'mean' | 'cls';
  readonly maxLength: number;
  readonly windows?: Windows | null;
  readonly layers: number | null;
  readonly out: string;
}
export interface ExportClassifierTask {
  readonly verb: 'export-classifier';
  readonly model: string;
  /** JSON-lines file whose rows the temperature is fitted on; null or missing: none is. */
  readonly calibration?: string | null;
  readonly out: string;
}
export interface ExportGeneratorTask {
  readonly verb: 'export-generator';
  readonly model: string;
  readonly out: string;
}
export interface MeasureMemorisationTask {
  readonly verb: 'measure-memorisation';
  readonly model: string;
  readonly base: string | null;
  /** JSON-lines files of `{text}` or `{prompt, completion}`: whose losses are wanted, and whose beginnings are gone on with. */
  readonly texts: string;
  readonly prompts: string;
  readonly maxLength: number;
  readonly batchSize: number;
  readonly prefixTokens: number;
  readonly newTokens: number;
  readonly samples: number;
  readonly temperature: number;
  readonly seed: number;
  readonly threads: number;
  readonly device: 'auto' | 'cpu' | 'cuda';
  readonly out: string;
}
export interface AttackClassifierTask {
  readonly verb: 'attack-classifier';
  /** What `train` wrote, of pictures. */
  readonly model: string;
  /** JSON-lines file of `{image, label}`. */
  readonly rows: string;
  /** Levels are of the 255 that a pixel has. */
  readonly epsilonLevels: number;
  readonly steps: number;
  readonly stepLevels: number;
  readonly seed: number;
  readonly threads: number;
  readonly out: string;
}
/** The same of embeddings that ask a gallery: lost is what finds another label first. */
export interface AttackEmbedderTask extends Omit<AttackClassifierTask, 'verb' | 'model'> {
  readonly verb: 'attack-embedder';
  /** What `train` or `export-encoder` wrote, of pictures. */
  readonly model: string;
  /** float32 little-endian [rows, dimension], each row of length 1. */
  readonly vectors: string;
  /** JSON-lines file of `{label}`, one a row of the vectors. In `rows` a row may have `except`: the entry that it must not find. */
  readonly gallery: string;
}
export type AttackTask = AttackClassifierTask | AttackEmbedderTask;
export type TrainerTask =
  | TrainTask
  | ExportTextEncoderTask
  | ExportImageEncoderTask
  | ExportClassifierTask
  | ExportGeneratorTask
  | MeasureMemorisationTask
  | AttackTask;
export interface TrainerJob {
  readonly version: 1;
  readonly id: string;
  /** Run in order by one process: its start costs seconds. */
  readonly tasks: readonly TrainerTask[];
}

const envelope = { v: z.literal(1), seq: z.int(), t: z.number() };
const count = z.int().min(0);
const environment = { device: z.string(), threads: z.int(), processes: z.int().min(1).optional() };

/** One line of descriptor 3. */
const TrainerEventSchema = z.discriminatedUnion('type', [
  z.looseObject({ ...envelope, type: z.literal('starting'), pid: z.int() }),
  z.looseObject({ ...envelope, type: z.literal('alive'), phase: z.string(), cpuSeconds: z.number().min(0).optional() }),
  z.looseObject({ ...envelope, ...environment, type: z.literal('ready'), step: count.optional() }),
  z.looseObject({
    ...envelope,
    type: z.literal('step'),
    step: count,
    total: count,
    epoch: count,
    loss: z.number(),
    lr: z.number(),
    gradNorm: z.number(),
    samplesPerSecond: z.number(),
    gpuMemoryMb: z.number().nullish(),
    /** 0–1. */
    gpuUtilisation: z.number().nullish(),
  }),
  z.looseObject({
    ...envelope,
    type: z.literal('eval'),
    split: z.string(),
    epoch: count,
    step: count,
    /** Only at the end of an evaluation. */
    loss: z.number().optional(),
    /** Only on the way. */
    done: count.optional(),
    rows: count.optional(),
  }),
  z.looseObject({
    ...envelope,
    type: z.literal('checkpoint'),
    path: z.string(),
    step: count,
    bytes: count,
    manifestSha256: z.string(),
    /** What saving it cost, and the interval now in force. */
    seconds: z.number().nullish(),
    intervalSeconds: z.number().nullish(),
  }),
  z.looseObject({ ...envelope, type: z.literal('artifact'), task: count, verb: z.string() }),
  z.looseObject({ ...envelope, type: z.literal('warning'), message: z.string() }),
  z.looseObject({ ...envelope, type: z.literal('done'), results: z.array(z.record(z.string(), z.unknown())) }),
  z.looseObject({
    ...envelope,
    type: z.literal('stopped'),
    reason: z.string().nullable(),
    step: count,
    checkpoint: z.string().nullable(),
  }),
  z.looseObject({
    ...envelope,
    type: z.literal('error'),
    code: z.int(),
    message: z.string(),
    kind: z.string().nullish(),
    fix: z.string().nullish(),
    /** With 71: the rows that were too many. */
    microBatch: z.int().min(1).nullish(),
  }),
]);
export type TrainerEvent = z.infer<typeof TrainerEventSchema>;
export type TrainerEventOf<Type extends TrainerEvent['type']> = Extract<TrainerEvent, { type: Type }>;
const KNOWN_TYPES = new Set<unknown>(TrainerEventSchema.options.map((option) => option.shape.type.value));

/** The event of a line; undefined for a type this version does not know: a newer trainer may say more. Throws TrainerFailed. */
export function parseEvent(line: string): TrainerEvent | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const type = (value as { type?: unknown } | null)?.type;
    return typeof type === 'string' && !KNOWN_TYPES.has(type) ? undefined : TrainerEventSchema.parse(value);
  } catch (error) {
    throw new EspalierError(
      'TrainerFailed',
      `the training process wrote a line that is no event: ${line.slice(0, 200)}`,
      {
        fix: 'only events may go to descriptor 3 (docs/training-process.md)',
        cause: error,
      },
    );
  }
}

/** What the `train` verb ends with. */
export const TrainResultSchema = z.looseObject({
  verb: z.literal('train'),
  model: z.string(),
  history: z.string(),
  steps: z.int().min(1),
  total: z.int().min(1),
  bestEpoch: z.int().min(1),
  trainLoss: z.number(),
  trainAccuracy: z.number(),
  validationLoss: z.number(),
  validationAccuracy: z.number(),
  /** After how many epochs `stopAt` ended it. */
  stoppedByBudget: z.int().min(1).nullish(),
  environment: z.object({ ...environment, versions: z.record(z.string(), z.string()) }),
  /** Whether the process knows of anything that keeps the same job from ending in the same bytes again. */
  exact: z.object({ value: z.boolean(), reasons: z.array(z.string()) }).optional(),
});
export const ExportEncoderResultSchema = z.looseObject({
  verb: z.literal('export-encoder'),
  weights: z.string(),
  encoder: z.string(),
  parity: z.string(),
  dimension: z.int(),
  layers: z.int(),
  parameters: z.int(),
  backbone: z.enum(['transformers', 'onnx']).optional(),
  /** Of an `onnx` backbone: its own names of what it takes and of what became the embedding. */
  input: z.string().optional(),
  output: z.string().optional(),
});
export const ExportClassifierResultSchema = z.looseObject({
  verb: z.literal('export-classifier'),
  classifier: z.string(),
  parity: z.string(),
  temperature: z.number().positive(),
  /** Of several labels a row: how many were calibrated. */
  calibratedLabels: z.int().min(0).optional(),
});

export const ExportGeneratorResultSchema = z.looseObject({
  verb: z.literal('export-generator'),
  generator: z.string(),
  parity: z.string(),
  parameters: z.int(),
  layers: z.int(),
  contextTokens: z.int(),
  vocabularySize: z.int(),
});

export const AttackResultSchema = z.looseObject({
  verb: z.enum(['attack-classifier', 'attack-embedder']),
  attacked: z.string(),
});

export const MeasureMemorisationResultSchema = z.looseObject({
  verb: z.literal('measure-memorisation'),
  losses: z.string(),
  generations: z.string(),
});

/** Exit codes that have a meaning, as error kinds. 0 is no error only together with a `done` event; 75 is a checkpointed stop. */
export const EXIT_KINDS: Readonly<Record<number, ErrorKind>> = {
  64: 'BadConfig',
  65: 'BadData',
  66: 'CheckpointIncompatible',
  67: 'Diverged',
  70: 'TrainerFailed',
  71: 'OutOfMemory',
  76: 'TrainerFailed',
};
const NARROWED: Readonly<Record<number, readonly ErrorKind[]>> = {
  64: ['BadModel', 'UnsafeModel', 'MissingTool'],
  70: ['DiskFull'],
};
export const EXIT_STOPPED = 75;

/** How the process ended, as an error. `logTail` stands in where the process could not say anything itself. */
export function exitError(
  code: number | null,
  signal: string | null,
  event: TrainerEventOf<'error'> | undefined,
  logTail: string,
): EspalierError {
  if (code !== null && event !== undefined && event.code === code) {
    // The process knows the cause better than its code says: BadModel for 64, DiskFull for 70.
    const kinds = NARROWED[code] ?? [];
    const narrowed = kinds.find((known) => known === event.kind);
    const kind = narrowed ?? EXIT_KINDS[code] ?? 'TrainerFailed';
    return new EspalierError(kind, event.message, event.fix == null ? {} : { fix: event.fix });
  }
  const how = signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`;
  const said = logTail === '' ? 'It wrote no log.' : `The end of its log:\n${logTail}`;
  return new EspalierError('TrainerFailed', `the training process ${how} without saying why. ${said}`, {
    fix:
      signal === 'SIGKILL'
        ? 'if the machine ran out of memory, use a smaller batchSize with more gradientAccumulation'
        : 'see the log',
  });
}

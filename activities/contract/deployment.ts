/** Steps that package and release. */
import type { CarriedDuty } from '../../artifacts/bundle-terms.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { ImageRetrieval, Pipeline, TextGeneration } from '../../pipelines/definition.ts';
import type { MemorisationMeasures } from '../privacy/memorisation/types.ts';
import type { DatasetSummary } from './data.ts';
import type { ApprovalRecord } from './evidence.ts';
import type { ChosenGenerator, GeneratorEvaluation } from './prompting.ts';
import type { IndexedModel, RetrievalEvaluation } from './retrieval.ts';
import type { PrivacySummary } from './review.ts';
import type { ImportedModel, ResolvedModel, Selection } from './selection.ts';
import type { TrainedModel } from './training.ts';
import type { Evaluation, GatesVerdict } from './validation.ts';

export interface PackageModelInput {
  readonly model: string;
  readonly pipeline: Exclude<Pipeline, ImageRetrieval>;
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
export interface PackageGeneratorInput extends Pick<
  PackageModelInput,
  'model' | 'definition' | 'dataset' | 'gates' | 'base' | 'baseModel' | 'privacy' | 'selection' | 'dossier'
> {
  readonly pipeline: TextGeneration;
  readonly chosen: ChosenGenerator;
  /** Where the tuned model was chosen. */
  readonly trained?: TrainedModel;
  readonly memorisation?: MemorisationMeasures;
  readonly evaluation: GeneratorEvaluation;
}
export interface PackageRetrieverInput extends Pick<
  PackageModelInput,
  'model' | 'definition' | 'dataset' | 'gates' | 'base' | 'baseModel' | 'privacy' | 'selection' | 'dossier'
> {
  readonly pipeline: ImageRetrieval;
  /** The model, as an exported encoder or a tuned classifier. */
  readonly embedder: ArtifactRef;
  /** Tree of `index.json` and `vectors.f32`: the bundle's folder `index/`. */
  readonly index: ArtifactRef;
  readonly indexed: Omit<IndexedModel, 'index' | 'embedder'>;
  /** Where the model was tuned. */
  readonly trained?: TrainedModel;
  readonly evaluation: RetrievalEvaluation;
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

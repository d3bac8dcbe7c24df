/** What is known of a run, as votes, records and reports have it. */
import type { CarriedDuty } from '../../artifacts/bundle-terms.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { Delegation, Electorate, Exclusion } from '../../artifacts/votes.ts';
import type { Pipeline } from '../../pipelines/definition.ts';
import type { Recommended } from '../../pipelines/recipe.ts';
import type { RecommendedSeeds } from '../../pipelines/seeds-by-rows.ts';
import type { SearchedSettings } from './search.ts';
import type { DatasetSummary } from './data.ts';
import type { Deployment } from './deployment.ts';
import type { Prototyped } from './prototype.ts';
import type { ChosenGenerator, GenerationFacts, GeneratorComparison } from './prompting.ts';
import type { IndexedModel, RetrievalEvaluation, RetrieverComparison } from './retrieval.ts';
import type { PrivacySummary, ReopenedTerms, TermsVerdict } from './review.ts';
import type { CandidateOutcome, Selection } from './selection.ts';
import type { ExportedClassifier, TrainedModel } from './training.ts';
import type {
  AttackMeasures,
  SquareAttackMeasures,
  CheckedCustomGates,
  Evaluation,
  GatesVerdict,
  ModelComparison,
  ProductionModel,
} from './validation.ts';

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
  /** Who wrote the definition and edited the policy last, as git has it; also who is no approver, or not known. */
  readonly authors?: readonly {
    readonly of: Exclude<Exclusion, 'run-starter'>;
    readonly person: string | null;
    readonly approvers: readonly string[];
  }[];
  readonly steps: readonly StepFact[];
  readonly resolutions?: readonly ResolutionRecord[];
  readonly changes?: readonly SettingChange[];
  readonly data?: DatasetSummary;
  readonly privacy?: PrivacySummary;
  readonly candidates?: readonly CandidateOutcome[];
  readonly selection?: Selection;
  /** What prototypes of the best candidates said; missing where none were made. */
  readonly prototyped?: Prototyped;
  /** What the definition leaves open of its training, named by model and rows; `pipeline` has it, too. Missing where it names everything. */
  readonly recipe?: readonly (Recommended | RecommendedSeeds)[];
  /** What a search for those settings tried and chose; missing where none was asked for. `recipe` has what it found. */
  readonly searched?: SearchedSettings;
  readonly training?: TrainedModel;
  /** What is served once it is released: a classifier, a generator with its prompt, or a model of pictures with its index. */
  readonly exported?: ExportedClassifier | ChosenGenerator | IndexedModel;
  readonly evaluation?: Evaluation;
  /** Where a gate wants it: how the tuned model stands an attack through its gradients. */
  readonly attack?: AttackMeasures;
  /** Where a gate wants it: how what is served stands an attack by questions alone. */
  readonly squareAttack?: SquareAttackMeasures;
  readonly gates?: GatesVerdict;
  /** Of a run whose definition names gates of its own. */
  readonly customGates?: CheckedCustomGates;
  /** Of a run that generates text: its guidelines, and what it has of its own. */
  readonly generation?: GenerationFacts;
  /** Of a run that finds pictures: how well. */
  readonly retrieval?: RetrievalEvaluation;
  readonly bundle?: ArtifactRef;
  /** What was in production when the evidence for the release was gathered; null: nothing. */
  readonly production?: ProductionModel | null;
  readonly comparison?: ModelComparison;
  readonly generationComparison?: GeneratorComparison;
  readonly retrievalComparison?: RetrieverComparison;
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

/** Steps that make an index of pictures and measure what it finds. */
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { EvaluatedRetrievalGate } from '../../pipelines/gates/retrieval.ts';
import type { HardwareClass } from '../../pipelines/hardware-class.ts';
import type { QueryFigures } from '../../pipelines/custom-gates.ts';
import type { RetrievalGatesSpec } from '../../pipelines/definition/retrieval.ts';
import type { ExampleIds } from './examples.ts';
import type { Hardware, Latency, Score, TimeLimits } from './measures.ts';
import type { Prediction } from './prototype.ts';
import type {
  AttackMeasures,
  BehaviourResult,
  CorruptionCost,
  Device,
  Evaluation,
  FittedPart,
  GateResult,
  JudgeCustom,
  JudgeGatesInput,
  PairedScore,
  SquareAttackMeasures,
} from './validation.ts';

export interface BuildIndexInput {
  /** An exported encoder or classifier of pictures: its embeddings are used, frozen or tuned. */
  readonly model: ArtifactRef;
  /** The gallery is its train split; its validation split is what a graph is tried on. */
  readonly dataset: ArtifactRef;
  readonly seed: number;
  /** Multiplications a query (rows × dimension) up to which search is exact; `EXACT_UP_TO` when missing. */
  readonly exactUpTo?: number;
}
export interface BuiltIndex {
  /** Tree: `index.json` and `vectors.f32` (inference/retrieval/index-files.ts). */
  readonly index: ArtifactRef;
  readonly rows: number;
  readonly dimension: number;
  readonly sizeBytes: number;
  readonly search: 'exact' | 'graph';
  /** null where the gallery is small enough for exact search. */
  readonly graph: GraphTrial | null;
}
/** What a graph overlooks, measured before it may answer. */
export interface GraphTrial {
  /** Mean share, over queries, of the k truly nearest that it finds. */
  readonly recall: Score;
  readonly k: number;
  /** The least that the interval's lower end must be. */
  readonly bound: number;
  /** false: search is exact all the same. */
  readonly accepted: boolean;
}

/** What is served once it is released: a model of pictures, and the index that was made with it. */
export interface IndexedModel extends BuiltIndex {
  /** The exported encoder as it came, or the tuned classifier: its embeddings are used. */
  readonly embedder: ArtifactRef;
  /** Of the export: of an embedding where nothing was tuned, of a probability where it was. */
  readonly parityMaxAbs: number;
}

export interface EvaluateRetrievalInput {
  readonly index: ArtifactRef;
  /** The one that the index was built with. */
  readonly model: ArtifactRef;
  /** The encoder that the model was tuned from; missing where nothing was tuned. */
  readonly frozen?: ArtifactRef;
  /** Queries are its test split; relevant to a query is what has its label. */
  readonly dataset: ArtifactRef;
  /** Neighbours that are looked at. */
  readonly k: number;
  readonly exportParityMaxAbs: number;
  readonly seed: number;
  /** JSONL: the definition's own table of what is done to test pictures; missing where the package's holds. */
  readonly corruptions?: ArtifactRef;
  /** What the definition declares of it; missing where it declares none. */
  readonly device?: Device;
  /** Where it may be timed; anywhere when missing. */
  readonly hardware?: HardwareClass;
  /** Of a run that is a prototype: pictures of the whole gallery, whose figures are foretold. */
  readonly fullGallery?: number;
  /** What its times will be held to. */
  readonly timeLimits?: TimeLimits;
}
export interface RetrievalEvaluation {
  readonly k: number;
  /**
   * One a gate; the gate of the same name judges it. Recall@k and precision@k are of what search really gives: by the graph, where
   * there is one. mAP is over the whole gallery, ranked exactly.
   */
  readonly measures: Readonly<Record<EvaluatedRetrievalGate, Score>>;
  /** The same of the pictures' pixels, which know nothing. */
  readonly pixels: { readonly recallAtK: Score; readonly meanAveragePrecision: Score };
  /** Of the encoder before it was tuned, on the same pictures; null where nothing was tuned. */
  readonly frozen: { readonly recallAtK: Score; readonly meanAveragePrecision: Score } | null;
  /** In label order; of more than 500 labels the 500 that are served worst. */
  readonly perLabel: readonly LabelFindings[];
  /** Up to 20 test pictures that find nothing of their label among the first k, by id, with what they find first. */
  readonly misses: readonly {
    readonly rowId: string;
    readonly expected: string;
    readonly found: string;
    readonly similarity: number;
  }[];
  /** Recall@k that mild and strong corruptions of up to 100 test pictures cost. */
  readonly corruptions: readonly CorruptionCost[];
  /** The definition's own, that they are of; missing where they are of the package's. */
  readonly corruptionTable?: ArtifactRef;
  /** Awkward pictures, and whether each finds neighbours. Missing in results recorded before they were asked. */
  readonly edgeInputs?: Evaluation['edgeInputs'];
  /** Of the test pictures, the one that is judged first. Missing in results recorded before it was asked. */
  readonly slices?: readonly QuerySlice[];
  /** Left out: the gallery has nothing of their label. */
  readonly queriesWithoutRelevant: number;
  /** In the gallery themselves (by the digest of their bytes), where they are no answer to themselves: a leak. */
  readonly queriesInGallery: number;
  /** A table of the definition each; missing where it has none. In the details with all that do not hold. */
  readonly behaviour?: readonly BehaviourResult[];
  /** What encoder and index take of the declared device; missing where none is declared. */
  readonly hardwareFit?: readonly FittedPart[];
  /** From a picture's file to its neighbours. */
  readonly latency: Latency;
  readonly hardware: Hardware;
  /** Test pictures that show what the gates mean; what came of them is in the details. */
  readonly examples?: ExampleIds;
  /** Of a prototype: what the whole gallery should find; missing in others, and in results recorded before it was foretold. */
  readonly foretold?: ForetoldFindings | NotForetold;
  /** JSON `RetrievalDetails`: everything above, whole, and every query's figures. */
  readonly details: ArtifactRef;
  /**
   * Tree `reference.json` + `embeddings.f32` + `probabilities.f32` (artifacts/bundle.ts): what drift is measured against. In the place
   * of a class's probability stands its share among the k that a test picture finds.
   */
  readonly reference: ArtifactRef;
}
/** Read off at the whole gallery from parts of the prototype's (activities/retrieval/larger-gallery.ts). */
export interface ForetoldFindings {
  readonly galleryRows: number;
  readonly fullRows: number;
  /** Test pictures that asked each part. */
  readonly queries: number;
  /** Means over draws of a quarter and a half of the gallery, and all of it: shares of 0–1. */
  readonly curve: readonly {
    readonly rows: number;
    readonly recallAtK: number;
    readonly meanAveragePrecision: number;
  }[];
  readonly recallAtK: Prediction;
  readonly meanAveragePrecision: Prediction;
  /** To read, decode and embed one, in batches, the model loaded. */
  readonly secondsAPicture: number;
  /** Missing in results recorded before it was timed. */
  readonly search?: ForetoldSearch;
}
export interface NotForetold {
  /** Why, as the rest of a sentence. */
  readonly not: string;
  readonly secondsAPicture: number;
  readonly search?: ForetoldSearch;
}
/** One exact search, milliseconds: in the prototype's gallery, and in the whole one. */
export interface ForetoldSearch {
  readonly hereMs: number;
  readonly wholeMs: number;
}
export interface QuerySlice {
  readonly name: string;
  readonly rows: number;
  /** Share of its pictures that find one of their label among the first k. */
  readonly recallAtK: number;
  /** Mean over its pictures. Missing in results recorded before it was compared: there `gap` is a difference of recall@k. */
  readonly averagePrecision?: number;
  /** Share by which its average precision is below that of all other test pictures of the same labels. */
  readonly gap: Score;
}
export interface LabelFindings {
  readonly label: string;
  readonly queries: number;
  /** null of a label that no query has. */
  readonly recallAtK: number | null;
  readonly averagePrecision: number | null;
}
/** What is compared with another model's, query by query. */
export interface RetrievalDetails {
  readonly version: 1;
  readonly queries: readonly QueryOutcome[];
  /** JSON lines `QueryFindings`: every test picture that asked, with what it finds. Missing in results recorded before they were kept. */
  readonly allQueries?: { readonly rows: number; readonly file: ArtifactRef };
}
export type QueryOutcome = QueryFigures;

/** What attacks leave, where gates ask for them. */
type Attacked = Partial<AttackMeasures['measures'] & SquareAttackMeasures['measures']>;

export interface JudgeRetrievalInput {
  readonly measures: RetrievalEvaluation['measures'] & Attacked;
  readonly gates: RetrievalGatesSpec;
  /** The tables of behaviour tests, with what the evaluation found. */
  readonly behaviour?: JudgeGatesInput['behaviour'];
  readonly custom?: JudgeCustom;
  readonly evidence?: JudgeGatesInput['evidence'];
}

export interface CompareRetrieversInput {
  readonly production: { readonly bundle: Digest; readonly model: ArtifactRef; readonly dataset: ArtifactRef };
  readonly candidate: {
    readonly model: ArtifactRef;
    /** `RetrievalEvaluation.details`: what each test picture found. */
    readonly evaluation: ArtifactRef;
  };
  /** Its train split is the gallery that both embed, its test split what both are asked with. */
  readonly dataset: ArtifactRef;
  readonly gate: RetrievalGatesSpec['gainOverProduction'];
  readonly seed: number;
}
/** The new model and the one in production on the same queries in the same gallery, or why they cannot be compared. */
export type RetrieverComparison =
  | { readonly comparable: false; readonly bundle: Digest; readonly reason: string; readonly gate?: never }
  | {
      readonly comparable: true;
      /** The one in production that it was compared with. */
      readonly bundle: Digest;
      /** Test pictures that both were asked with. */
      readonly rows: number;
      /** Left out, since the one in production was made of them; null: nobody can say any more. */
      readonly rowsKnown: number | null;
      /** Both ranked exactly, whatever is served by a graph. */
      readonly meanAveragePrecision: PairedScore;
      /** Test pictures that the candidate ranks the gallery better for, and worse. */
      readonly won: number;
      readonly lost: number;
      readonly gate: GateResult;
    };

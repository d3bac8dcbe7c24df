/**
 * What a gate of somebody's own is written against (docs/gates.md): the module that `ESPALIER_GATES` names exports `gates`, a
 * `CustomGates`. What is judged depends on what the model gives, so each gate says which of four kinds of evidence it is for.
 */
import type { EvaluatedGate } from './gates/table.ts';
import type { EvaluatedGenerationGate } from './gates/generation.ts';
import type { EvaluatedRetrievalGate } from './gates/retrieval.ts';

/** One label of a text or a picture; several labels of a text; pictures that are found; answers of a generator. */
export const JUDGED = ['labels', 'label-sets', 'neighbours', 'answers'] as const;
export type Judged = (typeof JUDGED)[number];

/** What a gate gives. Judged is the worse end of the interval, without one the value; nothing (null) fails. */
export interface GateScore {
  readonly value: number | null;
  /** `confidence` is 0.95 where it is left out. */
  readonly interval?: { readonly low: number; readonly high: number; readonly confidence?: number } | null;
  /** How many rows it was measured on; shown, not judged. */
  readonly rows?: number;
}

/** What a gate of Espalier's own measured. */
export interface GateMeasure {
  readonly value: number | null;
  readonly interval: { readonly low: number; readonly high: number; readonly confidence: number } | null;
  readonly rows: number;
  /** Why there is nothing to measure here. */
  readonly notApplicable?: string;
}

/** What every kind has. To read a name that it has not is an error, so that a misspelt measure passes nothing. */
interface Evidence<Kind extends Judged, Measured extends string, Row> {
  readonly judges: Kind;
  /** By the names of the gates. */
  readonly measures: Readonly<Record<Measured, GateMeasure>>;
  /** Rows that the test split has: those at hand may be a sample of them. */
  readonly testRows: number;
  /** Test rows one at a time; each kind says which. */
  readonly eachRow: () => AsyncIterable<Row>;
}

export interface LabelPrediction {
  readonly rowId: string;
  readonly expected: string;
  readonly predicted: string;
  /** Of the predicted label. */
  readonly probability: number | null;
  /** What the frozen encoder with its probe predicts. */
  readonly frozenProbe: string | null;
  /** Only of a text that is predicted wrongly. */
  readonly text?: string;
}
export interface LabelsEvidence extends Evidence<'labels', EvaluatedGate, LabelPrediction> {
  readonly labels: readonly string[];
  /**
   * Of all test rows, or of a sample: of 20,000 at most, and of as many texts as are 64 MiB in their file. `eachRow` gives all that the
   * split has.
   */
  readonly predictions: readonly LabelPrediction[];
}

export interface LabelSetPrediction {
  readonly rowId: string;
  readonly expected: readonly string[];
  readonly predicted: readonly string[];
  /** Share of its labels that are right: those both expected and predicted, of those either. */
  readonly accuracy: number;
  /** Only of a text that is not wholly right. */
  readonly text?: string;
}
export interface LabelSetsEvidence extends Evidence<
  'label-sets',
  EvaluatedGate,
  LabelSetPrediction & { readonly probabilities: readonly number[] }
> {
  /** Probabilities and thresholds are in this order. */
  readonly labels: readonly string[];
  /** From which probability on each label applies. */
  readonly thresholds: readonly number[];
  /**
   * Of all test rows, or of a sample: of 20,000 at most, and of as many texts as are 64 MiB in their file. No other was asked:
   * `eachRow` gives the same with their probabilities.
   */
  readonly predictions: readonly LabelSetPrediction[];
}

export interface QueryFigures {
  readonly rowId: string;
  readonly label: string;
  readonly recallAtK: number;
  readonly precisionAtK: number;
  readonly averagePrecision: number;
}
export interface QueryFindings {
  readonly rowId: string;
  readonly label: string;
  /** Figures are null where the gallery has nothing of the label. */
  readonly recallAtK: number | null;
  readonly precisionAtK: number | null;
  readonly averagePrecision: number | null;
  /** The first k that search gives, the nearest first; cosine −1 to 1. */
  readonly found: readonly { readonly id: string; readonly label: string; readonly similarity: number }[];
}
export interface NeighboursEvidence extends Evidence<'neighbours', EvaluatedRetrievalGate, QueryFindings> {
  readonly k: number;
  /**
   * Of the test pictures that asked, 20,000 at most, those that the gallery has something for; `eachRow` gives the others that asked, too,
   * and what each finds.
   */
  readonly queries: readonly QueryFigures[];
}

export interface GivenAnswer {
  readonly rowId: string;
  readonly prompt: string;
  readonly answer: string;
  readonly tokens: number;
  readonly finish: string;
  /** Why the server would refuse the prompt: it was not answered. */
  readonly refused?: string;
  /** Whether every guideline of severity `gate` is kept. */
  readonly adherent: boolean;
  /** Ids of the guidelines that are not kept. */
  readonly broken: readonly string[];
  /** Whether the model as it came, told nothing, keeps them. */
  readonly unprompted: boolean;
}
export interface AnswersEvidence extends Evidence<'answers', EvaluatedGenerationGate, GivenAnswer> {
  /** To all test prompts, or to 5,000 of them; `eachRow` gives the same. */
  readonly answers: readonly GivenAnswer[];
}

export interface EvidenceOf {
  readonly labels: LabelsEvidence;
  readonly 'label-sets': LabelSetsEvidence;
  readonly neighbours: NeighboursEvidence;
  readonly answers: AnswersEvidence;
}

/** `measure` should give the same for the same evidence: it has no other files, no environment, a minute and a gigabyte. */
export type CustomGate = {
  readonly [Kind in Judged]: {
    readonly judges: Kind;
    readonly measure: (evidence: EvidenceOf[Kind]) => GateScore | Promise<GateScore>;
  };
}[Judged];
export type CustomGates = Readonly<Record<string, CustomGate>>;

/** The part of the evidence that lies in an evaluation's `details`, among more. */
export type EvidenceDetails<Kind extends Judged> = Omit<EvidenceOf[Kind], 'judges' | 'eachRow'> &
  Readonly<Record<string, unknown>>;

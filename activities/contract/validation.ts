/** Steps that measure the tuned model and judge it. */
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { TextInput } from '../../inference/texts.ts';
import type { Classification, GateName, GatesSpec, Pipeline, TrainingSpec } from '../../pipelines/definition.ts';
import type { GradientGate, SquareGate } from '../../pipelines/attack.ts';
import type { AttackSpec } from '../../pipelines/definition/attack.ts';
import type { BehaviourKind, BehaviourSpec } from '../../pipelines/definition/behaviour.ts';
import type { Judged } from '../../pipelines/custom-gates.ts';
import type { CustomGatesSpec } from '../../pipelines/definition/gates.ts';
import type { EvaluatedGate } from '../../pipelines/gates/table.ts';
import type { HardwareClass } from '../../pipelines/hardware-class.ts';
import type { ExampleIds, GateEvidence, GateExamples } from './examples.ts';
import type { Hardware, Latency, Score, TimeLimits } from './measures.ts';

export interface EvaluateModelInput {
  readonly classifier: ArtifactRef;
  readonly dataset: ArtifactRef;
  /** The winner's frozen encoder and probe: the baseline that tuning must beat. */
  readonly baseline: { readonly encoder: ArtifactRef; readonly probe: ArtifactRef };
  readonly exportParityMaxAbs: number;
  readonly seed: number;
  /** JSONL: the definition's own table of what is done to test pictures; missing where the package's holds. */
  readonly corruptions?: ArtifactRef;
  /** What the definition declares of it; missing where it declares none. */
  readonly device?: Device;
  /** Where it may be timed; anywhere when missing. */
  readonly hardware?: HardwareClass;
  /** What its times will be held to. */
  readonly timeLimits?: TimeLimits;
}
/** The device that serves; megabytes are 10^6 bytes. */
export interface Device {
  readonly ramMb?: number | undefined;
  readonly storageMb?: number | undefined;
  readonly cores?: number | undefined;
}
/** What is needed of a declared device, and what is there; memory with a copy of the model for each worker. */
export interface FittedPart {
  readonly what: 'memory' | 'storage';
  readonly neededMb: number;
  readonly availableMb: number;
  readonly workers: number;
}
/** What `measures` always has. */
type CoreGate =
  | 'accuracy'
  | 'macroF1'
  | 'worstLabelF1'
  | 'gainOverProbe'
  | 'trainValidationGap'
  | 'latencyP95Ms'
  | 'sizeMb'
  | 'edgeInputs'
  | 'flipRate'
  | 'exportParity';
export interface LabelScore {
  readonly label: string;
  readonly precision: number | null;
  readonly recall: number | null;
  readonly f1: number | null;
  readonly support: number;
  // Of several labels a row only.
  /** From which probability on it applies. */
  readonly threshold?: number;
  /** Too few validation rows have it, or have it not: the threshold is one half. */
  readonly unfitted?: true;
  readonly averagePrecision?: number | null;
  readonly calibrationError?: number | null;
}
/** What stands behind the figures: evidence of the gates that ask whether they can be believed. */
export interface Diagnosis {
  readonly trainTestGap: Score;
  /** Held-out accuracy of a simple classifier learnt from the labels, and its mean from shuffled ones. */
  readonly labelSignal: { readonly accuracy: number; readonly chance: number } | null;
  /** Up to 20 training rows, the surest first. */
  readonly suspiciousLabels: readonly {
    readonly rowId: string;
    readonly given: string;
    readonly suggested: string;
    readonly margin: number;
  }[];
  readonly slices: readonly {
    readonly name: string;
    readonly rows: number;
    readonly accuracy: number;
    readonly gap: Score;
  }[];
  /** Of declared groups: how much oftener rows of a label are recognised in one than in the other, the largest first. */
  readonly opportunities?: readonly {
    readonly column: string;
    readonly label: string;
    readonly served: string;
    readonly unserved: string;
    readonly gap: Score;
  }[];
  /** Missing where no device is declared. */
  readonly hardwareFit?: readonly FittedPart[];
  /** Of pictures only. */
  readonly corruptions?: readonly CorruptionCost[];
  /** The definition's own, that they are of; missing where they are of the package's. */
  readonly corruptionTable?: ArtifactRef;
  /** The patch that turns most labels; `box` in shares of the width and height of a picture, or of what the model's crop leaves. */
  readonly patch?: {
    readonly name: string;
    readonly within: 'picture' | 'seen';
    readonly box: { readonly left: number; readonly top: number; readonly width: number; readonly height: number };
    readonly target: string;
    readonly pictures: number;
    readonly flipped: number;
  } | null;
  /** The best rule "this trait of the file, this label" over the training pictures. */
  readonly trait?: (Omit<WordRule, 'word' | 'place'> & { readonly trait: string; readonly value: string }) | null;
  // Of texts only. Digits in words are shown as #.
  /** The best rule "this word at this place, this label", which is judged, and that of a word anywhere, which is not. */
  readonly giveaway?: WordRule | null;
  readonly telltale?: WordRule | null;
  readonly noise?: readonly { readonly name: string; readonly edited: number; readonly flipped: number }[];
  readonly identities?: readonly { readonly name: string; readonly neutral: boolean; readonly flipped: number }[];
  /** Identity words that stand in the test texts, swapped; groups with no word in them are left out. */
  readonly swaps?: readonly SwappedGroup[];
  readonly trigger?: {
    readonly word: string;
    readonly target: string;
    /** Of several labels a row: whether it makes the target apply, or not apply. */
    readonly switched?: 'on' | 'off';
    readonly texts: number;
    readonly flipped: number;
  } | null;
}
/** Texts with words of a group of identities, asked with those of another identity in their places. */
export interface SwappedGroup {
  readonly name: string;
  /** False where the texts are too few to show anything. */
  readonly judged: boolean;
  /** Words swapped, in so many texts; of those the labels that changed, and that changed with other words of the same identity. */
  readonly words: number;
  readonly edited: number;
  readonly flipped: number;
  readonly flippedNeutral: number;
  /** In the details only: up to five texts whose label changes with the other identity alone, and the first 20 swapped words of each. */
  readonly examples?: readonly {
    readonly rowId: string;
    readonly before: readonly string[];
    readonly after: readonly string[];
  }[];
}
export interface WordRule {
  readonly word: string;
  /** null where any place will do. */
  readonly place: string | null;
  readonly label: string;
  /** Rows that it holds of, of them those with the label, rows with the label. */
  readonly rows: number;
  readonly both: number;
  readonly labelled: number;
  /** Of a word of nearly every text and a label of most: F1 is of the rows without the word as a rule for those without the label. */
  readonly counted?: 'without';
}
/** What a corruption of the pictures costs. */
export interface CorruptionCost {
  readonly name: string;
  readonly severity: 'mild' | 'strong';
  readonly says: string;
  /** Accuracy (where pictures are found: recall@k) on the pictures as they are minus that under it. */
  readonly drop: Score;
}
/** A behaviour test that does not hold. */
export interface BehaviourFailure {
  readonly file: string;
  readonly line: number;
  readonly problem: string;
  /** In the details only; each by itself, or with the other of its pair. */
  readonly texts?: readonly TextInput[];
  /** Of generated text, what was answered to each of the texts; in the details only. */
  readonly answers?: readonly string[];
  /** By their names in the dataset (`behaviour.tar`). */
  readonly pictures?: readonly string[];
}
/** One table of behaviour tests: the share that holds, and what does not. */
export interface BehaviourResult {
  readonly name: string;
  readonly kind: BehaviourKind;
  readonly score: Score;
  /** The first 20; in the details all. */
  readonly failures: readonly BehaviourFailure[];
}
export interface Evaluation {
  /** One a gate; the gate of the same name judges it. Of the later ones none is in results recorded before them. */
  readonly measures: Readonly<Record<CoreGate, Score> & Partial<Record<EvaluatedGate, Score>>>;
  readonly baselineAccuracy: Score;
  // What is optional is missing in results recorded before it was measured.
  /** Models without any training worth the name, the best on test first. */
  readonly trivial?: readonly {
    readonly kind: string;
    readonly accuracy: Score;
    readonly midP: number;
    readonly macroF1?: number | null;
    /** Training rows that it learnt from, where it may be fewer than there are: of several labels a row. */
    readonly learntFrom?: { readonly rows: number; readonly of: number };
  }[];
  readonly calibration?: {
    readonly brier: number | null;
    readonly nll: number | null;
    /** Of equal width from 0 to 1, by the probability of the predicted label. */
    readonly bins: readonly {
      readonly rows: number;
      readonly confidence: number | null;
      readonly accuracy: number | null;
    }[];
  };
  readonly diagnosis?: Diagnosis;
  /** Of several labels a row: what is said beside the gates' measures. Accuracy is then that of a row's labels (docs/gates.md). */
  readonly severalLabels?: {
    readonly microF1: Score;
    readonly meanAveragePrecision: Score;
    /** Share of the rows whose labels are all right. */
    readonly subsetAccuracy: Score;
    /** Labels a row: given, and predicted. */
    readonly labelsPerRow: { readonly given: number; readonly predicted: number };
  };
  /** A table of the definition each; missing where it has none. */
  readonly behaviour?: readonly BehaviourResult[];
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
  /** Rows that show what the gates mean; their texts, and what came of them, are in the details. */
  readonly examples?: ExampleIds;
  /** JSON with everything above, whole, and the predictions: all, or of many rows those of a sample and a file of all. */
  readonly details: ArtifactRef;
  /** Tree `reference.json` + `embeddings.f32` + `probabilities.f32`: outputs of test rows, what drift is measured against. */
  readonly reference: ArtifactRef;
}

/** How hard an attack through gradients is. */
export type GradientAttack = Omit<AttackSpec, 'queries'>;
export interface GradientAttackInput {
  /** The model with its weights, as it was trained or, with `index`, as the encoder came: an exported graph has no gradients. */
  readonly model: ArtifactRef;
  /** Of a model that finds pictures: the gallery that its embeddings ask. */
  readonly index?: ArtifactRef;
  readonly dataset: ArtifactRef;
  readonly attack: GradientAttack;
  readonly seed: number;
  readonly threads: number;
}
/** What a model of pictures answers when somebody who has its weights changes them. */
export interface AttackMeasures {
  /** Shares of the pictures that are answered rightly without an attack: where pictures are found, of those that find their label first. */
  readonly measures: Readonly<Record<GradientGate, Score>>;
  /** Of the pictures that were drawn, without an attack; where pictures are found, of those that the gallery has something for. */
  readonly accuracy: Score;
  /** Rightly answered, but no pixel changes the loss: nothing was tried on these, and they count as lost. */
  readonly withoutGradient: number;
  readonly attack: Required<GradientAttack>;
  /** Pictures whose right answer is lost. */
  readonly examples?: ExampleIds;
  /** JSON lines: a picture each, with the labels predicted without an attack and under each. */
  readonly details: ArtifactRef;
}

/** How hard an attack by questions is. */
export type SquareAttack = Pick<AttackSpec, 'epsilonLevels' | 'pictures' | 'queries'>;
export interface SquareAttackInput {
  /** The model that is served: an exported classifier, or with `index` whatever the index was built with. */
  readonly model: ArtifactRef;
  /** Of a model that finds pictures: the gallery that is searched. */
  readonly index?: ArtifactRef;
  readonly dataset: ArtifactRef;
  readonly attack: SquareAttack;
  readonly seed: number;
  /** The runtime's own for one call. */
  readonly threads: number;
}
/** What a served model answers when somebody who can only ask it changes the pictures. */
export interface SquareAttackMeasures {
  /** Shares of the pictures that are answered rightly as they are. */
  readonly measures: Readonly<Record<SquareGate, Score>>;
  /** Of the pictures that were drawn, as they are; where pictures are found, of those that the gallery has something for. */
  readonly accuracy: Score;
  /** Median, over the answers that were lost, of the questions that it took; null where none was. */
  readonly queriesToLose: number | null;
  readonly attack: SquareAttack;
  /** Pictures whose right answer is lost. */
  readonly examples?: ExampleIds;
  /** JSON lines: a picture each, whether it was right and was lost, and after how many questions. */
  readonly details: ArtifactRef;
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
    /** The tree that it serves: a classifier's, or a generator's. */
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
  /** The gate of the gain over production; missing in inputs recorded before it was judged. */
  readonly gate?: GatesSpec['gainOverProduction'];
  /** The same of its macro F1. */
  readonly macroF1Gate?: GatesSpec['macroF1OverProduction'];
  /** Whose test rows both answer. */
  readonly dataset: ArtifactRef;
  readonly seed: number;
}
/** One measure of both on the same rows; `difference` is the candidate's minus production's. Macro-F1 is over the labels of these rows. */
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
  | {
      readonly comparable: false;
      readonly bundle: Digest;
      readonly reason: string;
      readonly gate?: never;
      readonly macroF1Gate?: never;
    }
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
      readonly gate?: GateResult;
      /** Missing in results recorded before it was judged. */
      readonly macroF1Gate?: GateResult;
      /** JSON: every compared row with both answers. */
      readonly details: ArtifactRef;
    };

export interface JudgeGatesInput {
  readonly measures: Evaluation['measures'] & Partial<AttackMeasures['measures'] & SquareAttackMeasures['measures']>;
  /** Those that can be measured on what the model takes. */
  readonly gates: Classification['gates'];
  /** Missing in inputs recorded before it counted. */
  readonly method?: TrainingSpec['method'];
  /** The tables of behaviour tests, with what the evaluation found. */
  readonly behaviour?: { readonly gates: BehaviourSpec; readonly measured: readonly BehaviourResult[] };
  readonly custom?: JudgeCustom;
  /** Where examples stand: the evaluation first, then the attacks. Missing in inputs recorded before they were kept. */
  readonly evidence?: readonly GateEvidence[];
}
export interface CheckCustomGatesInput {
  readonly names: readonly string[];
  /** What this pipeline's model gives. */
  readonly judges: Judged;
}
export interface CheckedCustomGates {
  /** The workers' module of gates: its source's digest. Another one voids what was decided. */
  readonly module: Digest;
}
/** The organisation's own gates, with what they are given. */
export interface JudgeCustom extends CheckedCustomGates {
  readonly gates: CustomGatesSpec;
  readonly judges: Judged;
  /** Of the evaluation. */
  readonly details: ArtifactRef;
  /** Where a row may have several labels: their probabilities. */
  readonly reference?: ArtifactRef;
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
  /** Inputs to look at; missing where the gate has none (its table says why), or no row is one. */
  readonly examples?: GateExamples;
  /** Of a gate of one's own: the clock ended it, so that another run measures it anew. */
  readonly outOfTime?: true;
}
export interface GatesVerdict {
  readonly verdict: 'pass' | 'fail' | 'warn';
  readonly gates: readonly GateResult<string>[];
}

/** What the evaluation asks of a tuned model, whatever it takes: texts (examine-texts.ts) or pictures (examine-pictures.ts). */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { TextInput } from '../../inference/texts.ts';
import type { GateExample } from '../contract/examples.ts';
import type { BehaviourResult, Evaluation } from '../contract/validation.ts';
import type { PixelRows } from '../retrieval/pixels.ts';
import type { ProfileAnswer } from '../selection/profile-encoder.ts';
import type { KeptRows, Mistake } from './all-rows.ts';
import type { Flips } from './behaviour.ts';
import type { Judged } from './calibration.ts';
import type { Material, Texts } from './diagnose.ts';
import type { Corrupted } from './picture-robustness.ts';
import type { TraitScan } from './picture-traits.ts';
import type { PatchScan } from './picture-triggers.ts';
import type { SeenPictures } from './seen-pictures.ts';

/** Rows of train and of validation that are predicted: their accuracy then has a standard error of about 1 %. */
export const SPLIT_ROWS = 2000;
/** Training rows that a trivial model learns from: word counts are known from far fewer. */
export const TRIVIAL_ROWS = 10_000;
/** Training pictures that the neighbours by pixels are looked for among: 10,000 test pictures take some 40 seconds. */
export const PIXEL_ROWS = 4000;

/** Rows as the tuned model answers them. */
export interface Answers {
  readonly ids: readonly string[];
  readonly expected: Int32Array;
  readonly predicted: Int32Array;
  /** Row-major [rows, dimension]. */
  readonly embeddings: Float32Array;
  /** Row-major [rows, labels]. */
  readonly probabilities: Float32Array;
}

/** Of a split that is not the test's; its surest mistakes, up to five. */
export interface AskedSplit extends Answers {
  readonly mistakes: readonly Mistake[];
}

/** Rows for a model that needs no learning worth the name; `texts` or `pictures` where there are any. */
export interface TrivialRows {
  readonly texts?: readonly TextInput[];
  readonly pictures?: AsyncIterable<PixelRows>;
  readonly classes: Int32Array;
}

/** Every test row as numbers. */
export interface AllRows {
  readonly expected: Int32Array;
  readonly predicted: Int32Array;
  /** By the frozen encoder and its probe. */
  readonly frozen: Int32Array;
  readonly judged: Judged;
  readonly mistakes: readonly Mistake[];
  /** JSON lines of them all; null where the rows that are kept are all. */
  readonly predictions: ArtifactRef | null;
}

/** With the rows that show what was measured. */
interface Exampled {
  readonly examples: readonly GateExample[];
}

export interface Examined {
  readonly labels: readonly string[];
  readonly all: AllRows;
  /** The test rows themselves, or a sample of them (all-rows.ts). */
  readonly test: KeptRows;
  /** Samples of the other splits. */
  readonly train: Answers;
  /** Of all training rows. */
  readonly trainRows: number;
  readonly validation: AskedSplit;
  /** Of declared rows from elsewhere; null where there are none. */
  readonly shifted: AskedSplit | null;
  readonly frozen: Material['frozen'];
  readonly trivial: { readonly train: TrivialRows; readonly test: TrivialRows };
  readonly texts: Texts | null;
  /** null where the inputs are no pictures. */
  readonly pictures: SeenPictures | null;
  /** Code points of the test rows that are kept; of pictures 0. */
  readonly textLengths: readonly number[];
  readonly checkEdgeInputs: () => Promise<Evaluation['edgeInputs']>;
  readonly measureFlips: () => Promise<Flips & Exampled>;
  /** The tables of behaviour tests; `[]` where there are none. */
  readonly askBehaviour: () => Promise<readonly BehaviourResult[]>;
  /** null where the inputs are no pictures. */
  readonly measureCorruption: (() => Promise<Corrupted>) | null;
  /** Likewise. */
  readonly scanPatches: (() => Promise<PatchScan & Exampled>) | null;
  /** Likewise. */
  readonly scanTraits: (() => Promise<TraitScan & Exampled>) | null;
  readonly measure: () => Promise<ProfileAnswer>;
}

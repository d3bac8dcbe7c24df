/** Steps that try candidates on small parts of the data before one of them is tuned on all. */
import type { ErrorKind } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { DatasetSummary, Split } from './data.ts';
import type { Interval } from './measures.ts';
import type { CandidateOutcome, Selection } from './selection.ts';

/** How many rows of a split: `share` of them, at least `least`, at most `most`; all where nothing is said. */
export interface RowLimit {
  readonly share?: number;
  readonly least?: number;
  readonly most?: number;
}
export interface SubsetDataInput {
  readonly dataset: ArtifactRef;
  readonly rows: Readonly<Record<Split, RowLimit>>;
  readonly seed: number;
}
/** A tree like `DatasetSummary.dataset`; of one seed a smaller part lies within every larger one. */
export type DataSubset = Pick<DatasetSummary, 'dataset' | 'rows' | 'labelCounts' | 'completions'>;

/** One candidate, fine-tuned on one rung, from one seed or from several; `error` where that failed. */
export interface RungResult {
  readonly candidate: string;
  /** From 1. */
  readonly rung: number;
  readonly trainRows: number;
  readonly validationRows: number;
  /** Share of the validation rows, 0–1, on average over the seeds; null where one of its trainings failed. */
  readonly accuracy: number | null;
  /** Of each seed, where there are several. */
  readonly accuracies?: readonly number[];
  /** Of one training, as its worker had it. */
  readonly seconds: number | null;
  readonly error?: string;
  /** Beside `error`: tells what the budget cut from what failed of itself, or of a storage that was away. */
  readonly errorKind?: ErrorKind;
}

export interface HalveCandidatesInput {
  readonly results: readonly RungResult[];
  /** Its results are judged. */
  readonly rung: number;
  /** Goes on wherever it stands, and takes nobody's room: the others are held against it. */
  readonly kept?: string;
  /** On fewer training rows nobody leaves who was measured; however few they are, somebody does when missing. */
  readonly leastRows?: number;
}
export interface HalvedCandidates {
  /** Best first: they go on to the next rung. */
  readonly survivors: readonly string[];
  /** One sentence a candidate that leaves. */
  readonly left: readonly { readonly candidate: string; readonly reason: string }[];
}

export interface ChooseCandidateInput {
  readonly selection: Selection;
  readonly results: readonly RungResult[];
  readonly left: HalvedCandidates['left'];
  readonly measured: readonly Pick<CandidateOutcome, 'id' | 'profile'>[];
  /** Training rows there are in all, and how much longer training on them is than on the rungs: epochs over epochs. */
  readonly fullRows: number;
  readonly epochsFactor: number;
  readonly tolerance: number;
  readonly seed: number;
  /** Why rungs were left out. */
  readonly stopped?: string;
}
export interface Prediction {
  readonly value: number;
  readonly interval: Interval;
}
export interface CandidateCurve {
  readonly candidate: string;
  readonly points: readonly RungResult[];
  /** Validation accuracy 1 − (floor + scale · rows^−decay); null below two points. `assumed`: two points, which cannot tell floor and decay both (activities/selection/learning-curve.ts; before version 7 of the choice the decay was always 0.5). */
  readonly curve: {
    readonly floor: number;
    readonly scale: number;
    readonly decay: number;
    readonly assumed: boolean;
  } | null;
  /** At all training rows. */
  readonly predictedAccuracy: Prediction | null;
  /** Seconds that training on all rows should take; an upper bound where only one rung was timed. */
  readonly predictedSeconds: number | null;
}
export interface Prototyped {
  readonly winner: string;
  /** Best first. */
  readonly curves: readonly CandidateCurve[];
  readonly left: HalvedCandidates['left'];
  readonly fullRows: number;
  /** Why this one, in words. */
  readonly reason: string;
  readonly rule: string;
  readonly stopped?: string;
}
export interface ChosenCandidate {
  /** With the winner of the prototypes, and what they say of each. */
  readonly selection: Selection;
  readonly prototyped: Prototyped;
}

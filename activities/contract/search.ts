/** Steps that search the settings of the training that a definition leaves open. */
import type { Training } from '../../pipelines/definition/training.ts';
import type { OpenSetting, Recommended } from '../../pipelines/recipe.ts';
import type { HalvedCandidates, RungResult } from './prototype.ts';

export interface DrawTrialsInput {
  /** What the table says of the settings that are open. */
  readonly recommended: readonly Recommended[];
  readonly method: Training['method'];
  readonly trials: number;
  readonly seed: number;
}
export interface Trial {
  /** `trial-1` is the recommended settings. */
  readonly id: string;
  readonly settings: Readonly<Partial<Record<OpenSetting, number>>>;
}
export interface DrawnTrials {
  /** Fewer than were asked for where the open settings have no more combinations. */
  readonly trials: readonly Trial[];
}

/** One training of a trial; `candidate` is the trial's id. */
export interface TrialResult extends RungResult {
  /** Of the training: several seeds a trial only on the last rung. */
  readonly seed: number;
}

export interface ChooseSettingsInput {
  readonly recommended: readonly Recommended[];
  readonly trials: readonly Trial[];
  readonly results: readonly TrialResult[];
  readonly left: HalvedCandidates['left'];
  /** Why rungs were left out. */
  readonly stopped?: string;
}
export interface MeasuredTrial extends Trial {
  readonly rungs: readonly {
    readonly rung: number;
    readonly trainRows: number;
    readonly validationRows: number;
    /** Mean over the seeds, 0–1; null where one of them failed: the others are no mean of the same seeds. */
    readonly accuracy: number | null;
    /** The budget ended one of them before it was whole; then there is no accuracy. */
    readonly cut?: true;
    /** Of each training that came to an end. */
    readonly accuracies: readonly number[];
    /** Of all its trainings together. */
    readonly seconds: number;
  }[];
  /** Why it did not go on; missing of those that reached the end. */
  readonly left?: string;
}
export interface SearchedSettings {
  readonly chosen: string;
  /** The chosen one first, then whoever came furthest. */
  readonly trials: readonly MeasuredTrial[];
  /** What the search settles, each with its reason; empty where the recommended settings stay. */
  readonly settings: readonly Recommended[];
  /** Why these, in words. */
  readonly reason: string;
  readonly rule: string;
  readonly stopped?: string;
}

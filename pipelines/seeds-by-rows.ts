/** Trainings of a try of a candidate, each from another seed, by the training rows that there are in all. Pure. */
import type { Recommended } from './recipe.ts';

/** Written, or taken where nothing is: the number is settled once the rows are counted, with its reason in the record. */
export const BY_ROWS = 'by-rows';

/** What a definition has of it; without `seeds` it is of a run that began before they could be set, which has one. */
export interface SeedsAsked {
  readonly seeds?: number | typeof BY_ROWS | undefined;
  /** Fewer training rows are few. */
  readonly fewRows?: number | undefined;
}

/** Three are the fewest that tell how far apart seeds lie; each costs a try. */
const OF_FEW_ROWS = 3;
/** Fewer are few: there the seed moves the accuracy as much as models differ (Dodge et al., arXiv:2002.06305; docs/selection.md). */
const FEW_ROWS = 1000;

/** Of a try at most, whatever the rows: what a run is planned for before they are counted. */
export function mostSeeds({ seeds = 1 }: SeedsAsked): number {
  return seeds === BY_ROWS ? OF_FEW_ROWS : seeds;
}

/** Of a try, where there are `trainRows` training rows in all. */
export function seedsOfTry(asked: SeedsAsked, trainRows: number): number {
  return trainRows < (asked.fewRows ?? FEW_ROWS) ? mostSeeds(asked) : 1;
}

export type RecommendedSeeds = Recommended<'selection.prototype.seeds'>;

/** What the table names where the definition leaves it to the rows; undefined where it names a number. */
export function recommendedSeeds(asked: SeedsAsked, trainRows: number): RecommendedSeeds | undefined {
  if (asked.seeds !== BY_ROWS) return undefined;
  const value = seedsOfTry(asked, trainRows);
  const why =
    value === 1
      ? 'one seed tells candidates apart, and more would cost as many times as much'
      : 'of so few the seed alone can put the worse candidate first, so that the mean of several counts';
  return { path: 'selection.prototype.seeds', value, reason: `${trainRows} training rows: ${why}` };
}

/** Those of a training: a search moves them, and another method has others. */
export function ofTraining(settled: readonly (Recommended | RecommendedSeeds)[]): readonly Recommended[] {
  return settled.flatMap((one) => (isSeeds(one) ? [] : [one]));
}

export function isSeeds(one: Recommended | RecommendedSeeds): one is RecommendedSeeds {
  return one.path === 'selection.prototype.seeds';
}

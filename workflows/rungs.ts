/** How much data a rung of the prototypes has. Pure: known as soon as the data are counted. */
import type { RungResult, SubsetDataInput } from '../activities/contract/prototype.ts';
import type { Classification } from '../pipelines/definition.ts';

type Setting = Pick<Classification['selection']['prototype'], 'leastRows' | 'mostValidationRows'>;

/** Fewer tell nobody hopeless: of 200, ten points are beyond chance. */
const LEAST_VALIDATION_ROWS = 200;
/** A rung that is not so much smaller than the next one costs nearly as much and tells hardly less. */
const LEAST_GROWTH = 2;

/** Training rows on a share of `rows`. */
export function rungRows({ leastRows }: Pick<Setting, 'leastRows'>, share: number, rows: number): number {
  return Math.min(rows, Math.max(Math.ceil(rows * share), leastRows));
}

/**
 * The rows of every split on a rung. Validation is passed through after each epoch: where it is as large as ever, a small
 * rung costs mostly that. So it has at most as many rows as are trained on, but no fewer than tell the hopeless.
 */
export function rungLimits(setting: Setting, share: number, rows: number): SubsetDataInput['rows'] {
  const { leastRows: least, mostValidationRows } = setting;
  const most = Math.min(mostValidationRows, Math.max(LEAST_VALIDATION_ROWS, rungRows(setting, share, rows)));
  return { train: { share, least }, validation: { most }, test: { most: 0 } };
}

/**
 * Of a run that is a prototype, whose rungs are a curve. Where `leastRows` would make the rung at `share` more than half of
 * all rows, it has a third of them: no other is in its place. It has a row of each of the `labels` in any case, since the
 * curve of a rung that lacks some would rise by what it could not know.
 */
export function trialSetting<T extends Setting>(setting: T, share: number, rows: number, labels: number): T {
  const least = isTooNear(setting, [share, 1], rows) ? Math.ceil(rows / 3) : setting.leastRows;
  return { ...setting, leastRows: Math.max(least, labels) };
}

/** A rung's rows as a plan says it before they are counted; `least` null: a share, or more where there are few (`trialSetting`). */
export function rungInWords(share: number, least: number | null): string {
  const part = `${Number((share * 100).toPrecision(3))} % of the training rows`;
  if (share === 1) return part;
  return least === null ? `${part}, or more` : `${part} (${least} at least)`;
}

/** Of a search for settings: the smallest rung, and enough validation rows to tell differences of two points. */
const SEARCH: Setting = { leastRows: 64, mostValidationRows: 2000 };

export function searchRungRows(share: number, rows: number): number {
  return rungRows(SEARCH, share, rows);
}

export function searchRungInWords(share: number): string {
  return rungInWords(share, SEARCH.leastRows);
}

export function searchRungLimits(share: number, rows: number): SubsetDataInput['rows'] {
  return rungLimits(SEARCH, share, rows);
}

/** The `nth` seed, from 1, of trainings that differ in nothing else. */
export function nthSeed(seed: number, nth: number): number {
  return (seed + nth - 1) % 2 ** 31;
}

/** What the trainings of a rung say of each candidate: where one of its seeds failed there is no mean of the same seeds. */
export function ofAllSeeds(trainings: readonly RungResult[]): readonly RungResult[] {
  const candidates = [...new Set(trainings.map(({ candidate }) => candidate))];
  return candidates.flatMap((id): readonly RungResult[] => {
    const own = trainings.filter(({ candidate }) => candidate === id);
    const failed =
      own.find(({ errorKind }) => errorKind === 'BudgetEnded') ?? own.find(({ accuracy }) => accuracy === null);
    if (own.length === 1) return own;
    if (failed !== undefined) return [failed];
    const accuracies = own.flatMap(({ accuracy }) => accuracy ?? []);
    const seconds = own.flatMap((one) => one.seconds ?? []);
    return own
      .slice(0, 1)
      .map((first) => ({ ...first, accuracy: mean(accuracies), accuracies, seconds: mean(seconds) }));
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Why it ends with this rung: the budget cut a training of it; undefined where all came to their own end. */
export function cutShort(rung: number, trained: readonly Pick<RungResult, 'errorKind'>[]): string | undefined {
  const cut = trained.filter(({ errorKind }) => errorKind === 'BudgetEnded').length;
  if (cut === 0) return undefined;
  return `the budget ended in the middle of rung ${rung}, before ${cut} of its ${trained.length} trainings had come to an end`;
}

/** Whether a rung is left out: of few rows `leastRows` makes it nearly as large as the next one. */
export function isTooNear(
  setting: Pick<Setting, 'leastRows'>,
  [share, next]: readonly [share: number, next: number | undefined],
  rows: number,
): boolean {
  return next !== undefined && rungRows(setting, next, rows) < LEAST_GROWTH * rungRows(setting, share, rows);
}

/** Macro-F1 of two models of several labels on the same rows, and what lies between them (macro-f1-difference.ts). Pure. */
import type { Score } from '../../contract/measures.ts';
import type { PairedScore } from '../../contract/validation.ts';
import { widest } from '../f1-limits.ts';
import { labelsByLoss } from '../macro-f1-difference.ts';
import { finiteOrNull, givenLabels, meanF1 } from '../metrics.ts';
import { notMeasured } from '../scores.ts';
import { bootstrapInterval, orLeftOut, type BootstrapOptions } from '../statistics.ts';
import { rarestUnit, swapInterval } from '../swapped-answers.ts';
import type { Decisions } from './decisions.ts';
import { countsOf, f1OfEach, supportOf, type LabelCounts } from './metrics.ts';
import { f1Scores } from './scores.ts';

export async function macroF1Difference(
  before: Decisions,
  after: Decisions,
  options: BootstrapOptions,
): Promise<PairedScore> {
  return {
    production: (await f1Scores(before, options, 'given')).macroF1,
    candidate: (await f1Scores(after, options, 'given')).macroF1,
    difference: await macroF1Gain(before, after, options),
  };
}

/**
 * Of `after` minus that of `before`, over the labels that some row has, of a draw those that it has: one set for both. Whole rows are drawn,
 * and whole rows change sides, since a row's labels hang together. A draw without any label is left out.
 */
export async function macroF1Gain(before: Decisions, after: Decisions, options: BootstrapOptions): Promise<Score> {
  const rows = before.targets.length / before.labels;
  const [old, young] = [countsOf(before), countsOf(after)];
  const support = supportOf(old());
  const given = givenLabels(support);
  if (given.length === 0) return { ...notMeasured('none of the rows has a label'), rows };
  const f1 = (counts: LabelCounts): number => meanF1(f1OfEach(counts), supportOf(counts));
  const between = (drawn?: Uint32Array): number => f1(young(drawn)) - f1(old(drawn));
  const value = between();
  const differs = (row: number): boolean => {
    const end = (row + 1) * before.labels;
    for (let at = row * before.labels; at < end; at++) if (before.predicted[at] !== after.predicted[at]) return true;
    return false;
  };
  const places = Uint32Array.from({ length: rows }, (_, row) => row);
  const differing = places.filter(differs);
  const alike = old(places.filter((row) => !differs(row)));
  const swapped = await swapInterval(
    value,
    {
      differing: differing.length,
      unit: rarestUnit(given.map((label) => support[label]!)),
      swapped: (lot) => {
        const sides: readonly [number[], number[]] = [[], []];
        for (const row of differing) sides[lot(1) === 0 ? 0 : 1].push(row);
        const [stay, moved] = sides.map((side) => Uint32Array.from(side)) as [Uint32Array, Uint32Array];
        return f1(together(alike, young(stay), old(moved))) - f1(together(alike, old(stay), young(moved)));
      },
    },
    options,
  );
  const resampled = await bootstrapInterval(rows, (drawn) => orLeftOut(between(drawn)), options);
  return { value: finiteOrNull(value), interval: widest(resampled, swapped), rows };
}

function together(...parts: readonly LabelCounts[]): LabelCounts {
  const sum = (which: keyof LabelCounts): Float64Array =>
    Float64Array.from(parts[0]![which], (_, label) => parts.reduce((total, part) => total + part[which][label]!, 0));
  return { right: sum('right'), wrong: sum('wrong'), missed: sum('missed') };
}

/** For each label whose F1 is lost, the largest loss first, a row that only the first is right about; none twice. */
export function rowsOfLostLabels(before: Decisions, after: Decisions): readonly number[] {
  const { labels, targets } = before;
  const order = labelsByLoss(f1OfEach(countsOf(before)()), f1OfEach(countsOf(after)()));
  const lostOf = (label: number): number | undefined => {
    for (let at = label; at < targets.length; at += labels) {
      if (before.predicted[at] === targets[at] && after.predicted[at] !== targets[at]) return (at - label) / labels;
    }
    return undefined;
  };
  return [...new Set(order.flatMap((label) => lostOf(label) ?? []))];
}

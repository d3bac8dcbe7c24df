/**
 * Who goes on after a rung: successive halving (Jamieson & Talwalkar, AISTATS 2016, arXiv:1502.07943) with an early stop:
 * whoever is beyond chance behind the best leaves although there was room. Pure.
 */
import type { Interval } from '../contract/measures.ts';
import type { HalveCandidatesInput, HalvedCandidates, RungResult } from '../contract/prototype.ts';
import { wilsonInterval } from '../validation/statistics.ts';
import { rowsInEffect } from './seeds.ts';

export function halveCandidates({ results, rung, kept, leastRows = 0 }: HalveCandidatesInput): HalvedCandidates {
  const now = results.filter((one) => one.rung === rung);
  const failed = now.flatMap(({ candidate, accuracy, error }) =>
    accuracy === null
      ? [{ candidate, reason: `It failed on rung ${rung}: ${error ?? 'no accuracy was measured'}` }]
      : [],
  );
  const ranked = byAccuracy(now);
  const [best] = ranked;
  if (best === undefined) return { survivors: [], left: failed };
  if (best.trainRows < leastRows) return { survivors: ranked.map(({ candidate }) => candidate), left: failed };
  const room = Math.ceil(ranked.filter(({ candidate }) => candidate !== kept).length / 2);
  const { low: floor } = intervalOf(best);
  const survivors: string[] = [];
  const left = [...failed];
  let place = 0;
  for (const one of ranked) {
    const { candidate, accuracy, trainRows } = one;
    if (candidate === kept) {
      survivors.push(candidate);
      continue;
    }
    const shown = `${percent(accuracy)} on ${trainRows} training rows against ${percent(best.accuracy)} of ${best.candidate}`;
    if (one !== best && intervalOf(one).high < floor)
      left.push({ candidate, reason: `Hopeless on rung ${rung}: ${shown}, beyond chance.` });
    else if (place >= room) left.push({ candidate, reason: `In the worse half on rung ${rung}: ${shown}.` });
    else survivors.push(candidate);
    place++;
  }
  return { survivors, left };
}

/** Those that were measured, best first; the name decides between equals, so that no order of arrival does. */
export function byAccuracy(results: readonly RungResult[]): readonly RungResult[] {
  return results
    .filter(({ accuracy }) => accuracy !== null)
    .toSorted(
      (left, right) => (right.accuracy ?? 0) - (left.accuracy ?? 0) || (left.candidate < right.candidate ? -1 : 1),
    );
}

/** The budget ended it before it was whole. */
export function isCut({ errorKind }: Pick<RungResult, 'errorKind'>): boolean {
  return errorKind === 'BudgetEnded';
}

/** Of its accuracy, by Wilson; of several seeds, of as many rows as their spread leaves (seeds.ts). */
export function intervalOf(result: Pick<RungResult, 'accuracy' | 'accuracies' | 'validationRows'>): Interval {
  const { accuracy, accuracies, validationRows } = result;
  if (accuracy === null || validationRows === 0) return { low: 0, high: 1, confidence: 0.95 };
  if (accuracies === undefined) return wilsonInterval(Math.round(accuracy * validationRows), validationRows);
  const rows = rowsInEffect(result);
  return wilsonInterval(accuracy * rows, rows);
}

export function percent(share: number | null): string {
  return share === null ? 'nothing' : `${(share * 100).toFixed(1)} %`;
}

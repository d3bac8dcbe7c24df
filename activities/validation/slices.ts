/** Whether some part of the rows is served worse than the rest. Pure. */
import type { Score } from '../contract/measures.ts';
import { shareDifference } from './shares.ts';

export interface Slice {
  readonly name: string;
  readonly rows: readonly number[];
}
export interface SliceResult {
  readonly name: string;
  readonly rows: number;
  readonly accuracy: number;
  /** Accuracy of all other rows minus the slice's. */
  readonly gap: Score;
}

/** Below it an interval says nothing. */
export const LEAST_SLICE_ROWS = 30;

/**
 * The slices with enough rows inside and outside, the worst first. Each gap's interval holds for all slices at once
 * (Bonferroni), so that of many slices one does not stand out by chance.
 */
export function sliceGaps(correct: readonly boolean[], slices: readonly Slice[]): readonly SliceResult[] {
  const enough = slices.filter(
    ({ rows }) => rows.length >= LEAST_SLICE_ROWS && correct.length - rows.length >= LEAST_SLICE_ROWS,
  );
  const all = correct.filter(Boolean).length;
  return enough
    .map(({ name, rows }) => {
      const hits = rows.filter((row) => correct[row]).length;
      const rest = { hits: all - hits, rows: correct.length - rows.length };
      const gap = shareDifference(rest, { hits, rows: rows.length }, 1 - 0.05 / enough.length);
      return { name, rows: rows.length, accuracy: hits / rows.length, gap };
    })
    .sort((a, b) => (b.gap.value ?? 0) - (a.gap.value ?? 0));
}

/** The worst slice's gap: the one whose low end is highest, which is what a gate of proof judges. */
export function worstGap(results: readonly SliceResult[]): Score {
  const [worst] = results.toSorted((a, b) => (b.gap.interval?.low ?? -1) - (a.gap.interval?.low ?? -1));
  return (
    worst?.gap ?? {
      value: null,
      interval: null,
      rows: 0,
      notApplicable: `no slice has ${LEAST_SLICE_ROWS} rows on both sides`,
    }
  );
}

/** Texts by length: the shortest third, the middle, the longest; equal lengths stay together. */
export function lengthSlices(texts: readonly string[]): readonly Slice[] {
  const lengths = texts.map((text) => text.length);
  const ascending = lengths.toSorted((a, b) => a - b);
  const [low, high] = [
    ascending[Math.floor(texts.length / 3)] ?? 0,
    ascending[Math.floor((2 * texts.length) / 3)] ?? 0,
  ];
  const rowsWith = (holds: (length: number) => boolean): number[] =>
    lengths.flatMap((length, row) => (holds(length) ? [row] : []));
  return [
    { name: `texts under ${low} characters`, rows: rowsWith((length) => length < low) },
    { name: `texts of ${low} to ${high} characters`, rows: rowsWith((length) => length >= low && length <= high) },
    { name: `texts over ${high} characters`, rows: rowsWith((length) => length > high) },
  ];
}

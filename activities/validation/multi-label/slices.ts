/** Whether some part of the rows is served worse than the rest, by the accuracy of each row's labels. Pure. */
import { LEAST_SLICE_ROWS, type Slice, type SliceResult } from '../slices.ts';
import { meanDifference, meanOf } from './scores.ts';

/** As slices.ts has it for one label a row: the worst first, the intervals hold for all slices at once (Bonferroni). */
export function creditGaps(credits: Float64Array, slices: readonly Slice[]): readonly SliceResult[] {
  const enough = slices.filter(
    ({ rows }) => rows.length >= LEAST_SLICE_ROWS && credits.length - rows.length >= LEAST_SLICE_ROWS,
  );
  return enough
    .map(({ name, rows }) => {
      const inside = new Set(rows);
      const own = credits.filter((_, row) => inside.has(row));
      const gap = meanDifference(
        credits.filter((_, row) => !inside.has(row)),
        own,
        1 - 0.05 / enough.length,
      );
      return { name, rows: rows.length, accuracy: meanOf(own), gap };
    })
    .toSorted((a, b) => (b.gap.value ?? 0) - (a.gap.value ?? 0));
}

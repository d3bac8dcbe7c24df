/** Whether some part of the rows is served worse than the rest. Pure. */
import type { Score } from '../contract/measures.ts';
import type { SeenPicture } from '../data/images/pictures.ts';
import { notMeasured } from './scores.ts';
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

/** The one whose low end is highest, which is what a gate of proof judges. */
export function worstSlice<Result extends Pick<SliceResult, 'gap'>>(results: readonly Result[]): Result | undefined {
  return results.toSorted((a, b) => (b.gap.interval?.low ?? -1) - (a.gap.interval?.low ?? -1))[0];
}

/** So many of them, the one that is judged before the others: by its gap alone it may stand behind more than are listed. */
export function listedSlices<Result extends Pick<SliceResult, 'gap'>>(
  results: readonly Result[],
  most: number,
): readonly Result[] {
  const judged = worstSlice(results);
  return judged === undefined ? [] : [judged, ...results.filter((one) => one !== judged)].slice(0, most);
}

export function worstGap(results: readonly SliceResult[]): Score {
  return worstSlice(results)?.gap ?? notMeasured(`no slice has ${LEAST_SLICE_ROWS} rows on both sides`);
}

type Groups = readonly Readonly<Record<string, string>>[];

/** A slice for each value of each column. */
export function groupSlices(groups: Groups): readonly Slice[] {
  const rows = new Map<string, number[]>();
  for (const [row, values] of groups.entries()) {
    for (const [column, value] of Object.entries(values)) {
      const name = `${column} = ${value}`;
      const known = rows.get(name);
      if (known === undefined) rows.set(name, [row]);
      else known.push(row);
    }
  }
  return [...rows].map(([name, members]) => ({ name, rows: members })).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Rows of one label that a group must have for its recall to say anything. */
const LEAST_RECALL_ROWS = 20;

export interface OpportunityGap {
  readonly column: string;
  readonly label: number;
  readonly served: string;
  readonly unserved: string;
  readonly gap: Score;
}

/**
 * Equal opportunity (Hardt, Price & Srebro, Equality of Opportunity in Supervised Learning, NIPS 2016): for each label the rows
 * that have it should be recognised as often in one group as in another. Every pair of groups with enough rows of a label, the
 * largest proven gap first; the intervals hold for all pairs at once (Bonferroni).
 */
export function opportunityGaps(
  groups: Groups,
  expected: Int32Array,
  predicted: Int32Array,
): readonly OpportunityGap[] {
  const counts = new Map<string, Map<string, { hits: number; rows: number }>>();
  for (const [row, values] of groups.entries()) {
    for (const [column, value] of Object.entries(values)) {
      const key = JSON.stringify([column, expected[row]]);
      const byValue = counts.get(key) ?? new Map<string, { hits: number; rows: number }>();
      counts.set(key, byValue);
      const count = byValue.get(value) ?? { hits: 0, rows: 0 };
      byValue.set(value, count);
      count.rows++;
      if (predicted[row] === expected[row]) count.hits++;
    }
  }
  const pairs = [...counts].flatMap(([key, byValue]) => {
    const [column, label] = JSON.parse(key) as [string, number];
    const enough = [...byValue].filter(([, { rows }]) => rows >= LEAST_RECALL_ROWS);
    return enough.flatMap((first, at) =>
      enough.slice(at + 1).map((second) => {
        const better = first[1].hits / first[1].rows >= second[1].hits / second[1].rows;
        return { column, label, pair: better ? ([first, second] as const) : ([second, first] as const) };
      }),
    );
  });
  return pairs
    .map(({ column, label, pair: [[served, most], [unserved, least]] }) => {
      return { column, label, served, unserved, gap: shareDifference(most, least, 1 - 0.05 / pairs.length) };
    })
    .toSorted((a, b) => (b.gap.interval?.low ?? -1) - (a.gap.interval?.low ?? -1));
}

/** Texts by length: the shortest third, the middle, the longest. */
export function lengthSlices(texts: readonly string[]): readonly Slice[] {
  return thirds(
    texts.map((text) => text.length),
    (range) => `texts of ${range} characters`,
  );
}

/** Pictures by their pixels, and by how bright they are (0 is black, 255 white), a third each. */
export function pictureSlices(
  pictures: readonly Pick<SeenPicture, 'width' | 'height' | 'brightness'>[],
): readonly Slice[] {
  return [
    ...thirds(
      pictures.map(({ width, height }) => width * height),
      (range) => `pictures of ${range} pixels`,
    ),
    ...thirds(
      pictures.map(({ brightness }) => brightness),
      (range) => `pictures of brightness ${range} (of 255)`,
    ),
  ];
}

export function thirds(values: readonly number[], nameOf: (range: string) => string): readonly Slice[] {
  return equalParts(3, values, nameOf);
}

/**
 * So many parts of as many rows each, by value. Equal values stay together, in the part in which the middle one of them lies: where
 * there are but two, each is a slice. None is empty.
 */
export function equalParts(
  count: number,
  values: readonly number[],
  nameOf: (range: string) => string,
): readonly Slice[] {
  const order = [...values.keys()].sort((a, b) => values[a]! - values[b]! || a - b);
  const parts = Array.from({ length: count }, (): number[] => []);
  for (let first = 0; first < order.length;) {
    let end = first + 1;
    while (end < order.length && values[order[end]!] === values[order[first]!]) end++;
    parts[Math.floor((count * (first + end)) / (2 * order.length))]!.push(...order.slice(first, end));
    first = end;
  }
  return parts
    .filter((rows) => rows.length > 0)
    .map((rows) => {
      const [least, most] = [values[rows[0]!]!, values[rows.at(-1)!]!];
      return {
        name: nameOf(least === most ? `${least}` : `${least} to ${most}`),
        rows: rows.toSorted((a, b) => a - b),
      };
    });
}

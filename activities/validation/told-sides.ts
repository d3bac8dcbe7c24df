/**
 * Rows of two sides, each told by what the other folds taught: along the directions in which rows differ most, which are found from all of
 * them without their sides. Where rows are few, it is these that show a kind of which they are half or a quarter. Pure.
 */
import { discriminant } from './discriminant.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { foldsOf, kinOf, type Kin } from './kin.ts';
import { principalPlaces } from './principal-components.ts';
import { sampleIndices, shuffleStart, type Random } from './random.ts';
import { timeSlice } from './time-slice.ts';

/** A fifth of the rows is told at a time. */
export const FOLDS = 5;

/** A row of a side, which is 0 (what is known) or 1 (what is asked about). */
export interface SideRow {
  /** In its side. */
  readonly place: number;
  readonly row: Float32Array;
  readonly side: number;
  readonly fold: number;
}
/** A row, and places of its kin on its side, without it. */
export interface KinRow extends SideRow {
  readonly kin: readonly number[];
}
export type ToldRow<Row extends SideRow = SideRow> = Row & {
  /** How much more it looks like side 1; below 0 like side 0. */
  readonly margin: number;
};

/** Kin among rows of a side, by their places; row by row as the places are given. */
export type KinAmong = (places: readonly number[], signal: AbortSignal | undefined) => Promise<Kin>;

/** By what rows of a side are known to be kin (kin.ts). */
interface Likeness {
  readonly rowOf: (place: number) => Float32Array;
  readonly keysOf?: (place: number) => readonly string[];
  /** Whether kin of kin are of one group; they are where left out. */
  readonly chains?: boolean;
  /** The least cosine of kin; 0.4 where left out. */
  readonly least?: number;
}

export function kinByLikeness({ rowOf, keysOf, chains, least }: Likeness): KinAmong {
  return async (places, signal) => {
    const slice = timeSlice(signal);
    const rows: Float32Array[] = [];
    for (const place of places) {
      rows.push(rowOf(place));
      await slice();
    }
    return kinOf(
      rows,
      places.map((place) => keysOf?.(place) ?? []),
      { chains, least, signal },
    );
  };
}

/**
 * Rows of one side, up to `most`, drawn where there are more, with their folds; and of how many patterns they are. Where kin is looked
 * for, a group of them is in one fold.
 */
export async function drawSide(
  embeddings: Float32Array,
  dimension: number,
  {
    side,
    most,
    kinAmong,
    random,
    signal,
  }: {
    readonly side: number;
    readonly most: number;
    readonly kinAmong?: KinAmong | undefined;
    readonly random: Random;
    readonly signal: AbortSignal | undefined;
  },
): Promise<{ readonly rows: readonly KinRow[]; readonly patterns: number }> {
  const all = embeddings.length / dimension;
  const places = sampleIndices(all, Math.min(most, all), random);
  shuffleStart(places, places.length, random);
  const rowOf = (place: number): Float32Array => embeddings.subarray(place * dimension, (place + 1) * dimension);
  const found = await kinAmong?.(places, signal);
  const groups = found?.groups ?? [...places.keys()];
  const folds = foldsOf(groups, FOLDS);
  return {
    patterns: new Set(groups).size,
    rows: places.map((place, at) => ({
      place,
      row: rowOf(place),
      side,
      fold: folds[at]!,
      kin: found?.kin[at]!.map((other) => places[other]!) ?? [],
    })),
  };
}

export async function tellSides<Row extends SideRow>(
  rows: readonly Row[],
  directions: number,
  random: Random,
  signal?: AbortSignal,
): Promise<readonly ToldRow<Row>[]> {
  const places = await principalPlaces(
    rows.map(({ row }) => row),
    directions,
    random,
    signal,
  );
  const known = rows.map((row, at) => ({ row, side: row.side, fold: row.fold, features: places[at]! }));
  return Array.from({ length: FOLDS }, (_, fold) => {
    const marginOf = discriminant(known.filter((one) => one.fold !== fold));
    return known
      .filter((one) => one.fold === fold)
      .map(({ row, features }): ToldRow<Row> => ({ ...row, margin: marginOf(features) }));
  }).flat();
}

/** Places of up to five rows of side 1 that are told most surely, the surest first. */
export function surestOf(told: readonly ToldRow[]): readonly number[] {
  return told
    .filter(({ margin, side }) => side === 1 && margin > 0)
    .toSorted((a, b) => b.margin - a.margin)
    .slice(0, MOST_EXAMPLES)
    .map(({ place }) => place);
}

/** As how many independent rows these of one side count, if a row and its kin are all told alike (Kish, Survey Sampling, 1965: the effective sample size). */
export function independentRows(rows: readonly KinRow[]): number {
  return rows.length ** 2 / rows.reduce((sum, { kin }) => sum + 1 + kin.length, 0);
}

/**
 * Rows of one side that are kin: variants of one text, turns of one conversation. A split keeps many such on one side, so that a
 * classifier that has learnt one of them knows the others' side without any shift; and all of them together say little more
 * than one.
 */
import { MatrixProducts } from '../../inference/matrix-product.ts';
import { DisjointSets } from '../data/disjoint-sets.ts';
import { timeSlice } from './time-slice.ts';

/** Cosines, after the side's mean is taken off: a text with two words in five changed keeps 0.5, two texts on one subject have 0.1 to 0.3. */
const SIMILARITIES = [0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
/**
 * Of the rows, that one group may be. Rows that are all made by one pattern are kin: more must be alike then, as what
 * all share is on both sides. Chains alone can join a quarter of them; rows that are all alike to one of them are forms of it, however many,
 * unless they are nearly all there are.
 */
const LARGEST_GROUP = { chains: 0.25, families: 0.9 };

export interface Kin {
  /** Of each row, its group: rows that are kin of one of them, or kin of kin. */
  readonly groups: readonly number[];
  /** Of each row, those that are its kin themselves, without it. */
  readonly kin: readonly (readonly number[])[];
}

/**
 * `keys`: of each row; rows that share one are kin whatever they say. `chains`: kin of kin are of one group, so that no two kin are in two;
 * without, rows on one subject that only the test has, and that hang together by chains, are not learnt or held as one and never told.
 */
export async function kinOf(
  rows: readonly Float32Array[],
  keys: readonly (readonly string[])[],
  {
    chains = true,
    least: from = SIMILARITIES[0]!,
    signal,
  }: {
    readonly chains?: boolean | undefined;
    readonly least?: number | undefined;
    readonly signal?: AbortSignal | undefined;
  } = {},
): Promise<Kin> {
  const largest = (chains ? LARGEST_GROUP.chains : LARGEST_GROUP.families) * rows.length;
  const slice = timeSlice(signal);
  const similarities = await allCosines(rows);
  const alike: { readonly one: number; readonly other: number; readonly similarity: number }[] = [];
  for (let one = 0; one < rows.length; one++) {
    const own = new Set(keys[one]);
    for (let other = 0; other < one; other++) {
      const similarity = keys[other]!.some((key) => own.has(key)) ? 1 : similarities[one * rows.length + other]!;
      if (similarity >= SIMILARITIES[0]!) alike.push({ one, other, similarity });
    }
    await slice();
  }
  for (const [step, least] of SIMILARITIES.entries()) {
    if (least < from) continue;
    const pairs = alike.filter(({ similarity }) => similarity >= least);
    const kin = rows.map((): number[] => []);
    for (const { one, other } of pairs) {
      kin[one]!.push(other);
      kin[other]!.push(one);
    }
    const groups = chains ? joined(kin) : families(kin);
    const sizes = new Map<number, number>();
    for (const group of groups) sizes.set(group, (sizes.get(group) ?? 0) + 1);
    if (Math.max(...sizes.values()) > largest && step < SIMILARITIES.length - 1) continue;
    return { groups, kin };
  }
  return { groups: [...rows.keys()], kin: rows.map(() => []) };
}

function joined(kin: readonly (readonly number[])[]): readonly number[] {
  const sets = new DisjointSets(kin.length);
  for (const [row, own] of kin.entries()) for (const other of own) sets.join(row, other);
  return [...sets.roots()];
}

/** The row with most kin and all of them, then of the rest the one with most, and so on. */
export function families(kin: readonly (readonly number[])[]): readonly number[] {
  const groups = kin.map(() => -1);
  const order = [...kin.keys()].toSorted((one, other) => kin[other]!.length - kin[one]!.length);
  for (const row of order) {
    if (groups[row] !== -1) continue;
    for (const own of [row, ...kin[row]!]) if (groups[own] === -1) groups[own] = row;
  }
  return groups;
}

/** Of each row its fold: whole groups, the largest first, each to the fold with fewest rows. */
export function foldsOf(groups: readonly number[], folds: number): readonly number[] {
  const members = new Map<number, number[]>();
  for (const [row, group] of groups.entries()) members.set(group, [...(members.get(group) ?? []), row]);
  const filled = Array.from({ length: folds }, () => 0);
  const foldOf = groups.map(() => 0);
  for (const rows of [...members.values()].toSorted((one, other) => other.length - one.length)) {
    const fold = filled.indexOf(Math.min(...filled));
    filled[fold]! += rows.length;
    for (const row of rows) foldOf[row] = fold;
  }
  return foldOf;
}

/** Of each row with each, after the mean is taken off: [rows, rows]. 0 of one that is the mean. */
async function allCosines(rows: readonly Float32Array[]): Promise<Float64Array> {
  const columns = rows[0]?.length ?? 0;
  const mean = new Float64Array(columns);
  for (const row of rows) for (let at = 0; at < columns; at++) mean[at]! += row[at]! / rows.length;
  const values = new Float64Array(rows.length * columns);
  for (const [place, row] of rows.entries()) {
    const centred = values.subarray(place * columns, (place + 1) * columns);
    let squares = 0;
    for (let at = 0; at < columns; at++) squares += (centred[at] = row[at]! - mean[at]!) ** 2;
    if (squares > 0) for (let at = 0; at < columns; at++) centred[at]! /= Math.sqrt(squares);
  }
  const matrix = { values, rows: rows.length, columns };
  const products = await MatrixProducts.load();
  try {
    return await products.timesTransposed(matrix, matrix);
  } finally {
    await products.release();
  }
}

/**
 * Fisher's linear discriminant between two sides of rows, which count alike however many rows each has: towards the mean of the
 * one, measured by the spread within (Fisher, Annals of Eugenics 1936), the spread shrunk towards one that is alike in all directions
 * (Friedman, Regularized Discriminant Analysis, JASA 1989). Side 1 may be a mixture of rows like those of side 0 and of others: what is taken for
 * side 0 at first counts as side 0 the second time, so that the direction is towards the others (a round of self-training; Scudder,
 * IEEE Transactions on Information Theory 1965). Pure.
 */
import { choleskyOf, solveLower, solveUpper } from './cholesky.ts';

/** Weight of the even spread beside the measured one. */
const SHRINKAGE = 1;
/** Of fewer no mean is worth to be called one. */
const FEWEST_OTHERS = 4;

/** A row of a side, which is 0 or 1. */
export interface Sided {
  readonly features: Float64Array;
  readonly side: number;
}

/** Of a row how much more it looks like side 1; below 0 it is taken for one of side 0. Both sides have rows. */
export function discriminant(rows: readonly Sided[]): (features: Float64Array) => number {
  const first = cutBy(towards(rows), rows);
  const others = rows.map(({ features, side }) => ({ features, side: Number(side === 1 && first(features) > 0) }));
  const left = others.filter(({ side }) => side === 1).length;
  return left < FEWEST_OTHERS ? first : cutBy(towards(others), rows);
}

function cutBy(direction: Float64Array, rows: readonly Sided[]): (features: Float64Array) => number {
  const cut = bestCut(rows.map(({ features, side }) => ({ side, along: dot(direction, features) })));
  return (features) => dot(direction, features) - cut;
}

function towards(rows: readonly Sided[]): Float64Array {
  const size = rows[0]!.features.length;
  const sides = [0, 1].map((side) => rows.filter((row) => row.side === side));
  const means = sides.map((own) => {
    const mean = new Float64Array(size);
    for (const { features } of own) for (let at = 0; at < size; at++) mean[at]! += features[at]! / own.length;
    return mean;
  });
  const spread = new Float64Array(size * size);
  for (const [side, own] of sides.entries()) {
    for (const { features } of own) {
      const off = features.map((value, at) => value - means[side]![at]!);
      for (let one = 0; one < size; one++) {
        for (let other = 0; other <= one; other++)
          spread[one * size + other]! += (off[one]! * off[other]!) / own.length / 2;
      }
    }
  }
  let even = 0;
  for (let at = 0; at < size; at++) even += spread[at * size + at]! / size;
  // Where nothing varies at all any number will do.
  for (let at = 0; at < size; at++) spread[at * size + at]! += SHRINKAGE * even || 1;
  return solve(
    spread,
    means[1]!.map((value, at) => value - means[0]![at]!),
  );
}

/**
 * Where side 1 exceeds side 0 by the largest share of each. Of a side 1 that is a mixture this lies beyond the middle between the
 * means: what is like side 0 is most of it.
 */
function bestCut(rows: readonly { readonly side: number; readonly along: number }[]): number {
  const second = rows.filter(({ side }) => side === 1).length;
  const sorted = rows.toSorted((one, other) => other.along - one.along);
  let [beyond, most, cut] = [0, -Infinity, 0];
  for (const [at, { side, along }] of sorted.entries()) {
    beyond += side === 1 ? 1 / second : -1 / (rows.length - second);
    const next = sorted[at + 1];
    if (next === undefined || beyond <= most || next.along === along) continue;
    [most, cut] = [beyond, (along + next.along) / 2];
  }
  return cut;
}

/** x of spread · x = right; of the spread the lower half is read. */
function solve(spread: Float64Array, right: Float64Array): Float64Array {
  const lower = choleskyOf(spread, right.length);
  solveLower(lower, right);
  solveUpper(lower, right);
  return right;
}

function dot(one: Float64Array, other: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < one.length; at++) sum += one[at]! * other[at]!;
  return sum;
}

/**
 * What a regression that never saw some rows tells of them, whichever they are, from one fit of all: rows with the same word
 * must not speak for each other, and a fit a word would cost too much.
 */
import { MatrixProducts } from '../../../inference/matrix-product.ts';
import { choleskyOf, solveLower, solveUpper } from '../cholesky.ts';
import { timeSlice } from '../time-slice.ts';
import type { EmbeddedSets } from './label-signal.ts';

/** Of rows that are left out together: how likely the rest makes each label, row-major [rows, labels]. No chances: it may lie somewhat beyond 0 and 1. */
export type ToldWithout = (rows: readonly number[]) => Float64Array;

/**
 * Ridge regression of 0 and 1 on standardised embeddings, the bias unpenalised. Left out, rows are told y − (I − H)⁻¹ (y − f): f is
 * what the fit of all tells them, H their part of its hat matrix (Allen, Technometrics 16, 1974, of one row; Cook and Weisberg,
 * Residuals and Influence in Regression, 1982, of several). Its penalty is that of a logistic probe of a label where that doubts:
 * there a row weighs a quarter, and `l2` half, for it is of two classes.
 */
export async function ridgeWithout(
  { embeddings, targets }: EmbeddedSets,
  asked: { readonly dimension: number; readonly labels: number; readonly l2: number; readonly signal?: AbortSignal },
): Promise<ToldWithout> {
  const { dimension, labels, l2, signal } = asked;
  const pause = timeSlice(signal);
  const count = targets.length / labels;
  const width = dimension + 1;
  const features = standardisedWithBias(embeddings, dimension);
  const rowOf = (row: number): Float64Array => features.subarray(row * width, (row + 1) * width);
  const products = await MatrixProducts.load();
  let fitted: Float64Array;
  try {
    const known = { values: features, rows: count, columns: width };
    const square = await products.transposedTimes(known, known);
    for (let at = 0; at < dimension; at++) square[at * width + at]! += 2 * l2;
    const root = choleskyOf(square, width);
    // From here on the products of rows are the hat matrix.
    for (let row = 0; row < count; row++) {
      solveLower(root, rowOf(row));
      await pause();
    }
    const sets = { values: Float64Array.from(targets), rows: count, columns: labels };
    const slopes = await products.transposedTimes(sets, known);
    fitted = await products.timesTransposed(known, { values: slopes, rows: labels, columns: width });
  } finally {
    await products.release();
  }
  return (rows) => {
    const many = rows.length;
    const rest = new Float64Array(many * many);
    for (const [a, row] of rows.entries())
      for (let b = 0; b <= a; b++) rest[a * many + b] = Number(a === b) - product(rowOf(row), rowOf(rows[b]!));
    const root = choleskyOf(rest, many);
    const told = new Float64Array(many * labels);
    for (let label = 0; label < labels; label++) {
      const missed = Float64Array.from(rows, (row) => targets[row * labels + label]! - fitted[row * labels + label]!);
      solveLower(root, missed);
      solveUpper(root, missed);
      for (const [at, row] of rows.entries()) told[at * labels + label] = targets[row * labels + label]! - missed[at]!;
    }
    return told;
  };
}

/** Row-major [rows, dimension + 1], a 1 last. What never varies is 0. */
function standardisedWithBias(embeddings: Float32Array, dimension: number): Float64Array {
  const rows = embeddings.length / dimension;
  const width = dimension + 1;
  const features = new Float64Array(rows * width).fill(1);
  for (let at = 0; at < dimension; at++) {
    let [sum, squares] = [0, 0];
    for (let row = 0; row < rows; row++) sum += embeddings[row * dimension + at]!;
    const mean = sum / rows;
    for (let row = 0; row < rows; row++) squares += (embeddings[row * dimension + at]! - mean) ** 2;
    const deviation = Math.sqrt(squares / rows);
    for (let row = 0; row < rows; row++)
      features[row * width + at] = deviation > 1e-9 ? (embeddings[row * dimension + at]! - mean) / deviation : 0;
  }
  return features;
}

function product(left: Float64Array, right: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < left.length; at++) sum += left[at]! * right[at]!;
  return sum;
}

/**
 * The directions in which rows differ most (principal components; of counts of words, latent semantic analysis: Deerwester et al.,
 * JASIS 1990), by randomised subspace iteration (Halko, Martinsson & Tropp, SIAM Review 53(2), 2011). Rows of two kinds that differ
 * in much lie apart along the first few, whatever else there is, so that few rows are enough to tell them by.
 */
import { MatrixProducts, type Matrix } from '../../inference/matrix-product.ts';
import type { Random } from './random.ts';
import { timeSlice } from './time-slice.ts';

/** Directions beyond those asked for: they take the error of the last ones. */
const SPARE = 6;
const ROUNDS = 6;

/** Of each row its places along the `count` first components, or as many as rows and dimensions have room for. */
export async function principalPlaces(
  rows: readonly Float32Array[],
  count: number,
  random: Random,
  signal?: AbortSignal,
): Promise<readonly Float64Array[]> {
  const slice = timeSlice(signal);
  const dimension = rows[0]?.length ?? 0;
  const centred = centre(rows, dimension);
  const asked = Math.min(count + SPARE, rows.length, dimension);
  const kept = Math.min(count, asked);
  const start = Float64Array.from({ length: asked * dimension }, () => random.normal());
  let basis: Matrix = orthonormal({ values: start, rows: asked, columns: dimension });
  const products = await MatrixProducts.load();
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const places = await products.timesTransposed(centred, basis);
      const turned = await products.transposedTimes({ values: places, rows: rows.length, columns: asked }, centred);
      basis = orthonormal({ values: turned, rows: asked, columns: dimension });
      await slice();
    }
    const places = await products.timesTransposed(centred, basis);
    return rows.map((_, row) => places.slice(row * asked, row * asked + kept));
  } finally {
    await products.release();
  }
}

function centre(rows: readonly Float32Array[], dimension: number): Matrix {
  const mean = new Float64Array(dimension);
  for (const row of rows) for (let at = 0; at < dimension; at++) mean[at]! += row[at]! / rows.length;
  const values = new Float64Array(rows.length * dimension);
  for (const [place, row] of rows.entries()) {
    for (let at = 0; at < dimension; at++) values[place * dimension + at] = row[at]! - mean[at]!;
  }
  return { values, rows: rows.length, columns: dimension };
}

/** Rows of length 1 at right angles, in place (modified Gram–Schmidt); one that adds nothing to those before it becomes 0. */
function orthonormal(matrix: Matrix): Matrix {
  const { values, rows, columns } = matrix;
  const rowOf = (row: number): Float64Array => values.subarray(row * columns, (row + 1) * columns);
  for (let row = 0; row < rows; row++) {
    const own = rowOf(row);
    const before = Math.hypot(...own);
    for (let other = 0; other < row; other++) {
      const done = rowOf(other);
      const shared = own.reduce((sum, value, at) => sum + value * done[at]!, 0);
      for (let at = 0; at < columns; at++) own[at]! -= shared * done[at]!;
    }
    const length = Math.hypot(...own);
    for (let at = 0; at < columns; at++) own[at] = length > 1e-9 * before ? own[at]! / length : 0;
  }
  return matrix;
}

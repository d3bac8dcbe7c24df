/** Cholesky's factor of a symmetric positive definite matrix, and the two triangular systems that it leaves. Pure. */

/** What rounding leaves of a pivot that should be positive. */
const LEAST_PIVOT = 1e-12;

/** The lower triangle L of LLᵀ, row-major [width, width]; of `square` only the lower triangle is read. */
export function choleskyOf(square: Float64Array, width: number): Float64Array {
  const lower = new Float64Array(width * width);
  for (let row = 0; row < width; row++) {
    for (let column = 0; column <= row; column++) {
      let left = square[row * width + column]!;
      for (let at = 0; at < column; at++) left -= lower[row * width + at]! * lower[column * width + at]!;
      lower[row * width + column] =
        row === column ? Math.sqrt(Math.max(LEAST_PIVOT, left)) : left / lower[column * width + column]!;
    }
  }
  return lower;
}

/** L⁻¹ b, in the place of b. */
export function solveLower(lower: Float64Array, vector: Float64Array): void {
  const width = vector.length;
  for (let row = 0; row < width; row++) {
    let left = vector[row]!;
    for (let at = 0; at < row; at++) left -= lower[row * width + at]! * vector[at]!;
    vector[row] = left / lower[row * width + row]!;
  }
}

/** L⁻ᵀ b, in the place of b. */
export function solveUpper(lower: Float64Array, vector: Float64Array): void {
  const width = vector.length;
  for (let row = width - 1; row >= 0; row--) {
    let left = vector[row]!;
    for (let at = row + 1; at < width; at++) left -= lower[at * width + row]! * vector[at]!;
    vector[row] = left / lower[row * width + row]!;
  }
}

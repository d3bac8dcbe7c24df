/**
 * A symmetric matrix to tridiagonal form by Householder reflections (Golub & Van Loan, Matrix Computations, 8.3.1), and
 * what then costs only its size: solving, determinant and the trace of the inverse of T + shift · I.
 */

/** T = Qᵀ A Q, and Qᵀ times each of the vectors. `side[i]` couples i and i + 1. */
export interface Tridiagonal {
  readonly diagonal: Float64Array;
  readonly side: Float64Array;
  readonly vectors: readonly Float64Array[];
}

/**
 * 4/3 · size³ operations. `matrix` row-major [size, size], of which what lies on and above the diagonal is read, and the vectors
 * are overwritten; `pause` lets the event loop in.
 */
export async function tridiagonalise(
  matrix: Float64Array,
  vectors: readonly Float64Array[],
  pause: () => Promise<void> | undefined,
): Promise<Tridiagonal> {
  const size = Math.sqrt(matrix.length);
  const side = new Float64Array(Math.max(0, size - 1));
  const image = new Float64Array(size);
  for (let step = 0; step + 1 < size; step++) {
    const first = step + 1;
    // Row and column are one: half of the matrix is enough, and of a row the memory lies together.
    const mirror = matrix.slice(step * size, (step + 1) * size);
    const norm = Math.sqrt(dot(mirror, mirror, first));
    const head = mirror[first]!;
    side[step] = head > 0 ? -norm : norm;
    if (norm === 0) continue;
    mirror[first] = head - side[step]!;
    const scale = 2 / dot(mirror, mirror, first);
    image.fill(0, first);
    for (let row = first; row < size; row++) {
      const [across, start] = [mirror[row]!, row * size];
      let sum = matrix[start + row]! * across;
      for (let at = row + 1; at < size; at++) {
        const value = matrix[start + at]!;
        sum += value * mirror[at]!;
        image[at]! += value * across;
      }
      image[row]! += sum;
      await pause();
    }
    for (let row = first; row < size; row++) image[row]! *= scale;
    const back = (scale / 2) * dot(image, mirror, first);
    for (let row = first; row < size; row++) image[row]! -= back * mirror[row]!;
    for (let row = first; row < size; row++) {
      const [left, right, start] = [mirror[row]!, image[row]!, row * size];
      for (let at = row; at < size; at++) matrix[start + at]! -= left * image[at]! + right * mirror[at]!;
      await pause();
    }
    for (const vector of vectors) {
      const along = scale * dot(vector, mirror, first);
      for (let at = first; at < size; at++) vector[at]! -= along * mirror[at]!;
    }
  }
  const diagonal = Float64Array.from({ length: size }, (_, at) => matrix[at * size + at]!);
  return { diagonal, side, vectors };
}

export interface Shifted {
  /** (T + shift · I)⁻¹ · vector. */
  readonly solution: Float64Array;
  readonly logDeterminant: number;
  /** Trace of the inverse. */
  readonly inverseTrace: number;
}

/** T + shift · I must be positive definite. */
export function shifted({ diagonal, side }: Tridiagonal, shift: number, vector: Float64Array): Shifted {
  const size = diagonal.length;
  // Pivots of the elimination from the top and from the bottom; their meeting gives the diagonal of the inverse.
  const down = new Float64Array(size);
  const up = new Float64Array(size);
  for (let at = 0; at < size; at++)
    down[at] = diagonal[at]! + shift - (at === 0 ? 0 : side[at - 1]! ** 2 / down[at - 1]!);
  for (let at = size - 1; at >= 0; at--)
    up[at] = diagonal[at]! + shift - (at === size - 1 ? 0 : side[at]! ** 2 / up[at + 1]!);
  const solution = Float64Array.from(vector);
  let logDeterminant = 0;
  let inverseTrace = 0;
  for (let at = 0; at < size; at++) {
    logDeterminant += Math.log(down[at]!);
    inverseTrace += 1 / (down[at]! + up[at]! - diagonal[at]! - shift);
    if (at > 0) solution[at]! -= (side[at - 1]! / down[at - 1]!) * solution[at - 1]!;
  }
  for (let at = size - 1; at >= 0; at--) {
    const below = at === size - 1 ? 0 : side[at]! * solution[at + 1]!;
    solution[at] = (solution[at]! - below) / down[at]!;
  }
  return { solution, logDeterminant, inverseTrace };
}

/** vectorᵀ · T · vector. */
export function quadratic({ diagonal, side }: Tridiagonal, vector: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < vector.length; at++) {
    const beside = at === 0 ? 0 : 2 * side[at - 1]! * vector[at - 1]!;
    sum += vector[at]! * (diagonal[at]! * vector[at]! + beside);
  }
  return sum;
}

/** From `first` on. */
export function dot(left: Float64Array, right: Float64Array, first = 0): number {
  let sum = 0;
  for (let at = first; at < left.length; at++) sum += left[at]! * right[at]!;
  return sum;
}

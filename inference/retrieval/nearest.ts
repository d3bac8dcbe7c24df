/**
 * Exact search by cosine similarity. Vectors are row-major float32 [rows, dimension] of length 1; their products are summed in
 * float64 and in order, so that every machine gives the same numbers, and of equally near rows the earlier comes first.
 */

export interface Neighbour {
  readonly row: number;
  /** Cosine, −1 … 1. */
  readonly similarity: number;
}

export interface NearestOptions {
  readonly dimension: number;
  readonly k: number;
  /** A row that is no answer: the one that asks. */
  readonly except?: number;
  readonly signal?: AbortSignal;
}

/** Products after which others get a turn: some 10 ms. */
const PRODUCTS_A_TURN = 2 ** 23;

/** Rows scaled to length 1; a row of zeros has no direction and stays, as near to one as to another. */
export function toUnitLength(vectors: Float32Array, dimension: number): Float32Array {
  const scaled = new Float32Array(vectors.length);
  for (let start = 0; start < vectors.length; start += dimension) {
    // Scaled first: the squares of large and of tiny numbers leave the range of floats.
    let largest = 0;
    for (let at = start; at < start + dimension; at++) largest = Math.max(largest, Math.abs(vectors[at]!));
    if (largest === 0) continue;
    let sum = 0;
    for (let at = start; at < start + dimension; at++) sum += (vectors[at]! / largest) ** 2;
    const length = Math.sqrt(sum);
    for (let at = start; at < start + dimension; at++) scaled[at] = vectors[at]! / largest / length;
  }
  return scaled;
}

/** Of one row and a query of length 1. */
export function similarityOf(vectors: Float32Array, row: number, query: Float32Array): number {
  const start = row * query.length;
  let sum = 0;
  for (let at = 0; at < query.length; at++) sum += vectors[start + at]! * query[at]!;
  return sum;
}

/** The k nearest rows, the nearest first; fewer where there are fewer. O(rows × dimension). */
export async function nearestRows(
  vectors: Float32Array,
  query: Float32Array,
  { dimension, k, except, signal }: NearestOptions,
): Promise<Neighbour[]> {
  const rows = vectors.length / dimension;
  const rowsATurn = Math.max(1, Math.floor(PRODUCTS_A_TURN / dimension));
  const best: Neighbour[] = [];
  for (let row = 0; row < rows; row++) {
    if (row > 0 && row % rowsATurn === 0) {
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
    if (row === except) continue;
    keepNearest(best, k, row, similarityOf(vectors, row, query));
  }
  return best;
}

/** The same of rows whose similarities are known. */
export function nearestOf(
  similarities: Float64Array,
  { k, except }: Pick<NearestOptions, 'k' | 'except'>,
): Neighbour[] {
  const best: Neighbour[] = [];
  for (let row = 0; row < similarities.length; row++) {
    if (row !== except) keepNearest(best, k, row, similarities[row]!);
  }
  return best;
}

/** Puts a row among the k nearest, the nearest first, if it is one; of equally near ones whichever came first. */
export function keepNearest(best: Neighbour[], k: number, row: number, similarity: number): void {
  if (best.length === k && !(similarity > best[k - 1]!.similarity)) return;
  let at = best.length;
  while (at > 0 && best[at - 1]!.similarity < similarity) at--;
  best.splice(at, 0, { row, similarity });
  if (best.length > k) best.pop();
}

/** k-nearest-neighbour classification by cosine similarity (Cover & Hart 1967): what an embedding knows without training. */
import { timeSlice } from '../validation/time-slice.ts';

/** Embeddings row-major [rows, dimension] with the class of each row. */
export interface LabelledEmbeddings {
  readonly embeddings: Float32Array;
  readonly classes: Int32Array;
}

/**
 * The class of every query row: the most frequent among its `neighbours` nearest training rows; a tie goes to the class
 * with the larger summed similarity, then to the lower index. Of equally near rows the earlier counts. O(queries × rows × dimension).
 */
export async function knnPredict(
  train: LabelledEmbeddings,
  queries: Float32Array,
  dimension: number,
  options: { readonly neighbours: number; readonly classes: number; readonly signal?: AbortSignal },
): Promise<Int32Array> {
  const predicted = new Int32Array(queries.length / dimension);
  await eachNearest(train.embeddings, queries, dimension, options, (query, nearest) => {
    predicted[query] = vote(nearest, train.classes, options.classes);
  });
  return predicted;
}

/** The share of a query's nearest training rows that have each label: row-major [queries, labels]. `targets`: [rows, labels]. */
export async function knnShares(
  train: { readonly embeddings: Float32Array; readonly targets: Uint8Array },
  queries: Float32Array,
  dimension: number,
  options: { readonly neighbours: number; readonly labels: number; readonly signal?: AbortSignal },
): Promise<Float32Array> {
  const { labels } = options;
  const shares = new Float32Array((queries.length / dimension) * labels);
  await eachNearest(train.embeddings, queries, dimension, options, (query, { row: rows }) => {
    for (const row of rows) {
      for (let label = 0; label < labels; label++) {
        shares[query * labels + label]! += train.targets[row * labels + label]! / rows.length;
      }
    }
  });
  return shares;
}

async function eachNearest(
  embeddings: Float32Array,
  queries: Float32Array,
  dimension: number,
  options: { readonly neighbours: number; readonly signal?: AbortSignal },
  found: (query: number, nearest: Nearest) => void,
): Promise<void> {
  const rows = embeddings.length / dimension;
  const known = normaliseRows(embeddings, dimension);
  const asked = normaliseRows(queries, dimension);
  const pause = timeSlice(options.signal);
  const k = Math.min(options.neighbours, rows);
  const nearest = { similarity: new Float64Array(k), row: new Int32Array(k) };
  for (let query = 0; query < queries.length / dimension; query++) {
    nearest.similarity.fill(Number.NEGATIVE_INFINITY);
    for (let row = 0; row < rows; row++) {
      let similarity = 0;
      for (let at = 0; at < dimension; at++)
        similarity += asked[query * dimension + at]! * known[row * dimension + at]!;
      if (similarity > nearest.similarity[k - 1]!) insert(nearest, similarity, row);
    }
    found(query, nearest);
    await pause();
  }
}

/** Rows scaled to length 1; a row of zeros stays one. */
export function normaliseRows(embeddings: Float32Array, dimension: number): Float64Array {
  const scaled = Float64Array.from(embeddings);
  for (let start = 0; start < scaled.length; start += dimension) {
    const row = scaled.subarray(start, start + dimension);
    const length = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0));
    if (length > 0) row.forEach((value, at) => (row[at] = value / length));
  }
  return scaled;
}

interface Nearest {
  readonly similarity: Float64Array;
  readonly row: Int32Array;
}

/** Puts a row into the descending list, after rows that are as near. */
function insert(nearest: Nearest, similarity: number, row: number): void {
  let at = nearest.row.length - 1;
  for (; at > 0 && nearest.similarity[at - 1]! < similarity; at--) {
    nearest.similarity[at] = nearest.similarity[at - 1]!;
    nearest.row[at] = nearest.row[at - 1]!;
  }
  nearest.similarity[at] = similarity;
  nearest.row[at] = row;
}

function vote(nearest: Nearest, classes: Int32Array, count: number): number {
  const votes = new Int32Array(count);
  const weight = new Float64Array(count);
  nearest.row.forEach((row, at) => {
    votes[classes[row]!]!++;
    weight[classes[row]!]! += nearest.similarity[at]!;
  });
  let best = 0;
  for (let label = 1; label < count; label++) {
    if (votes[label]! > votes[best]! || (votes[label] === votes[best] && weight[label]! > weight[best]!)) best = label;
  }
  return best;
}

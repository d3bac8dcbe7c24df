/** k-nearest-neighbour classification by cosine similarity (Cover & Hart 1967): what an embedding knows without training. */
import { sampleIndices, seededRandom } from '../validation/random.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { rowsInMemory, type EmbeddedRows } from './embedded-rows.ts';

/** Embeddings row-major [rows, dimension] with the class of each row. */
export interface LabelledEmbeddings {
  readonly embeddings: Float32Array;
  readonly classes: Int32Array;
}

/**
 * The class of every query row: the most frequent among its `neighbours` nearest training rows; a tie goes to the class
 * with the larger summed similarity, then to the lower index. Of equally near rows the earlier counts. O(queries × rows × dimension);
 * a block of each is in memory.
 */
export async function knnPredict(
  train: EmbeddedRows,
  queries: EmbeddedRows,
  dimension: number,
  options: { readonly neighbours: number; readonly classes: number; readonly signal?: AbortSignal },
): Promise<Int32Array> {
  const predicted = new Int32Array(queries.classes.length);
  await eachNearest(train, queries, dimension, options, (query, nearest) => {
    predicted[query] = vote(nearest, train.classes, options.classes);
  });
  return predicted;
}

/** Asked of the others at most: as many as the folds of a probe have. */
const MOST_LEFT_OUT = 2000;
/** Rows right of those that were asked, and how many could be: their label has `others` further rows at least, of all. */
export interface LeftOut {
  readonly correct: number;
  readonly rows: number;
  readonly askable: { readonly rows: number; readonly of: number; readonly others: number };
}

/**
 * How many of the training rows, 2,000 at most and drawn by `seed`, the vote of their nearest others has right: leave-one-out (Stone 1974),
 * which needs no further fit of neighbours. Asked are only rows whose label has as
 * many others as vote: one that is left out is missing from its own label alone, and with one row a label the vote is always wrong,
 * with two more than a third of what it has right otherwise is lost (`bench/left-out.ts`). O(asked rows × rows × dimension).
 */
export async function knnLeaveOneOut(
  train: EmbeddedRows,
  dimension: number,
  options: {
    readonly neighbours: number;
    readonly classes: number;
    readonly seed: number;
    readonly signal?: AbortSignal;
  },
): Promise<LeftOut> {
  const others = options.neighbours;
  const ofLabel = new Int32Array(options.classes);
  for (const label of train.classes) ofLabel[label]!++;
  const askable: number[] = [];
  train.classes.forEach((label, row) => {
    if (ofLabel[label]! > others) askable.push(row);
  });
  const asked = { rows: askable.length, of: train.classes.length, others };
  if (askable.length === 0) return { correct: 0, rows: 0, askable: asked };
  const drawn = sampleIndices(askable.length, MOST_LEFT_OUT, seededRandom(options.seed, 3));
  const places = drawn.map((at) => askable[at]!);
  const queries = rowsInMemory(await train.pick(places), dimension);
  let correct = 0;
  await eachNearest(train, queries, dimension, { ...options, places }, (query, nearest) => {
    if (vote(nearest, train.classes, options.classes) === queries.classes[query]) correct++;
  });
  return { correct, rows: places.length, askable: asked };
}

/** The share of a query's nearest training rows that have each label: row-major [queries, labels]. `targets`: [rows, labels]. */
export async function knnShares(
  train: { readonly rows: EmbeddedRows; readonly targets: Uint8Array },
  queries: EmbeddedRows,
  dimension: number,
  options: { readonly neighbours: number; readonly labels: number; readonly signal?: AbortSignal },
): Promise<Float32Array> {
  const { labels } = options;
  const shares = new Float32Array(queries.classes.length * labels);
  await eachNearest(train.rows, queries, dimension, options, (query, { row: rows }) => {
    for (const row of rows) {
      for (let label = 0; label < labels; label++) {
        shares[query * labels + label]! += train.targets[row * labels + label]! / rows.length;
      }
    }
  });
  return shares;
}

/** The known rows pass by once for every block of queries. `places`: where each query stands among the known itself, so that it is none of its own neighbours. */
async function eachNearest(
  known: EmbeddedRows,
  queries: EmbeddedRows,
  dimension: number,
  options: { readonly neighbours: number; readonly places?: readonly number[]; readonly signal?: AbortSignal },
  found: (query: number, nearest: Nearest) => void,
): Promise<void> {
  const pause = timeSlice(options.signal);
  const { places } = options;
  const k = Math.min(options.neighbours, known.classes.length - (places === undefined ? 0 : 1));
  let first = 0;
  for await (const { embeddings, classes } of queries.blocks()) {
    const asked = normaliseRows(embeddings, dimension);
    const nearest = Array.from(classes, (): Nearest => ({
      similarity: new Float64Array(k).fill(Number.NEGATIVE_INFINITY),
      row: new Int32Array(k),
    }));
    let start = 0;
    for await (const block of known.blocks()) {
      const values = normaliseRows(block.embeddings, dimension);
      for (const [query, own] of nearest.entries()) {
        const itself = places?.[first + query] ?? NOBODY;
        lookThrough(values, asked.subarray(query * dimension, (query + 1) * dimension), own, { start, itself });
        await pause();
      }
      start += block.classes.length;
    }
    for (const own of nearest) found(first++, own);
  }
}

const NOBODY = -1;

/** `values`: some known rows, the first of which is the row `start`; the row `itself` is passed over. */
function lookThrough(
  values: Float64Array,
  asked: Float64Array,
  nearest: Nearest,
  { start, itself }: { readonly start: number; readonly itself: number },
): void {
  const dimension = asked.length;
  const last = nearest.row.length - 1;
  for (let row = 0; row < values.length / dimension; row++) {
    if (start + row === itself) continue;
    let similarity = 0;
    for (let at = 0; at < dimension; at++) similarity += asked[at]! * values[row * dimension + at]!;
    if (similarity > nearest.similarity[last]!) insert(nearest, similarity, start + row);
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

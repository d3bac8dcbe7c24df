/** Whether a graph may answer instead of exact search: by what it overlooks of queries that it was not built of. */
import type { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import type { GraphTrial } from '../contract/retrieval.ts';
import type { SearchedGallery } from './gallery.ts';
import { meanScore } from './scores.ts';
import { searchAll } from './similarities.ts';

/**
 * 50,000 rows of 512: exact search takes some 26 ms of one core then (bench/retrieval.ts). Below it a graph wins little beside what the
 * model takes for the picture, costs its building at each start, and may overlook something.
 */
export const EXACT_UP_TO = 50_000 * 512;

/** One in twenty overlooked at most. Shown by 73 queries that miss nothing (Wilson), by more where some do: 500 may miss 3 %. */
export const LEAST_GRAPH_RECALL = 0.95;

const TRIAL_K = 10;
const MOST_QUERIES = 500;

/** Of so many queries every how many-th is asked. */
export function trialStride(rows: number): number {
  return Math.max(1, Math.ceil(rows / MOST_QUERIES));
}

/** Asks both up to 500 queries, evenly taken. `queries`: row-major [rows, dimension]. Without any nothing is shown, and it is refused. */
export async function tryGraph(
  exact: SearchedGallery,
  graph: Pick<EmbeddingIndex, 'search'>,
  queries: Float32Array,
  options: { readonly seed: number; readonly signal: AbortSignal },
): Promise<GraphTrial> {
  const { dimension } = exact;
  const rows = queries.length / dimension;
  const stride = trialStride(rows);
  const asked: { readonly embedding: Float32Array; readonly k: number }[] = [];
  for (let row = 0; row < rows; row += stride) {
    asked.push({ embedding: queries.subarray(row * dimension, (row + 1) * dimension), k: TRIAL_K });
  }
  const shares: number[] = [];
  for (const [query, wanted] of (await searchAll(exact, asked, options.signal)).entries()) {
    const found = await graph.search(asked[query]!.embedding, { k: TRIAL_K, signal: options.signal });
    const least = wanted.at(-1)!.similarity;
    // Of equally near rows one is as right as another.
    shares.push(found.filter(({ similarity }) => similarity >= least).length / wanted.length);
  }
  const recall = await meanScore(shares, options);
  const accepted = recall.interval !== null && recall.interval.low >= LEAST_GRAPH_RECALL;
  return { recall, k: TRIAL_K, bound: LEAST_GRAPH_RECALL, accepted };
}

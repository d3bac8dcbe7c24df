/**
 * How near queries are to every entry of a gallery whose vectors lie in a file. They are read once for as many queries as there is
 * room for: 64 MB of similarities, whatever the gallery; the same numbers as of vectors in memory, to the last bit.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import type { Match } from '../../inference/retrieval/embedding-index.ts';
import { keepNearest, similarityOf, toUnitLength, type Neighbour } from '../../inference/retrieval/nearest.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { matchOf, type Gallery, type SearchedGallery } from './gallery.ts';

/** Similarities that are held: 838 queries of a gallery of 10,000, eight of a million. */
const HELD = 2 ** 23;

/** Queries that are asked in one pass over so many vectors: one at least. */
export function queriesAPass(rows: number): number {
  return Math.max(1, Math.floor(HELD / rows));
}

export interface Queries {
  readonly rows: number;
  /** Row-major [rows, dimension], of any length. */
  readonly embeddings: Float32Array;
}

/** Of each query, in order, with every entry, in the gallery's order; they stand until the next is asked for. Throws BadModel for a query that does not fit. */
export async function* similarityRows(
  { rows: gallery, dimension }: Omit<Gallery, 'ids'>,
  queries: Queries,
  signal: AbortSignal,
): AsyncGenerator<Float64Array> {
  const asking = unitQueries(queries, dimension);
  const rows = gallery.classes.length;
  const aPass = Math.min(queriesAPass(rows), queries.rows);
  const room = new Float64Array(aPass * rows);
  const pause = timeSlice(signal);
  for (let start = 0; start < queries.rows; start += aPass) {
    const end = Math.min(start + aPass, queries.rows);
    let first = 0;
    for await (const { embeddings, classes } of gallery.blocks()) {
      for (let query = start; query < end; query++) {
        const vector = asking.subarray(query * dimension, (query + 1) * dimension);
        const to = (query - start) * rows + first;
        for (let row = 0; row < classes.length; row++) room[to + row] = similarityOf(embeddings, row, vector);
        await pause();
      }
      first += classes.length;
    }
    for (let query = 0; query < end - start; query++) yield room.subarray(query * rows, (query + 1) * rows);
  }
}

/** The `k` nearest entries of each query, found as a server would: by the graph where there is one, else in one pass. Throws BadModel likewise. */
export async function searchAll(
  gallery: SearchedGallery,
  queries: readonly { readonly embedding: Float32Array; readonly k: number }[],
  signal: AbortSignal,
): Promise<readonly (readonly Match[])[]> {
  const { graph, dimension, rows } = gallery;
  const found: Match[][] = [];
  if (graph !== null) {
    for (const { embedding, k } of queries) found.push(await graph.search(embedding, { k, signal }));
    return found;
  }
  const asking = queries.map(({ embedding, k }) => {
    return { vector: unitQueries({ rows: 1, embeddings: embedding }, dimension), k, best: [] as Neighbour[] };
  });
  const pause = timeSlice(signal);
  let first = 0;
  for await (const { embeddings, classes } of rows.blocks()) {
    for (const { vector, k, best } of asking) {
      for (let row = 0; row < classes.length; row++) {
        keepNearest(best, k, first + row, similarityOf(embeddings, row, vector));
      }
      await pause();
    }
    first += classes.length;
  }
  return asking.map(({ best }) => best.map((neighbour) => matchOf(gallery, neighbour)));
}

function unitQueries({ rows, embeddings }: Queries, dimension: number): Float32Array {
  if (embeddings.length !== rows * dimension) {
    throw new EspalierError(
      'BadModel',
      `the gallery has vectors of ${dimension}, a query one of ${embeddings.length / rows}`,
      { where: 'index.json', fix: 'ask with the model that the index was built with' },
    );
  }
  if (embeddings.every(Number.isFinite)) return toUnitLength(embeddings, dimension);
  throw new EspalierError('BadModel', 'the embedding of a query is not finite', {
    where: 'model.onnx',
    fix: 'the weights hold NaN or infinite numbers, or overflow in this precision: use another candidate',
  });
}

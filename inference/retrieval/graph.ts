/**
 * Approximate search by a navigable graph (HNSW: Malkov & Yashunin, PAMI 42(4), 2020) of usearch. The graph is never kept in a file:
 * its reader is native code that trusts what it reads, and its bytes depend on the processor's vector instructions. It is built
 * where it is used, by one thread, so that one machine builds the same one each time.
 */
import type { Index } from 'usearch';
import { similarityOf, type NearestOptions, type Neighbour } from './nearest.ts';

export interface GraphSettings {
  /** Neighbours a node is linked to. */
  readonly connectivity: number;
  /** Candidates that are looked at when a row is added, and when one is asked for. */
  readonly expansionAdd: number;
  readonly expansionSearch: number;
}

/** usearch's own defaults, with twice its candidates in search. Among rows without any structure even so most are overlooked (bench/retrieval.ts). */
export const GRAPH_SETTINGS: GraphSettings = { connectivity: 16, expansionAdd: 128, expansionSearch: 128 };

/** 50 to 150 ms of building, for which nobody else gets a turn. */
const ROWS_A_TURN = 128;

export class NeighbourGraph {
  readonly #index: Index;
  readonly #vectors: Float32Array;

  private constructor(index: Index, vectors: Float32Array) {
    this.#index = index;
    this.#vectors = vectors;
  }

  /** Of rows of length 1. Single-threaded: 20 to 60 seconds for 50,000 rows of 512 (bench/retrieval.ts), at each start of whoever serves it. */
  static async build(
    vectors: Float32Array,
    dimension: number,
    settings: GraphSettings,
    signal?: AbortSignal,
  ): Promise<NeighbourGraph> {
    // Loaded only here: there is no binary of it for every system, and exact search needs none.
    const { Index, MetricKind, ScalarKind } = await import('usearch');
    const index = new Index({
      dimensions: dimension,
      metric: MetricKind.IP,
      quantization: ScalarKind.F32,
      connectivity: settings.connectivity,
      expansion_add: settings.expansionAdd,
      expansion_search: settings.expansionSearch,
      multi: false,
    });
    const rows = vectors.length / dimension;
    for (let start = 0; start < rows; start += ROWS_A_TURN) {
      const end = Math.min(rows, start + ROWS_A_TURN);
      const keys = BigUint64Array.from({ length: end - start }, (_, place) => BigInt(start + place));
      index.add(keys, vectors.subarray(start * dimension, end * dimension), 1);
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
    return new NeighbourGraph(index, vectors);
  }

  /** Like `nearestRows`, but a near row may be overlooked. What is found has the exact search's numbers and order. */
  search(query: Float32Array, { k, except }: Pick<NearestOptions, 'k' | 'except'>): Neighbour[] {
    const asked = Math.min(this.#index.size(), except === undefined ? k : k + 1);
    if (asked === 0) return [];
    return Array.from(this.#index.search(query, asked, 1).keys, Number)
      .filter((row) => row !== except)
      .map((row) => ({ row, similarity: similarityOf(this.#vectors, row, query) }))
      .sort((one, other) => other.similarity - one.similarity || one.row - other.row)
      .slice(0, k);
  }
}

/** A model of pictures and its index, asked as one: files in, neighbours out. */
import { definedOnly } from '../artifacts/defined-only.ts';
import type { Match } from '../inference/retrieval/embedding-index.ts';
import { ModelPool, type PoolOptions } from './pool.ts';
import { Searcher } from './searcher.ts';
import type { VerifiedRetriever } from './verified-model.ts';

export interface Found {
  /** Row-major [pictures, dimension]. */
  readonly embeddings: Float32Array;
  /** Of each picture, the nearest first. */
  readonly matches: readonly (readonly Match[])[];
}

export class Retriever {
  readonly #pool: ModelPool;
  readonly #searcher: Searcher;
  readonly #finding = new Set<Promise<unknown>>();

  private constructor(pool: ModelPool, searcher: Searcher) {
    this.#pool = pool;
    this.#searcher = searcher;
  }

  /**
   * Once the model is loaded and the index can be asked: a graph is built here. Throws BadModel where they do not belong together,
   * the signal's reason once what was begun has ended.
   */
  static async start(
    verified: VerifiedRetriever,
    options: Omit<PoolOptions, 'dimension' | 'classes'>,
  ): Promise<Retriever> {
    const { graph, config } = verified;
    const { dimension } = config;
    const { workers: threads, onRestart, signal } = options;
    const searcher = await Searcher.start(await verified.takeIndex(), {
      threads,
      graph,
      dimension,
      ...definedOnly({ onRestart, signal }),
    });
    try {
      // What a tuned model says of classes is not asked for.
      return new Retriever(await ModelPool.start(verified, { ...options, dimension, classes: 0 }), searcher);
    } catch (error) {
      await searcher.drain();
      throw error;
    }
  }

  /** What is searched. */
  get header(): Searcher['header'] {
    return this.#searcher.header;
  }

  /** Pictures waiting for a worker. */
  get queued(): number {
    return this.#pool.queued;
  }

  /** Live threads, and a crash of one that embeds: for tests of what follows. */
  get threadIds(): readonly number[] {
    return [...this.#pool.threadIds, ...this.#searcher.threadIds];
  }

  crashWorker(): Promise<void> {
    return this.#pool.crashWorker();
  }

  /** The k nearest entries of each picture; fewer where there are fewer. Throws as `ModelPool.run` and `Searcher.search` do. */
  async find(pictures: readonly Uint8Array[], k: number): Promise<Found> {
    const finding = this.#find(pictures, k);
    this.#finding.add(finding);
    try {
      return await finding;
    } finally {
      this.#finding.delete(finding);
    }
  }

  async #find(pictures: readonly Uint8Array[], k: number): Promise<Found> {
    const { embeddings } = await this.#pool.run(pictures);
    return { embeddings, matches: await this.#searcher.search(embeddings, k) };
  }

  /** Answers everything accepted, then unloads both: pictures first, since what they give is still looked up. */
  async drain(): Promise<void> {
    await this.#pool.drain();
    await Promise.allSettled(this.#finding);
    await this.#searcher.drain();
  }
}

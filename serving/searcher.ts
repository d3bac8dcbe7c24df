/**
 * An embedding index on threads of its own: the event loop never computes. The vectors are in memory once, whatever the number of
 * threads: exact search has them in shared memory. A graph cannot be shared, takes long to build and answers in a fraction of a
 * millisecond: it has one thread.
 */
import { Worker } from 'node:worker_threads';
import { EspalierError } from '../artifacts/errors.ts';
import type { Digest } from '../artifacts/reference.ts';
import type { Match } from '../inference/retrieval/embedding-index.ts';
import type { IndexFiles, ParsedIndex } from '../inference/retrieval/index-files.ts';
import {
  indexBuffers,
  type FromSearchThread,
  type Query,
  type SearchOptions,
  type ToSearchThread,
} from './search-messages.ts';
import { endWorker, errorOf, whenEnded, workerEntry } from './worker-thread.ts';

/** Queries that may wait; more is overload, told to the client. */
const MAX_QUEUE = 4096;
const RESTART_DELAY_MS = 1000;

export interface SearcherOptions {
  /** Of exact search. */
  readonly threads: number;
  /** The `model.onnx` whose embeddings ask, and their length: an index of another one is refused. */
  readonly graph: Digest;
  readonly dimension: number;
  readonly onRestart?: (reason: string) => void;
  /** Ends the start: a graph that is being built is given up after the rows that are being added. */
  readonly signal?: AbortSignal;
}

interface Job extends Query {
  resolve(matches: readonly Match[]): void;
  reject(error: Error): void;
}
interface Slot {
  readonly worker: Worker;
  state: 'starting' | 'idle' | 'busy' | 'gone';
  job: Job | undefined;
}

export class Searcher {
  readonly #options: SearcherOptions;
  readonly #slots = new Set<Slot>();
  readonly #queue: Job[] = [];
  readonly #answers = new Set<Promise<unknown>>();
  #index: ParsedIndex | undefined;
  #started = false;
  #draining = false;

  private constructor(options: SearcherOptions) {
    this.#options = options;
  }

  /** Throws BadModel for files that are no index, or one of another model; the signal's reason, once its threads have ended. */
  static async start(files: IndexFiles, options: SearcherOptions): Promise<Searcher> {
    const { signal } = options;
    const searcher = new Searcher(options);
    const giveUp = (): void => void searcher.drain();
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      signal?.throwIfAborted();
      const parsed = await searcher.#spawn({ files });
      requireSameModel(parsed, options, files.where);
      signal?.throwIfAborted();
      searcher.#index = parsed;
      const more = parsed.header.graph === null ? options.threads - 1 : 0;
      await Promise.all(Array.from({ length: more }, () => searcher.#spawn({ parsed })));
      signal?.throwIfAborted();
    } catch (error) {
      await searcher.drain();
      // Threads that were told to end say no more than that they did.
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
    searcher.#started = true;
    return searcher;
  }

  /** What is searched. */
  get header(): Pick<ParsedIndex['header'], 'labels' | 'graph'> & { readonly rows: number } {
    const { labels = [], graph = null, ids = [] } = this.#index?.header ?? {};
    return { labels, graph, rows: ids.length };
  }

  /** Live threads, for tests. */
  get threadIds(): readonly number[] {
    return [...this.#slots].map(({ worker }) => worker.threadId);
  }

  /** Lets one thread crash: for tests of what follows. */
  async crashThread(): Promise<void> {
    for (const slot of this.#slots) return endWorker(slot.worker, 'crash' satisfies ToSearchThread);
  }

  /**
   * The k nearest entries of each embedding, the nearest first; fewer where there are fewer. Throws Conflict when too much waits
   * already, BadModel for an embedding that is no direction, Internal when the thread failed.
   */
  async search(embeddings: Float32Array, k: number): Promise<readonly (readonly Match[])[]> {
    if (this.#draining) throw new EspalierError('Internal', 'this index is being unloaded');
    const { dimension } = this.#options;
    const rows = embeddings.length / dimension;
    if (this.#queue.length + rows > MAX_QUEUE) {
      throw new EspalierError('Conflict', `${this.#queue.length} searches wait already`, { fix: 'try again later' });
    }
    const answers = Array.from({ length: rows }, (_, row) => {
      const embedding = embeddings.slice(row * dimension, (row + 1) * dimension);
      return new Promise<readonly Match[]>((resolve, reject) => this.#queue.push({ embedding, k, resolve, reject }));
    });
    const answer = Promise.all(answers);
    this.#answers.add(answer);
    this.#dispatch();
    try {
      return await answer;
    } finally {
      this.#answers.delete(answer);
    }
  }

  /** Answers everything accepted, then ends the threads. */
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#slots.size === 0) this.#failQueue(new EspalierError('Internal', 'this index is being unloaded'));
    await Promise.allSettled(this.#answers);
    await Promise.all([...this.#slots].map(({ worker }) => endWorker(worker, 'release' satisfies ToSearchThread)));
  }

  /** Gives the index back as the thread has it, once it can be asked. */
  #spawn(options: SearchOptions): Promise<ParsedIndex> {
    const worker = new Worker(workerEntry('search-thread'), {
      workerData: options,
      transferList: 'files' in options ? indexBuffers(options.files) : [],
      name: 'espalier-search',
    });
    const slot: Slot = { worker, state: 'starting', job: undefined };
    this.#slots.add(slot);
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromSearchThread) => {
        if (message.type === 'ready') resolve(message.parsed);
        else if (message.type === 'found') slot.job?.resolve(message.matches);
        else slot.job?.reject(errorOf(message.error));
        slot.state = 'idle';
        slot.job = undefined;
        this.#dispatch();
      });
      whenEnded(worker, 'a thread that searches', (error) => {
        reject(error);
        this.#lost(slot, error);
      });
    });
  }

  /** A thread is gone: its query fails (it may be the cause), what waits is asked of the one that takes its place. */
  #lost(slot: Slot, error: Error): void {
    const wasUp = slot.state !== 'starting';
    slot.state = 'gone';
    this.#slots.delete(slot);
    slot.job?.reject(error);
    if (this.#draining) {
      if (this.#slots.size === 0) this.#failQueue(error);
      return;
    }
    if (!this.#started) return;
    this.#options.onRestart?.(error.message);
    if (wasUp) return this.#respawn();
    if (this.#slots.size === 0) this.#failQueue(error);
    setTimeout(() => this.#respawn(), RESTART_DELAY_MS).unref();
  }

  /** Of what is in memory: the disk is not asked again. Its end, whatever it is, is heard by the worker's own listeners. */
  #respawn(): void {
    if (this.#draining || this.#index === undefined) return;
    this.#spawn({ parsed: this.#index }).catch(() => undefined);
  }

  #failQueue(error: Error): void {
    for (const job of this.#queue.splice(0)) job.reject(error);
  }

  #dispatch(): void {
    for (const slot of this.#slots) {
      if (slot.state !== 'idle') continue;
      const job = this.#queue.shift();
      if (job === undefined) return;
      slot.state = 'busy';
      slot.job = job;
      const { embedding, k } = job;
      slot.worker.postMessage({ embedding, k } satisfies ToSearchThread, [embedding.buffer as ArrayBuffer]);
    }
  }
}

function requireSameModel({ header }: ParsedIndex, { graph, dimension }: SearcherOptions, where: string): void {
  const bad = (message: string): EspalierError =>
    new EspalierError('BadModel', message, {
      where,
      fix: 'build the index with the model that is served, and package both',
    });
  if (header.model !== graph) {
    throw bad(`the index was built with ${header.model}, but the model is ${graph}: their numbers cannot be compared`);
  }
  if (header.dimension !== dimension) {
    throw bad(`the index has vectors of ${header.dimension}, the model embeds in ${dimension}`);
  }
}

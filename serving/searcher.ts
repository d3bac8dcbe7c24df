/**
 * An embedding index on threads of its own: the event loop never computes. The vectors are in memory once, whatever the number of
 * threads: exact search has them in shared memory. A graph cannot be shared, takes long to build and answers in a fraction of a
 * millisecond: it has one thread.
 */
import { EspalierError } from '../artifacts/errors.ts';
import type { Digest } from '../artifacts/reference.ts';
import type { Match } from '../inference/retrieval/embedding-index.ts';
import type { IndexFiles, ParsedIndex } from '../inference/retrieval/index-files.ts';
import { Crew, type Member } from './crew.ts';
import {
  indexBuffers,
  type Found,
  type Parsed,
  type Query,
  type SearchOptions,
  type ToSearchThread,
} from './search-messages.ts';
import { errorOf } from './worker-thread.ts';

/** Queries that may wait; more is overload, told to the client. */
const MAX_QUEUE = 4096;

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

export class Searcher {
  readonly #options: SearcherOptions;
  readonly #crew: Crew<SearchOptions, Parsed, Found, Job | undefined>;
  readonly #queue: Job[] = [];
  #index: ParsedIndex | undefined;

  private constructor(options: SearcherOptions) {
    this.#options = options;
    this.#crew = new Crew<SearchOptions, Parsed, Found, Job | undefined>({
      entry: 'search-thread',
      name: 'espalier-search',
      what: 'a thread that searches',
      unloaded: 'this index',
      onRestart: options.onRestart,
      // Of what is in memory: the disk is not asked again. No thread is replaced before the first has read it.
      take: async () => ({ parsed: this.#index! }),
      give: (taken) => ({
        workerData: taken,
        transferList: 'files' in taken ? indexBuffers(taken.files) : [],
      }),
      idle: () => undefined,
      dispatch: () => this.#dispatch(),
      hear: (member, found) => this.#hear(member, found),
      lost: (job, error) => job?.reject(error),
      stranded: (error) => {
        for (const job of this.#queue.splice(0)) job.reject(error);
      },
    });
  }

  /** Throws BadModel for files that are no index, or one of another model; the signal's reason, once its threads have ended. */
  static async start(files: IndexFiles, options: SearcherOptions): Promise<Searcher> {
    const { signal } = options;
    const searcher = new Searcher(options);
    const crew = searcher.#crew;
    const giveUp = (): void => void crew.end();
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      signal?.throwIfAborted();
      const { parsed } = await crew.start({ files });
      requireSameModel(parsed, options, files.where);
      signal?.throwIfAborted();
      searcher.#index = parsed;
      const more = parsed.header.graph === null ? options.threads - 1 : 0;
      await Promise.all(Array.from({ length: more }, () => crew.start({ parsed })));
      signal?.throwIfAborted();
    } catch (error) {
      await crew.end();
      // Threads that were told to end say no more than that they did.
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', giveUp);
    }
    crew.complete();
    return searcher;
  }

  /** What is searched. */
  get header(): Pick<ParsedIndex['header'], 'labels' | 'graph'> & { readonly rows: number } {
    const { labels = [], graph = null, ids = [] } = this.#index?.header ?? {};
    return { labels, graph, rows: ids.length };
  }

  /** Live threads, for tests. */
  get threadIds(): readonly number[] {
    return this.#crew.threadIds;
  }

  /** Lets one thread crash: for tests of what follows. */
  crashThread(): Promise<void> {
    return this.#crew.crash();
  }

  /**
   * The k nearest entries of each embedding, the nearest first; fewer where there are fewer. Throws Conflict when too much waits
   * already, BadModel for an embedding that is no direction, Internal when the thread failed.
   */
  async search(embeddings: Float32Array, k: number): Promise<readonly (readonly Match[])[]> {
    if (this.#crew.ending) throw new EspalierError('Internal', 'this index is being unloaded');
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
    this.#crew.accept(answer);
    this.#dispatch();
    return answer;
  }

  /** Answers everything accepted, then ends the threads. */
  drain(): Promise<void> {
    return this.#crew.end();
  }

  #hear(member: Member<Job | undefined>, message: Found): void {
    if (message.type === 'found') member.work?.resolve(message.matches);
    else member.work?.reject(errorOf(message.error));
    member.work = undefined;
  }

  #dispatch(): void {
    for (const member of this.#crew.up) {
      if (member.work !== undefined) continue;
      const job = this.#queue.shift();
      if (job === undefined) return;
      member.work = job;
      const { embedding, k } = job;
      member.worker.postMessage({ embedding, k } satisfies ToSearchThread, [embedding.buffer as ArrayBuffer]);
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

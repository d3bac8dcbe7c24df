/**
 * One generator on worker threads. A worker has several generations under way, which take turns a token each; what is
 * more waits in line, and what would wait behind too many is refused: told to the client instead of growing without end.
 */
import { EspalierError } from '../artifacts/errors.ts';
import type { GeneratorFiles } from '../inference/generation/generator.ts';
import type { Completion, Piece } from '../inference/generation/options.ts';
import { MOST_TURNS } from '../inference/workers.ts';
import { Crew, type Member } from './crew.ts';
import {
  generatorBuffers,
  type Generated,
  type GeneratorWorkerOptions,
  type Order,
  type ToGenerator,
} from './generator-messages.ts';
import type { ModelSource } from './verified-model.ts';
import { errorOf } from './worker-thread.ts';

const MAX_WAITING = 64;

export interface GeneratorPoolOptions {
  readonly workers: number;
  readonly onRestart?: (reason: string) => void;
  /** Ends the start, after the worker that is loading: the runtime cannot be interrupted. */
  readonly signal?: AbortSignal;
}

interface Job {
  readonly id: number;
  readonly order: Order;
  onPiece(piece: Piece): void;
  resolve(completion: Completion): void;
  reject(error: unknown): void;
}
/** Those that a worker has under way, by their numbers. */
type Jobs = Map<number, Job>;

export class GeneratorPool {
  readonly #crew: Crew<GeneratorFiles, GeneratorFiles, Generated, Jobs>;
  readonly #waiting: Job[] = [];
  #nextId = 0;

  private constructor(source: ModelSource<GeneratorFiles>, { onRestart }: GeneratorPoolOptions) {
    this.#crew = new Crew({
      entry: 'generator-worker',
      name: 'espalier-generator',
      what: "the generator's worker",
      unloaded: 'this model version',
      onRestart,
      take: () => source.take(),
      give: (files) => ({
        workerData: { files } satisfies GeneratorWorkerOptions,
        transferList: generatorBuffers(files),
      }),
      idle: () => new Map(),
      dispatch: () => this.#dispatch(),
      hear: (member, generated) => this.#hear(member, generated),
      lost: (jobs, error) => {
        for (const job of jobs.values()) job.reject(error);
      },
      stranded: (error) => {
        for (const job of this.#waiting.splice(0)) job.reject(error);
      },
    });
  }

  /** Starts all workers and waits until each has loaded the model; throws what the first failing one said, or the signal's reason. */
  static async start(source: ModelSource<GeneratorFiles>, options: GeneratorPoolOptions): Promise<GeneratorPool> {
    const pool = new GeneratorPool(source, options);
    await pool.#crew.fill(options.workers, options.signal);
    return pool;
  }

  /** Generations that wait for a turn. */
  get queued(): number {
    return this.#waiting.length;
  }

  /** Generations under way. */
  get running(): number {
    return this.#crew.up.reduce((sum, { work }) => sum + work.size, 0);
  }

  /** Live threads, for tests and `ps`. */
  get threadIds(): readonly number[] {
    return this.#crew.threadIds;
  }

  /** Lets one worker crash: for tests of what follows. */
  crashWorker(): Promise<void> {
    return this.#crew.crash();
  }

  /**
   * The pieces as they are written; the return value is the completion. Throws Conflict when too many wait already, what
   * the generator threw, and the signal's reason when it is aborted: the generation ends at its next token.
   */
  async *generate(order: Order, signal: AbortSignal): AsyncGenerator<Piece, Completion, void> {
    signal.throwIfAborted();
    if (this.#crew.ending) throw new EspalierError('Internal', 'this model version is being unloaded');
    if (this.#waiting.length >= MAX_WAITING) {
      throw new EspalierError('Conflict', `${this.#waiting.length} generations wait already`, {
        fix: 'try again later',
      });
    }
    const pieces: Piece[] = [];
    let wake = () => {};
    let finished = false;
    const id = this.#nextId++;
    const answer = new Promise<Completion>((resolve, reject) => {
      const onPiece = (piece: Piece) => {
        pieces.push(piece);
        wake();
      };
      this.#waiting.push({ id, order, onPiece, resolve, reject });
    });
    const settled = () => {
      finished = true;
      wake();
    };
    answer.then(settled, settled);
    this.#crew.accept(answer);
    const cancel = () => this.#cancel(id, signal.reason);
    signal.addEventListener('abort', cancel, { once: true });
    this.#dispatch();
    try {
      for (;;) {
        const piece = pieces.shift();
        if (piece !== undefined) yield piece;
        else if (finished) return await answer;
        else await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      signal.removeEventListener('abort', cancel);
      // Whoever stops listening early wants no more of it.
      this.#cancel(id, new EspalierError('Internal', 'nobody listens to this generation any more'));
    }
  }

  /** Answers everything accepted, then unloads the model and ends the threads. */
  drain(): Promise<void> {
    return this.#crew.end();
  }

  #cancel(id: number, reason: unknown): void {
    const place = this.#waiting.findIndex((job) => job.id === id);
    if (place >= 0) for (const job of this.#waiting.splice(place, 1)) job.reject(reason);
    for (const { worker, work } of this.#crew.up) {
      const job = work.get(id);
      if (job === undefined) continue;
      job.reject(reason);
      worker.postMessage({ type: 'cancel', id } satisfies ToGenerator);
    }
  }

  #dispatch(): void {
    for (;;) {
      const [freest] = this.#crew.up
        .filter(({ work }) => work.size < MOST_TURNS)
        .sort((a, b) => a.work.size - b.work.size);
      const job = freest === undefined ? undefined : this.#waiting.shift();
      if (freest === undefined || job === undefined) return;
      freest.work.set(job.id, job);
      freest.worker.postMessage({ type: 'generate', id: job.id, ...job.order } satisfies ToGenerator);
    }
  }

  #hear({ work: jobs }: Member<Jobs>, message: Generated): void {
    const job = jobs.get(message.id);
    if (message.type === 'piece') return job?.onPiece({ text: message.text, tokens: message.tokens });
    jobs.delete(message.id);
    if (message.type === 'done') job?.resolve(message.completion);
    else job?.reject(errorOf(message.error));
  }
}

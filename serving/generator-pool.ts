/**
 * One generator on worker threads. A worker has several generations under way, which take turns a token each; what is
 * more waits in line, and what would wait behind too many is refused: told to the client instead of growing without end.
 */
import { Worker } from 'node:worker_threads';
import { EspalierError } from '../artifacts/errors.ts';
import type { GeneratorFiles } from '../inference/generation/generator.ts';
import type { Completion, Piece } from '../inference/generation/options.ts';
import {
  generatorBuffers,
  type FromGenerator,
  type GeneratorWorkerOptions,
  type Order,
  type ToGenerator,
} from './generator-messages.ts';
import type { ModelSource } from './verified-model.ts';
import { endWorker, errorOf, whenEnded, workerEntry } from './worker-thread.ts';

/** Generations a worker has under way: each keeps its own cache in memory and slows the others down. */
const TURNS = 4;
const MAX_WAITING = 64;
const RESTART_DELAY_MS = 1000;

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
interface Slot {
  readonly worker: Worker;
  ready: boolean;
  readonly jobs: Map<number, Job>;
}

export class GeneratorPool {
  readonly #source: ModelSource<GeneratorFiles>;
  readonly #options: GeneratorPoolOptions;
  readonly #slots = new Set<Slot>();
  readonly #waiting: Job[] = [];
  readonly #answers = new Set<Promise<Completion>>();
  #nextId = 0;
  #started = false;
  #draining = false;

  private constructor(source: ModelSource<GeneratorFiles>, options: GeneratorPoolOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** Starts all workers and waits until each has loaded the model; throws what the first failing one said, or the signal's reason. */
  static async start(source: ModelSource<GeneratorFiles>, options: GeneratorPoolOptions): Promise<GeneratorPool> {
    const pool = new GeneratorPool(source, options);
    try {
      let files = await source.take();
      for (let count = 0; count < options.workers; count++) {
        options.signal?.throwIfAborted();
        files = await pool.#spawn(files);
      }
      options.signal?.throwIfAborted();
    } catch (error) {
      await pool.drain();
      throw error;
    }
    pool.#started = true;
    return pool;
  }

  /** Generations that wait for a turn. */
  get queued(): number {
    return this.#waiting.length;
  }

  /** Generations under way. */
  get running(): number {
    return [...this.#slots].reduce((sum, { jobs }) => sum + jobs.size, 0);
  }

  /** Live threads, for tests and `ps`. */
  get threadIds(): readonly number[] {
    return [...this.#slots].map(({ worker }) => worker.threadId);
  }

  /** Lets one worker crash: for tests of what follows. */
  async crashWorker(): Promise<void> {
    for (const { worker } of this.#slots) return endWorker(worker, 'crash' satisfies ToGenerator);
  }

  /**
   * The pieces as they are written; the return value is the completion. Throws Conflict when too many wait already, what
   * the generator threw, and the signal's reason when it is aborted: the generation ends at its next token.
   */
  async *generate(order: Order, signal: AbortSignal): AsyncGenerator<Piece, Completion, void> {
    signal.throwIfAborted();
    if (this.#draining) throw new EspalierError('Internal', 'this model version is being unloaded');
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
      this.#answers.delete(answer);
    };
    answer.then(settled, settled);
    this.#answers.add(answer);
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
  async drain(): Promise<void> {
    this.#draining = true;
    if (this.#slots.size === 0)
      this.#failWaiting(new EspalierError('Internal', 'this model version is being unloaded'));
    await Promise.allSettled(this.#answers);
    await Promise.all([...this.#slots].map(({ worker }) => endWorker(worker, 'release' satisfies ToGenerator)));
  }

  #cancel(id: number, reason: unknown): void {
    const place = this.#waiting.findIndex((job) => job.id === id);
    if (place >= 0) for (const job of this.#waiting.splice(place, 1)) job.reject(reason);
    for (const { worker, jobs } of this.#slots) {
      const job = jobs.get(id);
      if (job === undefined) continue;
      job.reject(reason);
      worker.postMessage({ type: 'cancel', id } satisfies ToGenerator);
    }
  }

  #dispatch(): void {
    for (;;) {
      const [slot] = [...this.#slots]
        .filter(({ ready, jobs }) => ready && jobs.size < TURNS)
        .sort((a, b) => a.jobs.size - b.jobs.size);
      const job = slot === undefined ? undefined : this.#waiting.shift();
      if (slot === undefined || job === undefined) return;
      slot.jobs.set(job.id, job);
      slot.worker.postMessage({ type: 'generate', id: job.id, ...job.order } satisfies ToGenerator);
    }
  }

  #hear({ jobs }: Slot, message: Exclude<FromGenerator, { type: 'ready' }>): void {
    const job = jobs.get(message.id);
    if (message.type === 'piece') return job?.onPiece({ text: message.text, tokens: message.tokens });
    jobs.delete(message.id);
    if (message.type === 'done') job?.resolve(message.completion);
    else job?.reject(errorOf(message.error));
    this.#dispatch();
  }

  /** Gives the files back as soon as the worker has loaded them. */
  #spawn(files: GeneratorFiles): Promise<GeneratorFiles> {
    const worker = new Worker(workerEntry('generator-worker'), {
      workerData: { files } satisfies GeneratorWorkerOptions,
      transferList: generatorBuffers(files),
      name: 'espalier-generator',
    });
    const slot: Slot = { worker, ready: false, jobs: new Map() };
    this.#slots.add(slot);
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromGenerator) => {
        if (message.type !== 'ready') return this.#hear(slot, message);
        slot.ready = true;
        resolve(message.files);
        this.#dispatch();
      });
      whenEnded(worker, "the generator's worker", (error) => {
        reject(error);
        this.#lost(slot, error);
      });
    });
  }

  /** A worker is gone: its generations fail (one may be the cause), and a new one takes its place. */
  #lost(slot: Slot, error: Error): void {
    this.#slots.delete(slot);
    for (const job of slot.jobs.values()) job.reject(error);
    if (this.#draining) {
      if (this.#slots.size === 0) this.#failWaiting(error);
      return;
    }
    if (this.#started) this.#respawn(slot.ready ? 0 : RESTART_DELAY_MS, error);
  }

  /** What cannot be read or does not come up is tried again, but not in a tight circle; whoever waits for it is told. */
  #respawn(delayMs: number, error: Error): void {
    this.#options.onRestart?.(error.message);
    if (delayMs > 0 && this.#slots.size === 0) this.#failWaiting(error);
    setTimeout(() => {
      if (this.#draining) return;
      void this.#source
        .take()
        .then(
          (files) => (this.#draining ? undefined : this.#spawn(files)),
          (unread: Error) => this.#respawn(RESTART_DELAY_MS, unread),
        )
        .catch(() => undefined);
    }, delayMs).unref();
  }

  #failWaiting(error: Error): void {
    for (const job of this.#waiting.splice(0)) job.reject(error);
  }
}

/**
 * One model version on worker threads. Batching is greedy: a free worker takes what waits, at once, up to 32 rows; under
 * load batches grow by themselves, without load nothing waits. The event loop never computes, so health checks and
 * drains stay prompt.
 */
import { Worker } from 'node:worker_threads';
import { definedOnly } from '../artifacts/defined-only.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { PictureLimits } from '../inference/image/decode.ts';
import { buffersOf, type FromWorker, type ModelRow, type ToWorker, type WorkerOptions } from './pool-messages.ts';
import type { ClassifierFiles, ModelSource } from './verified-model.ts';
import { endWorker, whenEnded, workerEntry } from './worker-thread.ts';

/** Rows a batch: beyond it throughput no longer grows on a CPU, and the rows behind it wait longer. */
export const MAX_BATCH = 32;
/** Rows that may wait, and their bytes; more is overload, told to the client instead of growing without end. */
const MAX_QUEUE = 4096;
const MAX_QUEUE_BYTES = 256 * 2 ** 20;
const RESTART_DELAY_MS = 1000;

export interface PoolOptions {
  readonly workers: number;
  readonly dimension: number;
  readonly classes: number;
  /** Fewer where a row takes long: a batch of pictures must not keep the next request waiting for seconds. */
  readonly maxBatch?: number;
  /** Of pictures. */
  readonly limits?: PictureLimits;
  readonly onBatch?: (rows: number) => void;
  readonly onRestart?: (reason: string) => void;
  /** Ends the start, after the worker that is loading: the runtime cannot be interrupted. */
  readonly signal?: AbortSignal;
}

export interface PoolOutput {
  /** Row-major [rows, dimension]. */
  readonly embeddings: Float32Array;
  /** Row-major [rows, classes]. */
  readonly probabilities: Float32Array;
}

interface Job {
  readonly rows: readonly ModelRow[];
  readonly output: PoolOutput;
  /** Rows handed to a worker; rows answered. */
  taken: number;
  answered: number;
  resolve(): void;
  reject(error: Error): void;
}
interface Part {
  readonly job: Job;
  readonly from: number;
  readonly rows: number;
}
interface Slot {
  readonly worker: Worker;
  state: 'starting' | 'idle' | 'busy' | 'gone';
  batch: readonly Part[];
}

export class ModelPool {
  readonly #source: ModelSource;
  readonly #options: PoolOptions;
  readonly #slots = new Set<Slot>();
  readonly #queue: Job[] = [];
  readonly #answers = new Set<Promise<PoolOutput>>();
  #queued = 0;
  #heldBytes = 0;
  #started = false;
  #draining = false;

  private constructor(source: ModelSource, options: PoolOptions) {
    this.#source = source;
    this.#options = options;
  }

  /**
   * Starts all workers and waits until each has loaded the model; throws what the first failing one said, or the signal's
   * reason. The model's files are handed from one to the next, so that gigabytes are in memory once besides what the runtime
   * makes of them, and let go of when the last has loaded. `source` is asked for them again when a lost worker is replaced.
   */
  static async start(source: ModelSource, options: PoolOptions): Promise<ModelPool> {
    const pool = new ModelPool(source, options);
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

  /** Rows waiting for a worker. */
  get queued(): number {
    return this.#queued;
  }

  /** Live threads, for tests and `ps`. */
  get threadIds(): readonly number[] {
    return [...this.#slots].map(({ worker }) => worker.threadId);
  }

  /** Lets one worker crash: for tests of what follows. */
  async crashWorker(): Promise<void> {
    for (const slot of this.#slots) return endWorker(slot.worker, 'crash' satisfies ToWorker);
  }

  /**
   * Results in the order of `rows`. Throws Conflict when too much waits already, BadData naming the picture that cannot be
   * decoded, Internal when the worker failed.
   */
  async run(rows: readonly ModelRow[]): Promise<PoolOutput> {
    if (this.#draining) throw new EspalierError('Internal', 'this model version is being unloaded');
    const bytes = rows.reduce((sum, row) => sum + row.length, 0);
    if (this.#queued + rows.length > MAX_QUEUE || (this.#heldBytes > 0 && this.#heldBytes + bytes > MAX_QUEUE_BYTES)) {
      throw new EspalierError('Conflict', `${this.#queued} rows wait already`, { fix: 'try again later' });
    }
    const { dimension, classes } = this.#options;
    const answer = new Promise<PoolOutput>((resolve, reject) => {
      const output: PoolOutput = {
        embeddings: new Float32Array(rows.length * dimension),
        probabilities: new Float32Array(rows.length * classes),
      };
      this.#queue.push({ rows, output, taken: 0, answered: 0, resolve: () => resolve(output), reject });
      this.#queued += rows.length;
      this.#heldBytes += bytes;
    });
    this.#answers.add(answer);
    this.#dispatch();
    try {
      return await answer;
    } finally {
      this.#answers.delete(answer);
      this.#heldBytes -= bytes;
    }
  }

  /** Answers everything accepted, then unloads the model and ends the threads. */
  async drain(): Promise<void> {
    this.#draining = true;
    this.#failStranded();
    await Promise.allSettled(this.#answers);
    await Promise.all([...this.#slots].map(({ worker }) => endWorker(worker, 'release' satisfies ToWorker)));
  }

  /** Gives the files back as soon as the worker has loaded them. */
  #spawn(files: ClassifierFiles): Promise<ClassifierFiles> {
    const worker = new Worker(workerEntry('pool-worker'), {
      workerData: { files, ...definedOnly({ limits: this.#options.limits }) } satisfies WorkerOptions,
      transferList: buffersOf(files),
      name: 'espalier-model',
    });
    const slot: Slot = { worker, state: 'starting', batch: [] };
    this.#slots.add(slot);
    return new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'ready') resolve(message.files);
        else this.#answer(slot, message);
        slot.state = 'idle';
        slot.batch = [];
        this.#dispatch();
      });
      whenEnded(worker, "the model's worker", (error) => {
        reject(error);
        this.#lost(slot, error);
      });
    });
  }

  /** A worker is gone: its batch fails (it may be the cause), the others go on, and a new one takes its place. */
  #lost(slot: Slot, error: Error): void {
    const wasUp = slot.state !== 'starting';
    slot.state = 'gone';
    this.#slots.delete(slot);
    for (const { job } of slot.batch) this.#fail(job, error);
    if (this.#draining) return this.#failStranded(error);
    if (!this.#started) return;
    this.#options.onRestart?.(error.message);
    if (wasUp) return this.#respawn();
    // It did not come up: whoever waits for it is told, and it is tried again, but not in a tight circle.
    if (this.#slots.size === 0) for (const job of this.#queue.slice()) this.#fail(job, error);
    setTimeout(() => {
      if (!this.#draining) this.#respawn();
    }, RESTART_DELAY_MS).unref();
  }

  /** Its end, whatever it is, is heard by the worker's own listeners; files that cannot be read are tried again. */
  #respawn(): void {
    void this.#source
      .take()
      .then(
        (files) => (this.#draining ? undefined : this.#spawn(files)),
        (error: Error) => this.#unread(error),
      )
      .catch(() => undefined);
  }

  #unread(error: Error): void {
    if (this.#draining) return this.#failStranded(error);
    this.#options.onRestart?.(error.message);
    if (this.#slots.size === 0) for (const job of this.#queue.slice()) this.#fail(job, error);
    setTimeout(() => {
      if (!this.#draining) this.#respawn();
    }, RESTART_DELAY_MS).unref();
  }

  /** A pool that is being unloaded starts no worker any more: once the last is gone, nobody will answer what waits. */
  #failStranded(cause?: Error): void {
    if (this.#slots.size > 0) return;
    const reason = cause === undefined ? 'no worker was up' : `its last worker was lost (${cause.message})`;
    for (const job of this.#queue.slice()) {
      this.#fail(job, new EspalierError('Internal', `this model version is being unloaded and ${reason}`, { cause }));
    }
  }

  #fail(job: Job, error: Error): void {
    const waiting = this.#queue.indexOf(job);
    if (waiting >= 0) {
      this.#queue.splice(waiting, 1);
      this.#queued -= job.rows.length - job.taken;
    }
    job.reject(error);
  }

  #answer(slot: Slot, message: Exclude<FromWorker, { type: 'ready' }>): void {
    const { dimension, classes } = this.#options;
    let row = 0;
    for (const { job, from, rows } of slot.batch) {
      const refused = message.type === 'done' ? refusedOf(message.refused, row, from, rows) : undefined;
      if (message.type === 'failed') this.#fail(job, new EspalierError('Internal', message.message));
      else if (refused !== undefined) this.#fail(job, refused);
      else {
        const { embeddings, probabilities } = job.output;
        embeddings.set(message.embeddings.subarray(row * dimension, (row + rows) * dimension), from * dimension);
        probabilities.set(message.probabilities.subarray(row * classes, (row + rows) * classes), from * classes);
        job.answered += rows;
        if (job.answered === job.rows.length) job.resolve();
      }
      row += rows;
    }
  }

  #dispatch(): void {
    const idle = [...this.#slots].filter(({ state }) => state === 'idle');
    for (const [index, slot] of idle.entries()) {
      if (this.#queued === 0) return;
      const share = Math.min(this.#options.maxBatch ?? MAX_BATCH, Math.ceil(this.#queued / (idle.length - index)));
      const batch = this.#take(share);
      const asked = batch.flatMap(({ job, from, rows }) => job.rows.slice(from, from + rows));
      slot.state = 'busy';
      slot.batch = batch;
      slot.worker.postMessage({ rows: asked } satisfies ToWorker);
      this.#options.onBatch?.(asked.length);
    }
  }

  #take(limit: number): readonly Part[] {
    const batch: Part[] = [];
    for (let left = limit; left > 0;) {
      const job = this.#queue[0];
      if (job === undefined) break;
      const rows = Math.min(left, job.rows.length - job.taken);
      batch.push({ job, from: job.taken, rows });
      job.taken += rows;
      left -= rows;
      this.#queued -= rows;
      if (job.taken === job.rows.length) this.#queue.shift();
    }
    return batch;
  }
}

/** The first row of a part that was refused, under its number in its own request. */
function refusedOf(
  refused: ReadonlyMap<number, string>,
  start: number,
  from: number,
  rows: number,
): EspalierError | undefined {
  for (let row = 0; row < rows; row++) {
    const message = refused.get(start + row);
    if (message !== undefined) return new EspalierError('BadData', `picture ${from + row + 1}: ${message}`);
  }
  return undefined;
}

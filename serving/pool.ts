/**
 * One model version on worker threads. Batching is greedy: a free worker takes what waits, at once, up to 32 rows; under
 * load batches grow by themselves, without load nothing waits. The event loop never computes, so health checks and
 * drains stay prompt.
 */
import { definedOnly } from '../artifacts/defined-only.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { PictureLimits } from '../inference/image/decode.ts';
import { Crew, type Member } from './crew.ts';
import { buffersOf, type Answered, type ModelRow, type ToWorker, type WorkerOptions } from './pool-messages.ts';
import type { ClassifierFiles, ModelSource } from './verified-model.ts';

/** Rows a batch: beyond it throughput no longer grows on a CPU, and the rows behind it wait longer. */
export const MAX_BATCH = 32;
/** Rows that may wait, and their bytes; more is overload, told to the client instead of growing without end. */
const MAX_QUEUE = 4096;
const MAX_QUEUE_BYTES = 256 * 2 ** 20;

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

export class ModelPool {
  readonly #options: PoolOptions;
  readonly #crew: Crew<ClassifierFiles, ClassifierFiles, Answered, readonly Part[]>;
  readonly #queue: Job[] = [];
  #queued = 0;
  #heldBytes = 0;

  private constructor(source: ModelSource, options: PoolOptions) {
    this.#options = options;
    this.#crew = new Crew({
      entry: 'pool-worker',
      name: 'espalier-model',
      what: "the model's worker",
      unloaded: 'this model version',
      onRestart: options.onRestart,
      take: () => source.take(),
      give: (files) => ({
        workerData: { files, ...definedOnly({ limits: options.limits }) } satisfies WorkerOptions,
        transferList: buffersOf(files),
      }),
      idle: () => [],
      dispatch: () => this.#dispatch(),
      hear: (member, answered) => this.#answer(member, answered),
      lost: (batch, error) => {
        for (const { job } of batch) this.#fail(job, error);
      },
      stranded: (error) => {
        for (const job of this.#queue.slice()) this.#fail(job, error);
      },
    });
  }

  /**
   * Starts all workers and waits until each has loaded the model; throws what the first failing one said, or the signal's
   * reason. `source` is asked for the files again when a lost worker is replaced.
   */
  static async start(source: ModelSource, options: PoolOptions): Promise<ModelPool> {
    const pool = new ModelPool(source, options);
    await pool.#crew.fill(options.workers, options.signal);
    return pool;
  }

  /** Rows waiting for a worker. */
  get queued(): number {
    return this.#queued;
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
   * Results in the order of `rows`. Throws Conflict when too much waits already, BadData naming the picture that cannot be
   * decoded, Internal when the worker failed.
   */
  async run(rows: readonly ModelRow[]): Promise<PoolOutput> {
    if (this.#crew.ending) throw new EspalierError('Internal', 'this model version is being unloaded');
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
    this.#crew.accept(answer);
    this.#dispatch();
    try {
      return await answer;
    } finally {
      this.#heldBytes -= bytes;
    }
  }

  /** Answers everything accepted, then unloads the model and ends the threads. */
  drain(): Promise<void> {
    return this.#crew.end();
  }

  #fail(job: Job, error: Error): void {
    const waiting = this.#queue.indexOf(job);
    if (waiting >= 0) {
      this.#queue.splice(waiting, 1);
      this.#queued -= job.rows.length - job.taken;
    }
    job.reject(error);
  }

  #answer(member: Member<readonly Part[]>, message: Answered): void {
    const { dimension, classes } = this.#options;
    let row = 0;
    for (const { job, from, rows } of member.work) {
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
    member.work = [];
  }

  #dispatch(): void {
    const idle = this.#crew.up.filter(({ work }) => work.length === 0);
    for (const [index, member] of idle.entries()) {
      if (this.#queued === 0) return;
      const share = Math.min(this.#options.maxBatch ?? MAX_BATCH, Math.ceil(this.#queued / (idle.length - index)));
      const batch = this.#take(share);
      const asked = batch.flatMap(({ job, from, rows }) => job.rows.slice(from, from + rows));
      member.work = batch;
      member.worker.postMessage({ rows: asked } satisfies ToWorker);
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

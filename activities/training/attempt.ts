/**
 * One attempt at a training: tries the checkpoints from the newest on, then the beginning; keeps checkpoints and its log
 * while it runs; begins again with smaller micro-batches when memory ran out; notices when another attempt took over.
 */
import { appendFileSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import type { Digest } from '../../artifacts/reference.ts';
import type { DeviceLease } from '../devices.ts';
import type { StepContext } from '../step.ts';
import { withCheckpoint, withLog, withWarning, type CheckpointLease, type Holder } from './checkpoints.ts';
import { isStuck, microBatchOf, nextDivisor, singleRowsTooLarge, stuckAt, withFailure } from './failures.ts';
import type { TrainerEvent, TrainTask } from './job.ts';
import type { Launcher } from './launchers/launcher.ts';
import { readLog } from './logs.ts';
import { LOG_NAME, runTrainingProcess, type TrainingOutcome } from './process.ts';
import { TrainingProgress } from './progress.ts';
import type { RetentionPolicy } from './retention.ts';
import { CheckpointUploads, type LocalCheckpoint } from './upload.ts';

export type Finished = Extract<TrainingOutcome, { kind: 'done' }>;

/** How much of an attempt's log is lost at most when its worker is killed. */
const LOG_EVERY_MS = 60_000;
/** How long an outage of the store may hold up an end, so that the last checkpoint is kept. */
const PATIENCE_MS = { stopped: 10_000, failed: 30_000, done: 1000 };
/** How a checkpoint turns out to be of no use, fetched and read; the one before may do. */
const CANNOT_BE_FETCHED: readonly ErrorKind[] = ['Corrupt', 'NotFound', 'BadData'];
const CANNOT_BE_READ: readonly ErrorKind[] = ['CheckpointIncompatible'];

export class Attempt {
  readonly #context: StepContext;
  readonly #lease: CheckpointLease;
  readonly #launcher: Launcher;
  readonly #device: DeviceLease | undefined;
  readonly #uploads: CheckpointUploads;
  readonly #log: string;
  /** Aborted when a later attempt of this run took over: we are the zombie. */
  readonly #superseded = new AbortController();
  readonly #unusable = new Set<Digest>();
  /** Aborts on cancellation and when a later attempt took over. */
  readonly signal: AbortSignal;
  /** false once another run keeps the checkpoints. */
  #holding = true;
  #renewing = false;
  #finished = false;
  #resumes = 0;
  #reached = 0;
  #validationLoss: number | null = null;
  #killedBy: string | null = null;
  #savedLog = { bytes: 0, atMs: 0 };
  readonly #progress: TrainingProgress;

  constructor(
    context: StepContext,
    lease: CheckpointLease,
    options: {
      readonly policy: RetentionPolicy;
      readonly launcher: Launcher;
      readonly device: DeviceLease | undefined;
    },
  ) {
    this.#context = context;
    this.#lease = lease;
    this.#launcher = options.launcher;
    this.#device = options.device;
    this.#log = join(context.workDir, LOG_NAME);
    this.signal = AbortSignal.any([context.signal, this.#superseded.signal]);
    const newest = lease.value.checkpoints[0];
    this.#progress = new TrainingProgress((progress) => context.progress(progress), {
      attempt: context.attempt,
      ...(newest === undefined ? {} : { lastCheckpointStep: newest.step }),
      ...(newest?.at === undefined ? {} : { lastCheckpointAt: newest.at }),
    });
    this.#uploads = new CheckpointUploads({
      keep: (checkpoint) => this.#keep(checkpoint, options.policy),
      onProblem: (message) => this.note(message),
    });
  }

  /**
   * Trains to the end. Throws OutOfMemory (for good) when single rows are too many, TrainerFailed for good when three
   * attempts failed at one step, Preempted when it was stopped from outside, the signal's reason when it was cancelled.
   */
  async run(task: TrainTask): Promise<Finished> {
    const { batchSize } = task.training;
    // Also an attempt whose process says nothing has a log.
    this.note(`attempt ${this.#context.attempt} of run ${this.#context.runId}`);
    try {
      for (;;) {
        const divisor = Math.min(this.#lease.value.microBatchDivisor ?? 1, batchSize);
        try {
          return await this.#fromNewest({ ...task, microBatchDivisor: divisor });
        } catch (error) {
          if (!(error instanceof EspalierError) || error.kind !== 'OutOfMemory') throw error;
          await this.#halve(error, divisor, task);
        }
      }
    } catch (error) {
      throw this.#judged(error);
    }
  }

  /** Shows life, keeps the log so far, and notices whoever took over. Never fails: a store that is down costs time only. */
  async renew(): Promise<void> {
    if (this.#renewing || !this.#holding) return;
    this.#renewing = true;
    try {
      if (Date.now() - this.#savedLog.atMs >= LOG_EVERY_MS) await this.saveLog();
      this.#check(await this.#lease.write());
    } catch {
      // The next renewal tries again; meanwhile nobody's right to the pointer has changed.
    } finally {
      this.#renewing = false;
    }
  }

  /** Ends the lease; the result may be returned after this. Throws Preempted when a later attempt has taken over. */
  async finish(): Promise<void> {
    if (this.#holding && !this.#finished) {
      this.#check(await this.#lease.release());
      this.#finished = true;
    }
    this.#superseded.signal.throwIfAborted();
  }

  /** Stores what the attempt wrote so far, when it wrote anything new. */
  async saveLog(): Promise<void> {
    const bytes = await stat(this.#log).then(
      (info) => info.size,
      () => 0,
    );
    if (bytes === this.#savedLog.bytes) return;
    const { store, attempt, runId } = this.#context;
    const text = await readLog(this.#log, process.env);
    const log = await store.putBytes(Buffer.from(text), { name: `training-${attempt}.log`, mediaType: 'text/plain' });
    this.#savedLog = { bytes, atMs: Date.now() };
    this.#lease.note((value) => withLog(value, { runId, attempt, log }));
  }

  note(message: string): void {
    try {
      appendFileSync(this.#log, `espalier: ${message}\n`);
    } catch {
      // A full disk: not worth the training.
    }
    this.#progress.show({ note: message });
  }

  /** A note that belongs into the result. */
  #warn(message: string): void {
    this.note(message);
    this.#lease.note((value) => withWarning(value, message));
  }

  async #fromNewest(task: TrainTask): Promise<Finished> {
    const usable = this.#lease.value.checkpoints.filter(({ tree }) => !this.#unusable.has(tree.digest));
    for (const saved of usable) {
      const resumeFrom = join(this.#context.workDir, `resume-${this.#resumes++}`);
      let expected = CANNOT_BE_FETCHED;
      try {
        await this.#context.store.checkout(saved.tree, resumeFrom, { signal: this.signal });
        expected = CANNOT_BE_READ;
        this.#validationLoss = saved.validationLoss ?? null;
        return await this.#runFrom({ ...task, resumeFrom });
      } catch (error) {
        if (!(error instanceof EspalierError) || !expected.includes(error.kind)) throw error;
        this.#unusable.add(saved.tree.digest);
        this.#warn(`the checkpoint of step ${saved.step} is not used: ${error.message}`);
      } finally {
        await rm(resumeFrom, { recursive: true, force: true });
      }
    }
    if (usable.length > 0) this.#warn('no checkpoint could be used: training began anew');
    this.#validationLoss = null;
    return this.#runFrom(task);
  }

  async #runFrom(task: TrainTask): Promise<Finished> {
    const { python, workDir, stepId, runId } = this.#context;
    this.#progress.restart();
    this.#reached = 0;
    this.#killedBy = null;
    await rm(task.out, { recursive: true, force: true });
    let outcome: TrainingOutcome | undefined;
    try {
      outcome = await runTrainingProcess({
        job: { version: 1, id: `${runId}/${stepId}`, tasks: [task] },
        python,
        workDir,
        launcher: this.#launcher,
        ...(this.#device === undefined ? {} : { visibleDevices: this.#device.visible }),
        signal: this.signal,
        onEvent: (event) => this.#heard(event, task),
        onEnd: (end) => (this.#killedBy = end.signal),
      });
    } catch (error) {
      this.signal.throwIfAborted();
      throw error;
    } finally {
      // Also after a failure or a cancellation: the last checkpoint is what the next attempt goes on from.
      const patience = this.signal.aborted ? 'stopped' : outcome?.kind === 'done' ? 'done' : 'failed';
      await this.#uploads.drained(PATIENCE_MS[patience]);
    }
    this.#superseded.signal.throwIfAborted();
    if (outcome.kind === 'done') return outcome;
    this.signal.throwIfAborted();
    throw new EspalierError('Preempted', `training was stopped from outside after step ${outcome.step}`, {
      where: stepId,
      fix: 'nothing to do: the next attempt goes on from the checkpoint',
    });
  }

  async #keep({ path, step, validationLoss }: LocalCheckpoint, policy: RetentionPolicy): Promise<void> {
    const tree = await this.#context.store.putTree(path, `checkpoint-${step}`, { signal: this.#superseded.signal });
    await this.saveLog();
    const at = new Date().toISOString();
    const saved = { step, tree, at, validationLoss };
    this.#lease.note((value) => withCheckpoint(value, saved, policy, this.#unusable, at));
    this.#check(await this.#lease.write());
    if (this.#holding) this.#progress.show({ lastCheckpointStep: step, lastCheckpointAt: at });
  }

  async #halve(error: EspalierError, divisor: number, { training }: TrainTask): Promise<void> {
    const { batchSize, gradientAccumulation } = training;
    const next = nextDivisor(divisor, batchSize);
    if (next === null) throw singleRowsTooLarge(error, this.#context.stepId);
    const reached = this.#reached;
    this.#lease.note(({ outOfMemoryAtSteps = [] }) => ({
      microBatchDivisor: next,
      outOfMemoryAtSteps: [...outOfMemoryAtSteps, reached],
    }));
    const [before, after] = [microBatchOf(batchSize, divisor), microBatchOf(batchSize, next)];
    this.#warn(
      `memory ran out after step ${reached} with micro-batches of ${before} rows: goes on with ${after}; ` +
        `the effective batch stays ${batchSize * gradientAccumulation}`,
    );
    await this.renew();
  }

  /** What is thrown for this failure, once it is on record. */
  #judged(error: unknown): unknown {
    if (!(error instanceof EspalierError) || error.kind !== 'TrainerFailed') return error;
    const failure = { attempt: this.#context.attempt, step: this.#reached, kind: error.kind, signal: this.#killedBy };
    this.#lease.note(({ failures = [] }) => ({ failures: withFailure(failures, failure) }));
    if (!isStuck(this.#lease.value.failures ?? [])) return error;
    return stuckAt(failure.step, error, this.#context.stepId);
  }

  #heard(event: TrainerEvent, task: TrainTask): void {
    if (event.type === 'starting') {
      this.#device?.usedBy(event.pid);
      this.#progress.show({ phase: 'starting', note: `process ${event.pid}` });
    }
    if (event.type === 'warning') this.#warn(event.message);
    if (event.type === 'checkpoint') {
      // We read and remove this folder: it must be one that we gave away.
      if (dirname(resolve(event.path)) !== resolve(task.checkpoints)) {
        throw new EspalierError('TrainerFailed', `a checkpoint lies outside its folder: ${event.path}`);
      }
      this.#uploads.add({ path: event.path, step: event.step, validationLoss: this.#validationLoss });
    }
    if (event.type === 'eval') {
      this.#progress.show({ phase: `evaluating on ${event.split}`, done: event.step });
      if (event.split === 'validation' && event.loss !== undefined) this.#validationLoss = event.loss;
    }
    if (event.type === 'ready' && event.step !== undefined && event.step > 0) {
      const { step } = event;
      this.#reached = step;
      this.note(`resumed at step ${step}`);
      this.#lease.note((value) => ({ resumedAtSteps: [...value.resumedAtSteps, step] }));
      void this.renew();
    }
    if (event.type === 'step') {
      this.#reached = event.step;
      this.#progress.stepped(event);
    }
  }

  #check(newHolder: Holder | undefined): void {
    if (newHolder === undefined || !this.#holding) return;
    this.#holding = false;
    this.#uploads.close();
    // Another run trains the same thing: both end with the same bytes, and the first result counts.
    if (newHolder.runId !== this.#context.runId)
      return this.note(`run ${newHolder.runId} keeps the checkpoints of this training now`);
    this.#superseded.abort(
      new EspalierError('Preempted', `attempt ${newHolder.attempt} of this step has taken over`, {
        where: this.#context.stepId,
        fix: 'nothing to do: the later attempt finishes the step',
      }),
    );
  }
}

/**
 * Supervises the training process under its contract (docs/training-process.md): events on descriptor 3, an end in
 * bounded time, an exit code that means something. The promise settles only after the process is gone.
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { EspalierError } from '../../artifacts/errors.ts';
import { EXIT_STOPPED, exitError, parseEvent, type TrainerEvent, type TrainerEventOf, type TrainerJob } from './job.ts';
import type { Launcher, ProcessEnd, TrainerProcess } from './launchers/launcher.ts';
import { localLauncher } from './launchers/local.ts';
import { readLogEnd } from './logs.ts';

export interface RunTrainingProcess {
  readonly job: TrainerJob;
  readonly python: { readonly executable: string; readonly packages: string };
  /** Receives `job.json`, `process.log` (appended to) and the process's home. */
  readonly workDir: string;
  /** Aborted: SIGTERM at once, SIGKILL after `graceSeconds`. */
  readonly signal: AbortSignal;
  readonly onEvent?: (event: TrainerEvent) => void;
  /** How the process ended, whatever is made of it. */
  readonly onEnd?: (end: ProcessEnd) => void;
  /** 3: with the second until the worker hears of it, a cancelled process is gone in under 5 s. 20 when the worker stops. */
  readonly graceSeconds?: number;
  /** Longest silence (`alive` does not count) before the process counts as hung. */
  readonly stallSeconds?: number;
  readonly launcher?: Launcher;
  /** `CUDA_VISIBLE_DEVICES` of the process; as ours when missing. */
  readonly visibleDevices?: string;
}

export type TrainingOutcome = { readonly log: string } & (
  | { readonly kind: 'done'; readonly results: readonly Record<string, unknown>[] }
  | { readonly kind: 'stopped'; readonly step: number; readonly checkpoint: string | null }
);

export const LOG_NAME = 'process.log';
/** From the end of the process to the end of what it said. */
const LAST_WORDS_MS = 1000;
/** Imports from a cold disk, loading and tokenising come before the first sign of progress. */
const START_SECONDS = 300;
/** The first step of a large model on few cores; nothing is known of its pace yet. */
const FIRST_STEP_SECONDS = 900;
/** A training step is seconds at most; one call of the exporter may take minutes on a large model. */
const STALL_SECONDS = { train: 60, export: 900 };
const STALL_MEDIANS = 20;
/** Of a core, over the last limit; one that hangs computes hardly more than its heartbeat. */
const LEAST_SHARE_COMPUTED = 0.03;
/** By the clock, whatever it computes: it may poll for ever. */
const MOST_LIMITS = 20;
/** For the last checkpoint; the rest of the 27 s that a stopping worker has is for its upload. */
const SHUTDOWN_GRACE_SECONDS = 20;
const LOG_TAIL_BYTES = 2000;

/**
 * Done, or stopped by the signal (or by somebody else's SIGTERM) with a checkpoint. Throws an EspalierError by the
 * contract's exit code otherwise; MissingTool when Python cannot be started; the signal's reason when it was aborted
 * before anything began.
 */
export async function runTrainingProcess(options: RunTrainingProcess): Promise<TrainingOutcome> {
  const { job, python, workDir, signal, launcher = localLauncher, visibleDevices } = options;
  signal.throwIfAborted();
  const log = join(workDir, LOG_NAME);
  const child = await launcher.start(job, { python, workDir, log, visibleDevices });
  const end = await supervise(child, options);
  options.onEnd?.({ code: end.code, signal: end.signal });
  if (end.failure !== undefined) throw end.failure;
  if (end.code === 0 && end.done !== undefined) return { kind: 'done', results: end.done.results, log };
  if (end.code === EXIT_STOPPED && end.stopped !== undefined) {
    return { kind: 'stopped', step: end.stopped.step, checkpoint: end.stopped.checkpoint, log };
  }
  // Killed because it did not stop in time: that is the cancellation, not a fault of the trainer.
  if (signal.aborted && end.code === null) return { kind: 'stopped', step: 0, checkpoint: null, log };
  throw exitError(end.code, end.signal, end.error, (await readLogEnd(log, LOG_TAIL_BYTES, process.env)).trim());
}

interface End extends ProcessEnd {
  readonly done?: TrainerEventOf<'done'>;
  readonly stopped?: TrainerEventOf<'stopped'>;
  readonly error?: TrainerEventOf<'error'>;
  /** Why we gave the process up. */
  readonly failure?: Error;
}

/** From the start to the exit: reads events, watches for silence, hands the signal on. */
async function supervise(child: TrainerProcess, options: RunTrainingProcess): Promise<End> {
  const { signal, onEvent } = options;
  const said: { -readonly [Name in 'done' | 'stopped' | 'error' | 'failure']?: End[Name] } = {};
  const fail = (failure: Error) => {
    said.failure ??= failure;
    child.kill();
  };
  const exports = options.job.tasks.some((task) => task.verb !== 'train');
  const watch = new StallWatch(options.stallSeconds ?? (exports ? STALL_SECONDS.export : STALL_SECONDS.train));
  const stallTimer = setInterval(() => {
    const silence = watch.stalledFor(Date.now());
    if (silence === null || signal.aborted) return;
    const message = `the training process made no progress for ${Math.round(silence)} s and was killed`;
    const fix = exports ? 'the next attempt begins anew' : 'the next attempt resumes from the last checkpoint';
    fail(new EspalierError('TrainerFailed', message, { fix }));
  }, 1000);

  let killTimer: NodeJS.Timeout | undefined;
  const stop = () => {
    child.stop();
    // A worker that stops (workers/worker.ts) has more patience than a person who cancels.
    const stopping = (signal.reason as Error | undefined)?.message === 'WORKER_SHUTDOWN';
    const { graceSeconds = stopping ? SHUTDOWN_GRACE_SECONDS : 3 } = options;
    killTimer ??= setTimeout(() => child.kill(), graceSeconds * 1000);
  };
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();

  const lines = createInterface({ input: child.events });
  const heard = new Promise((resolve) => lines.once('close', resolve));
  lines.on('line', (line) => {
    try {
      const event = parseEvent(line);
      if (event === undefined) return;
      watch.saw(event, Date.now());
      if (event.type === 'done') said.done = event;
      if (event.type === 'stopped') said.stopped = event;
      if (event.type === 'error') said.error = event;
      onEvent?.(event);
    } catch (error) {
      fail(error as Error);
    }
  });
  try {
    const end = await child.ended;
    // Its last words are on the way, unless its pipe broke.
    await Promise.race([heard, sleep(LAST_WORDS_MS, undefined, { ref: false })]);
    return { ...end, ...said };
  } finally {
    clearInterval(stallTimer);
    clearTimeout(killTimer);
    signal.removeEventListener('abort', stop);
    lines.close();
  }
}

/**
 * Notices a process that lives but does not move: silent for longer than its limit, `seconds` and 20 median steps. On a busy machine
 * one that computes may wait for a core most of the time: while it goes on computing its limit is of a core's seconds.
 */
export class StallWatch {
  readonly #seconds: number;
  #last = Date.now();
  #pace: 'starting' | 'ready' | 'stepping' = 'starting';
  #lastStep: number | undefined;
  readonly #gaps: number[] = [];
  /** Seconds of a core, as far as it told: at the last sign of progress, and by each beat since, of a limit's time and the one before. */
  readonly #beats: { readonly at: number; readonly computed: number }[] = [];
  #computedThen: number | undefined;

  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  saw(event: Pick<TrainerEvent, 'type'> & { readonly cpuSeconds?: unknown }, nowMs: number): void {
    if (event.type === 'alive') {
      if (typeof event.cpuSeconds !== 'number') return;
      this.#beats.push({ at: nowMs, computed: event.cpuSeconds });
      this.#computedThen ??= event.cpuSeconds;
      const since = nowMs - this.#limit() * 1000;
      while (this.#beats.length > 1 && this.#beats[1]!.at <= since) this.#beats.shift();
      return;
    }
    this.#last = nowMs;
    this.#beats.splice(0, this.#beats.length - 1);
    this.#computedThen = this.#beats[0]?.computed;
    if (event.type === 'ready') {
      // The first step has a length too: on a slow machine it is all that is known of the pace when the second begins.
      this.#pace = 'ready';
      this.#lastStep = nowMs;
    }
    if (event.type !== 'step') return;
    this.#pace = 'stepping';
    if (this.#lastStep !== undefined) this.#gaps.push(nowMs - this.#lastStep);
    if (this.#gaps.length > 50) this.#gaps.shift();
    this.#lastStep = nowMs;
  }

  /** Seconds of silence once they are too many, else null. */
  stalledFor(nowMs: number): number | null {
    const limit = this.#limit();
    const silence = (nowMs - this.#last) / 1000;
    if (silence <= limit) return null;
    return silence > MOST_LIMITS * limit || !this.#waitsForACore(nowMs, limit) ? silence : null;
  }

  #limit(): number {
    const median = this.#gaps.toSorted((a, b) => a - b)[this.#gaps.length >> 1] ?? 0;
    const least = { starting: START_SECONDS, ready: FIRST_STEP_SECONDS, stepping: this.#seconds }[this.#pace];
    return Math.max(this.#seconds, least, (STALL_MEDIANS * median) / 1000);
  }

  /** Computed in the last limit's time (without a beat in it, nothing), and no more than the limit since it last moved. */
  #waitsForACore(nowMs: number, limit: number): boolean {
    const now = this.#beats.at(-1);
    if (now === undefined || this.#computedThen === undefined) return false;
    const before = this.#beats.findLast(({ at }) => at <= nowMs - limit * 1000) ?? this.#beats[0]!;
    const lately = now.computed - before.computed;
    return lately > LEAST_SHARE_COMPUTED * limit && now.computed - this.#computedThen <= limit;
  }
}

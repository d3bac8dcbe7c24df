/**
 * Runs the training process (`python -m espalier_trainer`) under its contract (docs/training-process.md): scrubbed
 * environment, no network where the kernel lets us take it away, events on descriptor 3, an end in bounded time. The
 * promise settles only after the process is gone.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { access, constants, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { EspalierError } from '../../artifacts/errors.ts';
import { EXIT_STOPPED, exitError, parseEvent, type TrainerEvent, type TrainerEventOf, type TrainerJob } from './job.ts';

export interface RunTrainingProcess {
  readonly job: TrainerJob;
  readonly python: { readonly executable: string; readonly packages: string };
  /** Receives `job.json`, `process.log` and the process's home. */
  readonly workDir: string;
  /** Aborted: SIGTERM at once, SIGKILL after `graceSeconds`. */
  readonly signal: AbortSignal;
  readonly onEvent?: (event: TrainerEvent) => void;
  /** 4: with the kill and the reaping, a cancelled process is gone in under 5 s. */
  readonly graceSeconds?: number;
  /** Longest silence (`alive` does not count) before the process counts as hung. */
  readonly stallSeconds?: number;
}

export type TrainingOutcome = { readonly log: string } & (
  | { readonly kind: 'done'; readonly results: readonly Record<string, unknown>[] }
  | { readonly kind: 'stopped'; readonly step: number; readonly checkpoint: string | null }
);

/** Imports from a cold disk, loading and tokenising come before the first sign of progress. */
const START_SECONDS = 300;
/** A training step is seconds at most; one call of the exporter may take minutes on a large model. */
const STALL_SECONDS = { train: 60, export: 900 };
const STALL_MEDIANS = 20;
const LOG_TAIL_BYTES = 2000;

/** All the process may know of its surroundings: no credentials, no proxies, no addresses. */
const INHERITED = [
  'PATH',
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'LD_LIBRARY_PATH',
  'CUDA_VISIBLE_DEVICES',
  'NVIDIA_VISIBLE_DEVICES',
];

/**
 * Done, or stopped by the signal (or by somebody else's SIGTERM) with a checkpoint. Throws an EspalierError by the
 * contract's exit code otherwise; MissingTool when Python cannot be started; the signal's reason when it was aborted
 * before anything began.
 */
export async function runTrainingProcess(options: RunTrainingProcess): Promise<TrainingOutcome> {
  const { job, python, workDir, signal } = options;
  signal.throwIfAborted();
  await access(python.executable, constants.X_OK).catch((error: unknown) => {
    throw cannotStart(python.executable, error);
  });
  const jobFile = join(workDir, 'job.json');
  const log = join(workDir, 'process.log');
  await mkdir(join(workDir, 'home'), { recursive: true });
  await writeFile(jobFile, `${JSON.stringify(job, null, 1)}\n`);
  const argv = [...(await networkNamespace()), python.executable, '-m', 'espalier_trainer', 'run', jobFile];
  const logFile = await open(log, 'w');
  try {
    // The open standard input is the leash: its end tells the process that we are gone.
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      cwd: workDir,
      env: childEnvironment(process.env, options),
      stdio: ['pipe', logFile.fd, logFile.fd, 'pipe'],
    });
    const end = await supervise(child, options);
    if (end.failure !== undefined) throw end.failure;
    if (end.code === 0 && end.done !== undefined) return { kind: 'done', results: end.done.results, log };
    if (end.code === EXIT_STOPPED && end.stopped !== undefined) {
      return { kind: 'stopped', step: end.stopped.step, checkpoint: end.stopped.checkpoint, log };
    }
    // Killed because it did not stop in time: that is the cancellation, not a fault of the trainer.
    if (signal.aborted && end.code === null) return { kind: 'stopped', step: 0, checkpoint: null, log };
    throw exitError(end.code, end.signal, end.error, await tail(log));
  } finally {
    await logFile.close();
  }
}

interface End {
  code: number | null;
  signal: string | null;
  done?: TrainerEventOf<'done'>;
  stopped?: TrainerEventOf<'stopped'>;
  error?: TrainerEventOf<'error'>;
  /** Why we gave the process up. */
  failure?: Error;
}

/** From spawn to the exit: reads events, watches for silence, hands the signal on. */
async function supervise(child: ChildProcess, options: RunTrainingProcess): Promise<End> {
  const { signal, onEvent, graceSeconds = 4 } = options;
  const end: End = { code: null, signal: null };
  const fail = (failure: Error) => {
    end.failure ??= failure;
    child.kill('SIGKILL');
  };
  const exports = options.job.tasks.some((task) => task.verb !== 'train');
  const watch = new StallWatch(options.stallSeconds ?? (exports ? STALL_SECONDS.export : STALL_SECONDS.train));
  const stallTimer = setInterval(() => {
    const silence = watch.stalledFor(Date.now());
    if (silence === null) return;
    fail(
      new EspalierError(
        'TrainerFailed',
        `the training process made no progress for ${Math.round(silence)} s and was killed`,
        {
          fix: 'the next attempt resumes from the last checkpoint',
        },
      ),
    );
  }, 1000);

  let killTimer: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill('SIGTERM');
    killTimer ??= setTimeout(() => child.kill('SIGKILL'), graceSeconds * 1000);
  };
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();

  const lines = createInterface({ input: child.stdio[3] as Readable });
  lines.on('line', (line) => {
    try {
      const event = parseEvent(line);
      if (event === undefined) return;
      watch.saw(event, Date.now());
      if (event.type === 'done') end.done = event;
      if (event.type === 'stopped') end.stopped = event;
      if (event.type === 'error') end.error = event;
      onEvent?.(event);
    } catch (error) {
      fail(error as Error);
    }
  });
  child.stdin?.on('error', () => {}); // the leash of a process that is already gone
  try {
    await new Promise<void>((resolve) => {
      child.once('error', (error) => {
        end.failure ??= cannotStart(options.python.executable, error);
        if (child.pid === undefined) resolve();
      });
      child.once('close', (code, killedBy) => {
        end.code = code;
        end.signal = killedBy;
        resolve();
      });
    });
  } finally {
    clearInterval(stallTimer);
    clearTimeout(killTimer);
    signal.removeEventListener('abort', stop);
    lines.close();
  }
  return end;
}

function cannotStart(executable: string, cause: unknown): EspalierError {
  return new EspalierError('MissingTool', `cannot start the training process: ${(cause as Error).message}`, {
    where: executable,
    fix: 'run `npm start` once: it makes the Python environment',
    cause,
  });
}

/** Notices a process that lives but does not move: silent for longer than `seconds` and 20 median steps. */
export class StallWatch {
  readonly #seconds: number;
  #last = Date.now();
  #moving = false;
  #lastStep: number | undefined;
  readonly #gaps: number[] = [];

  constructor(seconds: number) {
    this.#seconds = seconds;
  }

  saw(event: Pick<TrainerEvent, 'type'>, nowMs: number): void {
    if (event.type === 'alive') return;
    this.#last = nowMs;
    if (event.type !== 'step') return;
    this.#moving = true;
    if (this.#lastStep !== undefined) this.#gaps.push(nowMs - this.#lastStep);
    if (this.#gaps.length > 50) this.#gaps.shift();
    this.#lastStep = nowMs;
  }

  /** Seconds of silence once they are too many, else null. */
  stalledFor(nowMs: number): number | null {
    const median = this.#gaps.toSorted((a, b) => a - b)[this.#gaps.length >> 1] ?? 0;
    const base = this.#moving ? this.#seconds : Math.max(this.#seconds, START_SECONDS);
    const silence = (nowMs - this.#last) / 1000;
    return silence > Math.max(base, (STALL_MEDIANS * median) / 1000) ? silence : null;
  }
}

/** The environment of the process, from ours by an allow-list. */
export function childEnvironment(
  ours: NodeJS.ProcessEnv,
  { job, python, workDir }: Pick<RunTrainingProcess, 'job' | 'python' | 'workDir'>,
): NodeJS.ProcessEnv {
  const threads = Math.max(1, ...job.tasks.map((task) => (task.verb === 'train' ? task.training.threads : 1)));
  return {
    ...Object.fromEntries(INHERITED.flatMap((name) => (ours[name] === undefined ? [] : [[name, ours[name]]]))),
    HOME: join(workDir, 'home'),
    HF_HOME: join(workDir, 'home'),
    HF_HUB_OFFLINE: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    TOKENIZERS_PARALLELISM: 'false',
    PYTHONPATH: python.packages,
    PYTHONNOUSERSITE: '1',
    PYTHONDONTWRITEBYTECODE: '1',
    PYTHONHASHSEED: '0',
    PYTHONUNBUFFERED: '1',
    OMP_NUM_THREADS: String(threads),
    CUBLAS_WORKSPACE_CONFIG: ':4096:8',
  };
}

let namespace: Promise<readonly string[]> | undefined;

/**
 * The command that runs another without any network, where this machine has one that works (util-linux `unshare`, as
 * root or with user namespaces); empty elsewhere, where the process's own guard stands alone. Probed once.
 */
export function networkNamespace(): Promise<readonly string[]> {
  namespace ??= (async () => {
    if (process.platform !== 'linux') return [];
    for (const flags of [['--net'], ['--user', '--map-current-user', '--net']]) {
      const works = await promisify(execFile)('unshare', [...flags, '--', 'true'], { timeout: 5000 }).then(
        () => true,
        () => false,
      );
      if (works) return ['unshare', ...flags, '--'];
    }
    return [];
  })();
  return namespace;
}

async function tail(path: string): Promise<string> {
  const bytes = await readFile(path);
  return bytes.subarray(-LOG_TAIL_BYTES).toString('utf8').trim();
}

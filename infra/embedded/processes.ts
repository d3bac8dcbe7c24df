/**
 * Child processes of the embedded stack: each in a process group of its own, so that Ctrl-C reaches only us and we
 * stop them in order, and so that stopping one also stops what it started.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import { createConnection } from 'node:net';
import { constants } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { EspalierError } from '../../artifacts/errors.ts';
import { isRunning, processIdentity } from '../lock.mjs';

export interface ProcessSpec {
  /** For messages and records, e.g. `worker`. */
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment; default: ours. */
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Gets stdout and stderr, appended. A file and no pipe: the child lives through our sudden death without EPIPE. */
  readonly logFile: string;
  /** Polled until it says true; it may look at what this start wrote to the log. Default: ready at once. */
  readonly ready?: (log: () => string) => boolean | Promise<boolean>;
  /** Default ten minutes: one that ends fails at once, and one that comes up late on a busy machine has come up. */
  readonly readyTimeoutMs?: number;
  /** Aborted while it is not ready yet: the start fails at once. */
  readonly signal?: AbortSignal;
  /** Start it again when it ends by itself, after 0.5 s, 1 s, 2 s, … up to 30 s. Default false. */
  readonly restart?: boolean;
  /** Between SIGTERM and SIGKILL. Default 10 s. */
  readonly graceMs?: number;
  /** Told of every end that was not asked for, and of every start (the number changes with a restart). */
  readonly onExit?: (end: string) => void;
  readonly onStart?: (process: ProcessRecord) => void;
}

/** A process and what tells it from a later one with the same number. */
export interface ProcessRecord {
  readonly name: string;
  readonly pid: number;
  readonly identity: string;
}

export interface RunningProcess {
  readonly name: string;
  /** Changes with a restart. */
  readonly pid: number;
  /** SIGTERM to the group, after the grace SIGKILL; resolves when it has ended. Safe to call twice. */
  stop(): Promise<void>;
}

const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 30_000;
const READY_MS = 600_000;
/** A process that ran this long had started well: the next back-off begins from the shortest again. */
const STEADY_MS = 60_000;

/** Starts a process and waits until it is ready. Throws `Internal` with the end of its log when it is not. */
export async function startProcess(spec: ProcessSpec): Promise<RunningProcess> {
  mkdirSync(dirname(spec.logFile), { recursive: true });
  let child = launch(spec);
  let stopping: Promise<void> | undefined;
  let backoffMs = FIRST_BACKOFF_MS;
  const wake = new AbortController();

  const watch = (started: number): void => {
    child.process.once('exit', (code, signal) => {
      if (stopping !== undefined) return;
      spec.onExit?.(signal === null ? `exit code ${code}` : signal);
      if (spec.restart !== true) {
        live.delete(running);
        return;
      }
      if (Date.now() - started > STEADY_MS) backoffMs = FIRST_BACKOFF_MS;
      const waitMs = backoffMs;
      backoffMs = Math.min(backoffMs * 2, LONGEST_BACKOFF_MS);
      void relaunchAfter(waitMs);
    });
  };
  const relaunchAfter = async (waitMs: number): Promise<void> => {
    try {
      await sleep(waitMs, undefined, { signal: wake.signal });
    } catch {
      return; // stopped while it waited
    }
    child = launch(spec);
    watch(Date.now());
  };
  const running: RunningProcess = {
    name: spec.name,
    get pid() {
      return child.process.pid ?? -1;
    },
    stop() {
      stopping ??= (async () => {
        wake.abort();
        await endGroup(child.process, spec.graceMs ?? 10_000);
        live.delete(running);
      })();
      return stopping;
    },
  };
  live.add(running);
  guardExit();
  try {
    await untilReady(spec, child);
  } catch (error) {
    await running.stop();
    throw error;
  }
  watch(Date.now());
  // It may have ended between being ready and being watched.
  if (hasEnded(child.process)) child.process.emit('exit', child.process.exitCode, child.process.signalCode);
  return running;
}

/** Whether something accepts connections there, within `timeoutMs`. */
export function isListening(host: string, port: number, timeoutMs = 1000): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port, timeout: timeoutMs });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

/** Stops what an owner that died left behind. Returns the names of those that were still running. */
export async function stopLeftovers(records: readonly ProcessRecord[], graceMs = 5000): Promise<string[]> {
  const leftovers = records.filter(isRunning);
  for (const { pid } of leftovers) signalLeftover(pid, 'SIGTERM');
  const deadline = Date.now() + graceMs;
  while (leftovers.some(isRunning)) {
    if (Date.now() > deadline) for (const { pid } of leftovers.filter(isRunning)) signalLeftover(pid, 'SIGKILL');
    await sleep(50);
  }
  return leftovers.map(({ name }) => name);
}

/** The gateway leads no group of its own: the process itself is told too. */
function signalLeftover(pid: number, signal: NodeJS.Signals): void {
  signalGroup(pid, signal);
  try {
    process.kill(pid, signal);
  } catch {
    // it has ended by the signal to its group
  }
}

interface Launched {
  readonly process: ChildProcess;
  readonly logStart: number;
  readonly failure: () => Error | undefined;
}

function launch(spec: ProcessSpec): Launched {
  const log = openSync(spec.logFile, 'a', 0o600);
  const logStart = statSync(spec.logFile).size;
  let failure: Error | undefined;
  const child = spawn(spec.command, spec.args, {
    detached: true,
    stdio: ['ignore', log, log],
    ...(spec.env === undefined ? {} : { env: spec.env }),
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
  });
  closeSync(log);
  child.once('error', (error) => (failure = error));
  if (child.pid !== undefined) {
    spec.onStart?.({ name: spec.name, pid: child.pid, identity: processIdentity(child.pid) ?? '' });
  }
  return { process: child, logStart, failure: () => failure };
}

async function untilReady(spec: ProcessSpec, child: Launched): Promise<void> {
  const readLog = () => readFileSync(spec.logFile).subarray(child.logStart).toString('utf8');
  const timeoutMs = spec.readyTimeoutMs ?? READY_MS;
  const deadline = Date.now() + timeoutMs;
  await sleep(0); // lets a failed spawn report itself
  for (;;) {
    const problem =
      child.failure()?.message ??
      (hasEnded(child.process)
        ? `it ended at once (${child.process.signalCode ?? `exit code ${child.process.exitCode}`})`
        : spec.signal?.aborted === true
          ? 'the stack is being stopped'
          : Date.now() > deadline
            ? `it was not ready after ${timeoutMs / 1000} s`
            : undefined);
    if (problem !== undefined) {
      const tail = readLog().trim().split('\n').slice(-15).join('\n');
      throw new EspalierError('Internal', `${spec.name} did not start: ${problem}${tail === '' ? '' : `\n${tail}`}`, {
        where: spec.logFile,
        fix: `read the log ${spec.logFile}; \`espalier doctor\` checks the machine`,
      });
    }
    if (spec.ready === undefined || (await spec.ready(readLog))) return;
    await sleep(50);
  }
}

async function endGroup(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.pid === undefined) return;
  const ended = hasEnded(child) ? Promise.resolve() : new Promise((resolve) => child.once('exit', resolve));
  signalGroup(child.pid, 'SIGTERM');
  const killTimer = setTimeout(() => signalGroup(child.pid ?? 0, 'SIGKILL'), graceMs);
  await ended;
  clearTimeout(killTimer);
  // What it had started and left behind goes with it.
  signalGroup(child.pid, 'SIGKILL');
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  if (pid <= 0) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // the group is gone
  }
}

const live = new Set<RunningProcess>();
const stoppers: (() => Promise<void>)[] = [];
let guarded = false;
let ending = false;

/**
 * On SIGINT, SIGTERM and SIGHUP the registered functions run, the last registered first, and then the process ends;
 * a second signal does not wait for them. A program that handles the signal itself keeps its own order.
 */
export function onTermination(stop: () => Promise<void>): void {
  stoppers.push(stop);
  guardExit();
}

/** However we end, short of kill -9, our children end too. */
function guardExit(): void {
  if (guarded) return;
  guarded = true;
  process.on('exit', () => {
    for (const { pid } of live) signalGroup(pid, 'SIGTERM');
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (process.listenerCount(signal) > 1) return;
      const code = 128 + constants.signals[signal];
      if (ending) process.exit(code);
      ending = true;
      void stopEverything().then(() => process.exit(code));
    });
  }
}

async function stopEverything(): Promise<void> {
  // One that cannot be stopped must not keep the others running.
  for (const stop of stoppers.toReversed()) await stop().catch(() => undefined);
  for (const running of [...live].toReversed()) await running.stop().catch(() => undefined);
}

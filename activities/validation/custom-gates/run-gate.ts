/**
 * A module of gates runs in a process of its own: one that hangs or eats memory is ended, whatever it does, and the worker's
 * credentials, files and environment are not in its reach. The network, sockets and signals Node cannot forbid: docs/gates.md says
 * what that leaves.
 */
import { spawn, type ChildProcess, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { Judged } from '../../../pipelines/custom-gates.ts';
import { readAnswer } from './answer.ts';
import { closeInspector } from '../../../artifacts/no-inspector.ts';

/** Where the evidence of a gate lies. */
export interface GateEvidence {
  readonly judges: Judged;
  /** JSON: the evaluation's details. */
  readonly detailsFile: string;
  /** The name of the rows in it. */
  readonly list: string;
  /** JSON lines of all rows, where they are not those of the details. */
  readonly rowsFile?: string;
  /** 32-bit floats, a number a label, row by row. */
  readonly probabilitiesFile?: string;
}
export type GateTask =
  | { readonly source: string }
  | { readonly source: string; readonly name: string; readonly evidence: GateEvidence };

export interface GateLimits {
  readonly mostMs: number;
  readonly mostMb: number;
}
/** Longer than a minute and a function waits for something, which a measure must not; 20,000 rows are some 10 MB. */
export const GATE_LIMITS: GateLimits = { mostMs: 60_000, mostMb: 1024 };

/** What it gives, whatever that is, or why it gave nothing. */
export type GateAnswer =
  | { readonly value?: unknown }
  | {
      readonly problem: string;
      /** The clock ended it: on a machine with less to do it may give something. */
      readonly outOfTime?: true;
    };

type GateProcess = ChildProcessByStdio<Writable, null, null>;

const PROGRAM = fileURLToPath(new URL('gate-process.mjs', import.meta.url));
/** Node itself takes some 50 MB, and memory that is freed is not given back at once. */
const BESIDE_MB = 256;
const LOOKED_AFTER_MS = 100;
/** Where the process writes its answer. */
const ANSWER_PIPE = 3;
/** How a process ends by what it did itself; any other signal somebody sent, be it the system that is out of memory. */
const OWN_SIGNALS: ReadonlySet<string> = new Set([
  'SIGABRT',
  'SIGBUS',
  'SIGFPE',
  'SIGILL',
  'SIGSEGV',
  'SIGSYS',
  'SIGTRAP',
]);

/** Throws where `signal` ends it, and retryably where its process could not begin or was ended by somebody else: that is no measurement. */
export async function runGate(
  task: GateTask,
  signal: AbortSignal | undefined,
  { mostMs, mostMb }: GateLimits = GATE_LIMITS,
): Promise<GateAnswer> {
  signal?.throwIfAborted();
  closeInspector();
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'espalier-gate-')));
  try {
    return await answerOf(await startGate(task, folder, mostMb), task, signal, { mostMs, mostMb });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** In a folder of its own, with nothing in it. */
async function startGate(task: GateTask, folder: string, mostMb: number): Promise<GateProcess> {
  const program = await realpath(PROGRAM);
  const files =
    'name' in task ? [task.evidence.detailsFile, task.evidence.rowsFile, task.evidence.probabilitiesFile] : [];
  const evidence = await Promise.all(files.filter((file) => file !== undefined).map((file) => realpath(file)));
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  const options = [
    // It may read itself and the evidence, write nothing, and start nothing.
    permission,
    ...[program, ...evidence].map((file) => `--allow-fs-read=${file}`),
    `--max-old-space-size=${mostMb}`,
  ];
  try {
    const child = spawn(process.execPath, [...options, program], {
      cwd: folder,
      env: {},
      // No channel of Node's: what comes by that is taken in whole, however much it is.
      stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    });
    await once(child, 'spawn');
    return child as unknown as GateProcess;
  } catch (error) {
    throw notRun(task, `could not be started: ${(error as Error).message}`, error);
  }
}

async function answerOf(
  child: GateProcess,
  task: GateTask,
  signal: AbortSignal | undefined,
  { mostMs, mostMb }: GateLimits,
): Promise<GateAnswer> {
  const closed = new Promise<{ readonly code: number | null; readonly killedBy: NodeJS.Signals | null }>((resolve) => {
    child.once('close', (code, killedBy) => resolve({ code, killedBy }));
  });
  child.on('error', () => {}); // a signal that could not be sent
  let ended: GateAnswer | undefined;
  const end = (why: GateAnswer): void => {
    ended ??= why;
    child.kill('SIGKILL');
  };
  const overMemory = { problem: `it took more than ${mostMb} MB of memory` };
  const abort = (): void => end({ problem: 'it was stopped' });
  signal?.addEventListener('abort', abort);
  if (signal?.aborted === true) abort();
  const late = setTimeout(() => end({ problem: `it took longer than ${mostMs / 1000} s`, outOfTime: true }), mostMs);
  const watch = setInterval(() => {
    void residentMb(child).then((mb) => mb > mostMb + BESIDE_MB && end(overMemory));
  }, LOOKED_AFTER_MS);
  try {
    child.stdin.on('error', () => {}); // a process that is gone has closed
    child.stdin.end(JSON.stringify(task));
    const answer = await readAnswer(child.stdio[ANSWER_PIPE] as Readable);
    child.kill('SIGKILL');
    const { code, killedBy } = await closed;
    signal?.throwIfAborted();
    if (ended !== undefined) return ended;
    if (answer !== undefined) return answer;
    // What V8 does where there is no more heap.
    if (killedBy === 'SIGABRT') return overMemory;
    const how = `ended ${killedBy === null ? `with ${code}` : `by ${killedBy}`}`;
    if (killedBy !== null && !OWN_SIGNALS.has(killedBy)) throw notRun(task, `was ${how} from elsewhere`);
    return { problem: `its process ${how} and gave nothing` };
  } finally {
    clearTimeout(late);
    clearInterval(watch);
    signal?.removeEventListener('abort', abort);
  }
}

function notRun(task: GateTask, what: string, cause?: unknown): EspalierError {
  const whose = 'name' in task ? `the gate '${task.name}'` : 'the module of gates';
  return new EspalierError('Internal', `the process of ${whose} ${what}`, {
    where: 'name' in task ? `customGates.${task.name}` : 'ESPALIER_GATES',
    fix: 'see that the worker has memory and processes left; the step is tried again by itself',
    cause,
  });
}

/** What it holds of memory outside of the heap, too; 0 where the system does not say. */
async function residentMb({ pid }: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024) / 1e6;
}

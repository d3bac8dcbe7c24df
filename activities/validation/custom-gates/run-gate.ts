/**
 * A module of gates runs in a process of its own: one that hangs or eats memory is ended, whatever it does, and the worker's
 * credentials, files and environment are not in its reach. It may reach the network, as Node cannot forbid that.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { readFile, realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Judged } from '../../../pipelines/custom-gates.ts';

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
export type GateAnswer = { readonly value?: unknown } | { readonly problem: string };

const PROGRAM = fileURLToPath(new URL('gate-process.mjs', import.meta.url));
/** Node itself takes some 50 MB, and memory that is freed is not given back at once. */
const BESIDE_MB = 256;
const LOOKED_AFTER_MS = 100;

/** Throws only where `signal` ends it. */
export async function runGate(
  task: GateTask,
  signal: AbortSignal | undefined,
  { mostMs, mostMb }: GateLimits = GATE_LIMITS,
): Promise<GateAnswer> {
  signal?.throwIfAborted();
  const program = await realpath(PROGRAM);
  const child = fork(program, {
    execArgv: [...(await permissions(program, task)), `--max-old-space-size=${mostMb}`],
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    // A number that is not finite is told from none.
    serialization: 'advanced',
  });
  let ended: string | undefined;
  const end = (why: string): void => {
    ended ??= why;
    child.kill('SIGKILL');
  };
  const abort = (): void => end('it was stopped');
  signal?.addEventListener('abort', abort);
  const late = setTimeout(() => end(`it took longer than ${mostMs / 1000} s`), mostMs);
  const watch = setInterval(() => {
    void residentMb(child).then((mb) => mb > mostMb + BESIDE_MB && end(`it took more than ${mostMb} MB of memory`));
  }, LOOKED_AFTER_MS);
  try {
    const answer = await answerOf(child, task, mostMb);
    signal?.throwIfAborted();
    return ended === undefined ? answer : { problem: ended };
  } finally {
    clearTimeout(late);
    clearInterval(watch);
    signal?.removeEventListener('abort', abort);
    child.kill('SIGKILL');
  }
}

/** It may read itself and the evidence, write nothing, and start nothing. */
async function permissions(program: string, task: GateTask): Promise<readonly string[]> {
  const files =
    'name' in task ? [task.evidence.detailsFile, task.evidence.rowsFile, task.evidence.probabilitiesFile] : [];
  const evidence = await Promise.all(files.filter((file) => file !== undefined).map((file) => realpath(file)));
  const permission = process.allowedNodeEnvironmentFlags.has('--permission')
    ? '--permission'
    : '--experimental-permission';
  return [permission, ...[program, ...evidence].map((file) => `--allow-fs-read=${file}`)];
}

function answerOf(child: ChildProcess, task: GateTask, mostMb: number): Promise<GateAnswer> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as GateAnswer));
    child.once('error', (error) => resolve({ problem: error.message }));
    // What V8 does where there is no more heap.
    child.once('close', (code, killedBy) =>
      resolve({
        problem:
          killedBy === 'SIGABRT'
            ? `it took more than ${mostMb} MB of memory`
            : `its process ended ${killedBy === null ? `with ${code}` : `by ${killedBy}`} and gave nothing`,
      }),
    );
    child.send(task, () => {}); // a process that is gone has closed
  });
}

/** What it holds of memory outside of the heap, too; 0 where the system does not say. */
async function residentMb({ pid }: ChildProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return (Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024) / 1e6;
}

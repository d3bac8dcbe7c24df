/** One message to one program: no shell, an almost empty environment, an end in time, and its last words in the log. */
import { spawn } from 'node:child_process';
import type { Attempt, Message } from './message.ts';
import type { CommandNotifier, Environment } from './notifiers.ts';
import { withTimeLimit } from '../../artifacts/time-limit.ts';

/** Of what it writes, its last. */
const MAX_OUTPUT_BYTES = 2048;
/** After its end, what it wrote may still be on its way. */
const LAST_WORDS_MS = 500;
/** Shorter values are words that occur anyway. */
const MIN_HIDDEN = 6;

/** Runs it once with the message on its standard input. Never throws: what went wrong is the attempt's outcome. */
export async function runCommand(
  { argv, passEnvironment, timeoutSeconds }: CommandNotifier,
  message: Message,
  env: Environment,
  signal: AbortSignal,
): Promise<Attempt> {
  const [program = '', ...args] = argv;
  const passed = passEnvironment.filter((name) => env[name] !== undefined);
  const shown = ['PATH', 'HOME', 'LANG', ...passed].flatMap((name) => {
    const value = env[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  const hidden = passed.map((name) => env[name] ?? '').filter((value) => value.length >= MIN_HIDDEN);
  // The cut may go through a secret: as much more is kept, and taken away again once the whole ones are hidden.
  const margin = Math.max(0, ...hidden.map((value) => Buffer.byteLength(value)));
  const keptBytes = MAX_OUTPUT_BYTES + margin;
  const { code, output, stopped } = await withTimeLimit(timeoutSeconds * 1000, signal, async (limit) => {
    const ended = await execute(program, args, Object.fromEntries(shown), message.body, keptBytes, limit);
    return { ...ended, stopped: limit.aborted };
  });
  const whole = hidden.reduce((text, value) => text.replaceAll(value, '***'), output.toString('utf8'));
  const said = (output.length < keptBytes ? whole : whole.slice(margin)).trim();
  const log = said === '' ? {} : { output: said };
  if (code === 0) return { ok: true, status: 0, detail: 'exited with 0', ...log };
  if (stopped) return { ok: false, final: false, detail: `stopped after ${timeoutSeconds} s`, ...log };
  if (typeof code === 'string') return { ok: false, final: false, detail: `cannot be started (${code})`, ...log };
  return { ok: false, final: false, status: code, detail: `exited with ${code}`, ...log };
}

interface Execution {
  /** The exit code, or why it was never started; -1 when a signal ended it. */
  readonly code: number | string;
  readonly output: Buffer;
}

function execute(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  input: string,
  keptBytes: number,
  limit: AbortSignal,
): Promise<Execution> {
  return new Promise((resolve) => {
    // A group of its own, so that what it has started ends with it.
    const child = spawn(program, args, { env, cwd: '/', detached: true, stdio: 'pipe' });
    let output = Buffer.alloc(0);
    const keep = (chunk: Buffer): void => {
      output = Buffer.concat([output, chunk]).subarray(-keptBytes);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    // One that does not read it has not failed by that.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    const stop = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // It has just ended.
      }
    };
    const end = (code: number | string): void => {
      limit.removeEventListener('abort', stop);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ code, output });
    };
    if (limit.aborted) stop();
    else limit.addEventListener('abort', stop, { once: true });
    child.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? 'unknown'));
    child.once('exit', (code) => {
      stop(); // what it left behind in its group
      // A grandchild that has left the group and holds the pipes must not hold the delivery, too.
      setTimeout(() => end(code ?? -1), LAST_WORDS_MS).unref();
      child.once('close', () => end(code ?? -1));
    });
  });
}

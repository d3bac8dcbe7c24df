/** What the pools of models and of generators do alike with a worker thread. */
import type { Worker } from 'node:worker_threads';
import { definedOnly } from '../artifacts/defined-only.ts';
import { ERROR_KINDS, EspalierError, type ErrorRecord } from '../artifacts/errors.ts';

/**
 * Tells a worker to end, and waits until it has: by itself, when it has loaded what it is loading. `terminate` in the
 * middle of the runtime's native code aborts the whole process.
 */
export async function endWorker(worker: Worker, message: 'release' | 'crash'): Promise<void> {
  const ended = new Promise((resolve) => worker.once('exit', resolve));
  worker.postMessage(message);
  await ended;
}

/** The file of the worker `name` beside this one, compiled or from sources like this one. */
export function workerEntry(name: string): URL {
  const compiled = new URL(import.meta.url).pathname.endsWith('.js');
  return new URL(compiled ? `./${name}.js` : `./${name}.source.mjs`, import.meta.url);
}

/** An error as it was before it crossed the border between threads as plain data. */
export function errorOf({ kind, message, where, fix, retryable }: ErrorRecord): EspalierError {
  const known = Object.hasOwn(ERROR_KINDS, kind) ? kind : 'Internal';
  return new EspalierError(known, message, definedOnly({ where, fix, retryable }));
}

/** Tells once why a worker ended; `what` it was, where it says nothing itself. */
export function whenEnded(worker: Worker, what: string, tell: (error: Error) => void): void {
  let cause: Error | undefined;
  worker.on('error', (error: Error) => {
    cause = uncaught(error);
  });
  worker.on('exit', (code) => tell(cause ?? new EspalierError('Internal', `${what} ended with code ${code}`)));
}

/**
 * What ended a worker: an error that nobody there caught arrives without its class, but with its own properties. Its kind
 * says whether loading is worth another try.
 */
function uncaught(error: Error & Partial<ErrorRecord>): Error {
  const { kind, message, where, fix, retryable } = error;
  if (kind === undefined || retryable === undefined) return error;
  return errorOf({ kind, message, retryable, ...definedOnly({ where, fix }) });
}

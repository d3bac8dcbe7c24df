/** What the pools of models and of generators do alike with a worker thread. */
import type { Worker } from 'node:worker_threads';

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

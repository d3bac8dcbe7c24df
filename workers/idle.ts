/** Ends a worker that has nothing to do, where nobody else would: on a machine of its own that somebody pays for. */
import { EspalierError } from '../artifacts/errors.ts';
import type { Environment } from '../client/connection.ts';

const LOOK_EVERY_MS = 500;

/** `ESPALIER_IDLE_SECONDS` in milliseconds; undefined when unset: the worker waits for work without end. Throws BadConfig. */
export function idleLimitMs(env: Environment): number | undefined {
  const value = env['ESPALIER_IDLE_SECONDS'];
  if (!value) return undefined;
  const seconds = Number(value);
  if (seconds > 0) return seconds * 1000;
  throw new EspalierError('BadConfig', `ESPALIER_IDLE_SECONDS is '${value}'`, {
    where: 'ESPALIER_IDLE_SECONDS',
    fix: 'give a number of seconds above 0, or leave it out',
  });
}

/** Calls `end` once when `busy` has been false for the whole limit. Gives what stops the watch. */
export function endWhenIdle(limitMs: number, busy: () => boolean, end: () => void): () => void {
  let idleSinceMs = Date.now();
  const timer = setInterval(() => {
    if (busy()) idleSinceMs = Date.now();
    if (Date.now() - idleSinceMs < limitMs) return;
    clearInterval(timer);
    end();
  }, LOOK_EVERY_MS);
  return () => clearInterval(timer);
}

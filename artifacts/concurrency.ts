/** Bounded parallel work and retries for transfers. */
import { setTimeout as sleep } from 'node:timers/promises';
import { isTransient } from './storage-errors.ts';

export type Limit = <T>(task: () => Promise<T>) => Promise<T>;

/** At most `slots` tasks at a time; the others wait in order. */
export function limiter(slots: number): Limit {
  const waiting: (() => void)[] = [];
  let free = slots;
  return async (task) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}

/**
 * Runs `task` for every item, `width` at a time. The first failure stops the others through the signal they are given;
 * it is thrown once they have all ended, so that nothing is still writing afterwards.
 */
export async function forEachParallel<T>(
  items: readonly T[],
  width: number,
  signal: AbortSignal | undefined,
  task: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const either = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
  const queue = items.values();
  let failure: { error: unknown } | undefined;
  const worker = async (): Promise<void> => {
    for (const item of queue) {
      if (either.aborted) return;
      try {
        await task(item, either);
      } catch (error) {
        failure ??= { error };
        stop.abort();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
  signal?.throwIfAborted();
  if (failure !== undefined) throw failure.error;
}

/** Five tries over about three seconds: longer than a restart of the embedded gateway, shorter than patience. */
const BACKOFF_MS = [200, 400, 800, 1600];

/**
 * Repeats what failed for want of a network. The SDK does not retry stream bodies; `attempt` makes a fresh one.
 * `progressed` (bytes so far) gives new tries to a transfer that is still getting on.
 */
export async function retrying<T>(
  attempt: () => Promise<T>,
  signal: AbortSignal | undefined,
  progressed: () => number = () => 0,
): Promise<T> {
  let failures = 0;
  let seen = progressed();
  for (;;) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      if (progressed() > seen) failures = 0;
      seen = progressed();
      const delay = BACKOFF_MS[failures++];
      if (signal?.aborted === true || delay === undefined || !isTransient(error)) throw error;
      await sleep(delay * (0.75 + Math.random() / 2), undefined, signal === undefined ? {} : { signal });
    }
  }
}

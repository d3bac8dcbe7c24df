/** What to do about a training's worker, by what was seen of its job so far. Pure: the clock is an argument. */
import type { WorkerJob } from './cluster.ts';

/** All that is remembered between two looks. */
export interface Standing {
  /** When there last was a worker; at first, when one was first wanted. */
  readonly workerAtMs: number;
  /** Since when the present job runs. */
  readonly runningSinceMs?: number;
  /** Since when the present job waits for what does not come by itself. */
  readonly hopelessSinceMs?: number;
  /** Jobs in a row that ended before one had run for a minute. */
  readonly ends: number;
}

export interface Limits {
  /** Longest time without a worker. */
  readonly startMs: number;
  /** Longest hopeless wait: a registry may be away for a moment. */
  readonly hopelessMs: number;
}

export const HOPELESS_MS = 5 * 60_000;
/** A worker that runs for so long has been of use. */
export const SETTLED_MS = 60_000;
/** Every job ends so early: it is the worker, not its machine. */
export const MAX_ENDS = 5;
const MAX_PAUSE_MS = 30_000;

export type Verdict =
  | { readonly action: 'wait' }
  /** The first at once, replacements of workers that do not last ever slower. */
  | { readonly action: 'submit'; readonly afterMs: number }
  | { readonly action: 'give-up'; readonly problem: string };

/** `seen`: the present job; undefined when there is none. */
export function judge(
  before: Standing,
  seen: Pick<WorkerJob, 'state' | 'reason' | 'hopeless'> | undefined,
  nowMs: number,
  limits: Limits,
): { readonly standing: Standing; readonly verdict: Verdict } {
  const { workerAtMs, ends } = before;
  if (seen === undefined) return { standing: before, verdict: { action: 'submit', afterMs: 0 } };
  if (seen.state === 'running') {
    const runningSinceMs = before.runningSinceMs ?? nowMs;
    const settled = nowMs - runningSinceMs >= SETTLED_MS;
    return {
      standing: { workerAtMs: nowMs, runningSinceMs, ends: settled ? 0 : ends },
      verdict: { action: 'wait' },
    };
  }
  if (seen.state === 'ended') {
    const standing = { workerAtMs, ends: ends + 1 };
    if (standing.ends >= MAX_ENDS) {
      const problem = `its worker ended ${MAX_ENDS} times in a row soon after it began; the last time: ${seen.reason}`;
      return { standing, verdict: { action: 'give-up', problem } };
    }
    const afterMs = ends === 0 ? 0 : Math.min(1000 * 2 ** ends, MAX_PAUSE_MS);
    return { standing, verdict: { action: 'submit', afterMs } };
  }
  const hopelessSinceMs = seen.hopeless === true ? (before.hopelessSinceMs ?? nowMs) : undefined;
  const standing = { workerAtMs, ends, ...(hopelessSinceMs === undefined ? {} : { hopelessSinceMs }) };
  if (hopelessSinceMs !== undefined && nowMs - hopelessSinceMs >= limits.hopelessMs) {
    return { standing, verdict: { action: 'give-up', problem: `its worker cannot start: ${seen.reason}` } };
  }
  return { standing, verdict: patience(standing, seen.reason, nowMs, limits) };
}

/** Without a worker the time is limited, whatever the reason; with one nothing is urgent. */
export function patience(standing: Standing, reason: string, nowMs: number, limits: Limits): Verdict {
  const withoutMs = nowMs - standing.workerAtMs;
  if (standing.runningSinceMs !== undefined || withoutMs < limits.startMs) return { action: 'wait' };
  const minutes = Math.round(withoutMs / 60_000);
  return { action: 'give-up', problem: `it has had no worker for ${minutes} min: ${reason}` };
}

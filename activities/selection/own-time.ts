/**
 * What a run took by itself: the time on the clock less that in which it stood ready and other work had the cores. Linux counts
 * that wait for each thread (`/proc/self/schedstat`, sched-stats.rst of the kernel). A wait for anything else than a core
 * (a sleep, a disk, a page, a lock) is not among it, and stays the run's own; so does a wait for the run's own other threads. Pure.
 */

/** Of one run: on the clock, and by itself. */
export interface RunTime {
  readonly clockMs: number;
  readonly ownMs: number;
  /** What it computed: by its first thread, or by all of them spread over all cores, whichever is more. On a free machine with caches as warm it takes no less. */
  readonly leastMs: number;
}

/** Of one thread: ready without a core, and computing. */
export interface ThreadTimes {
  readonly waitedMs: number;
  readonly threadCpuMs: number;
}

/** What the kernel has counted since the process began; the times are those of the first thread, the one that runs JavaScript and the model. */
export interface Counters extends ThreadTimes {
  /** Of all threads. */
  readonly processCpuMs: number;
  /** How often the process waited for a disk: pages that were not in memory, and reads. */
  readonly diskWaits: number;
}
export interface ReadCounters {
  /** Undefined where the system has none. */
  readonly process: () => Counters | undefined;
  /** Of each other thread (tokens, pictures, garbage), always in the same order. */
  readonly helpers: () => readonly ThreadTimes[];
  /** How many threads of the process can compute at once: the cores that it may use. */
  readonly cores: number;
}

/** `text`: a thread's run time, wait and number of slices, times in nanoseconds. Undefined where the kernel does not count. */
export function parseSchedstat(text: string): ThreadTimes | undefined {
  const [, ran, waited] = /^(\d+) (\d+) \d+\s*$/.exec(text) ?? [];
  if (ran === undefined || waited === undefined || Number(ran) === 0) return undefined;
  return { waitedMs: Number(waited) / 1e6, threadCpuMs: Number(ran) / 1e6 };
}

/**
 * Wait that the rest of the machine caused, within `spanMs` on the clock. All of it that the first thread stood ready, less what
 * the process's own threads may have taken its core for; and of the time that it neither computed nor stood ready as much as
 * one other thread (`helpers`, since the run began), that it handed a part to, stood ready for longer than all others but the first
 * computed, as they may have had the core it stood ready for. If it waited for a disk, all such time is its own.
 */
export function waitedForOthersMs(
  from: Counters,
  to: Counters,
  helpers: readonly ThreadTimes[],
  spanMs: number,
): number {
  const threadMs = to.threadCpuMs - from.threadCpuMs;
  const readyMs = Math.max(0, to.waitedMs - from.waitedMs);
  const blockedMs = Math.max(0, spanMs - threadMs - readyMs);
  const helpersCpuMs = Math.max(0, to.processCpuMs - from.processCpuMs - threadMs);
  const byOthersMs = helpers.map((helper) => helper.waitedMs - Math.max(0, helpersCpuMs - helper.threadCpuMs));
  const handedMs = to.diskWaits > from.diskWaits ? 0 : Math.min(blockedMs, Math.max(0, ...byOthersMs));
  // Helpers compute while the first thread waits for them; only what they computed besides can have kept it from its core.
  const besidesMs = Math.max(0, helpersCpuMs - (blockedMs - handedMs));
  return Math.max(0, readyMs - besidesMs) + handedMs;
}

/** A reading that took longer was interrupted, so that what it read is not of its moment. */
const CALM_MS = 0.1;
const MOST_READINGS = 5;

/**
 * Starts a run; each call of what it returns tells the time since. The process's counters are read outside of the run's own
 * clock, inside of a wider one: a wait between the two clocks is never taken off a run that did not have it. A run's own time is
 * at least what all threads of the process computed, spread over all cores: no machine has it done sooner.
 */
export function startRun(read: ReadCounters, now: () => number = () => performance.now()): () => RunTime {
  const helpersBefore = read.helpers();
  const from = readCalmly(read, now);
  const start = now();
  return () => {
    const clockMs = now() - start;
    const to = readCalmly(read, now);
    if (from.counters === undefined || to.counters === undefined) return { clockMs, ownMs: clockMs, leastMs: 0 };
    const helpers = read.helpers().map((times, helper) => since(helpersBefore[helper] ?? times, times));
    const outerMs = to.endMs - from.startMs;
    const computedMs = Math.max(0, to.counters.processCpuMs - from.counters.processCpuMs);
    const spreadMs = computedMs / read.cores;
    const ownMs = Math.max(spreadMs, outerMs - waitedForOthersMs(from.counters, to.counters, helpers, outerMs));
    const firstMs = Math.max(0, to.counters.threadCpuMs - from.counters.threadCpuMs);
    return { clockMs, ownMs: Math.min(clockMs, ownMs), leastMs: Math.min(clockMs, Math.max(firstMs, spreadMs)) };
  };
}

function since(before: ThreadTimes, now: ThreadTimes): ThreadTimes {
  return { waitedMs: now.waitedMs - before.waitedMs, threadCpuMs: now.threadCpuMs - before.threadCpuMs };
}

function readCalmly(
  read: ReadCounters,
  now: () => number,
): { readonly startMs: number; readonly counters: Counters | undefined; readonly endMs: number } {
  for (let reading = 1; ; reading++) {
    const startMs = now();
    const counters = read.process();
    const endMs = now();
    if (endMs - startMs <= CALM_MS || reading === MOST_READINGS) return { startMs, counters, endMs };
  }
}

/** What counts: a run's own time where the machine told it, else the clock's. */
export function countedMs(times: readonly RunTime[], told: boolean): readonly number[] {
  return times.map(({ clockMs, ownMs }) => (told ? ownMs : clockMs));
}

/** Share of the time on the clock that was waited for a core and does not count; null where nothing told it. */
export function waitedShare(times: readonly RunTime[], told: boolean): number | null {
  if (!told) return null;
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const clockMs = sum(countedMs(times, false));
  return clockMs > 0 ? 1 - sum(countedMs(times, true)) / clockMs : 0;
}

/**
 * How busy the machine was: the larger of what the runs say and of what they say with their warm-up. A starved machine may leave a
 * single run that nobody disturbed, which the warm-up shows; and a warm-up counts waits as the model's own that a thread had which
 * began only then, and those for a disk, so that it may hide how starved the runs were.
 */
export function largestWaitedShare(
  warmUps: readonly RunTime[],
  times: readonly RunTime[],
  told: boolean,
): number | null {
  const shares = [times, [...warmUps, ...times]].flatMap((of) => waitedShare(of, told) ?? []);
  return shares.length === 0 ? null : Math.max(...shares);
}

/** Times runs of this process on Linux's own counters: the arithmetic is own-time.ts. */
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseSchedstat, startRun, type ReadCounters, type RunTime } from './own-time.ts';
import { throttledSoFar } from './throttling.ts';

export interface OwnClock {
  /** Starts a run; each call of what it returns tells the time since. Call both on the process's first thread. */
  readonly start: () => () => RunTime;
  /**
   * Whether the own times of all runs so far can be trusted: the kernel counts waits, and no quota stopped the process, whose stops
   * might count as waits as well. If not, the clock counts.
   */
  readonly told: () => boolean;
  readonly close: () => void;
}

/** Counts the threads that there are now: open it once all have begun. */
export function openOwnClock(): OwnClock {
  const throttledBefore = throttledSoFar();
  const counters = openCounters();
  return {
    start: () => startRun(counters.read),
    told: () => counters.read.process() !== undefined && throttledSoFar() === throttledBefore,
    close: counters.close,
  };
}

/** Counters of this process; none where the system has none (not Linux, or not counted). */
function openCounters(): { readonly read: ReadCounters; readonly close: () => void } {
  const first = openThread(process.pid);
  if (first === undefined)
    return { read: { process: () => undefined, helpers: () => [], cores: 1 }, close: () => undefined };
  const helpers = readdirSync('/proc/self/task').flatMap((thread) =>
    Number(thread) === process.pid ? [] : (openThread(Number(thread)) ?? []),
  );
  return {
    read: {
      process: () => {
        // First, since it also brings the running thread's own count up to the moment.
        const { userCPUTime, systemCPUTime, majorPageFault, fsRead } = process.resourceUsage();
        const counted = parseSchedstat(readThread(first));
        return counted === undefined
          ? undefined
          : { ...counted, processCpuMs: (userCPUTime + systemCPUTime) / 1000, diskWaits: majorPageFault + fsRead };
      },
      helpers: () => helpers.map((helper) => parseSchedstat(readThread(helper)) ?? { waitedMs: 0, threadCpuMs: 0 }),
      // Whatever a quota pays for: within one of its periods threads may have as many as there are.
      cores: availableParallelism(),
    },
    close: () => [first, ...helpers].forEach((file) => closeSync(file)),
  };
}

function openThread(thread: number): number | undefined {
  try {
    return openSync(`/proc/self/task/${thread}/schedstat`, 'r');
  } catch {
    return undefined;
  }
}

const buffer = Buffer.alloc(128);
/** Empty of a thread that has ended. */
function readThread(file: number): string {
  try {
    return buffer.toString('latin1', 0, readSync(file, buffer, 0, buffer.length, 0));
  } catch {
    return '';
  }
}

/**
 * Whether a limit of its own holds a process back (a container's CPU quota). Such a wait is what the declared hardware gives,
 * not what neighbours took: it may never be taken off a latency.
 */
import { readFileSync } from 'node:fs';
import { controlGroups } from '../../inference/allotted.ts';

/** The `cpu.stat` files of a process's control group and of all above it. `text`: its `/proc/self/cgroup`, of version 1, 2 or both. */
export function throttlingFiles(text: string): readonly string[] {
  return controlGroups(text, 'cpu').map((folder) => `${folder}/cpu.stat`);
}

/** How often one of them was stopped; 0 without such a line. */
export function timesThrottled(cpuStat: string): number {
  return Number(/^nr_throttled (\d+)$/m.exec(cpuStat)?.[1] ?? 0);
}

/** How often this process's groups were stopped so far; 0 where the system has none. */
export function throttledSoFar(): number {
  return throttlingFiles(textOf('/proc/self/cgroup')).reduce((sum, file) => sum + timesThrottled(textOf(file)), 0);
}

/** Empty where there is none: a group above may be outside of what a container sees. */
function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

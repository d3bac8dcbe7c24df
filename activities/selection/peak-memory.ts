/** The most memory that this process has had resident. */
import { readFileSync } from 'node:fs';

/**
 * Megabytes (10⁶ bytes). Linux carries the `maxRSS` of whoever started a process over to it (exec keeps the high-water mark), so that
 * a child of a large worker would be as large: the kernel's own mark of this process's memory, VmHWM (proc_pid_status(5)), is read
 * where there is one.
 */
export function peakMemoryMb(): number {
  return (highWaterKib() ?? process.resourceUsage().maxRSS) * (1024 / 1e6);
}

function highWaterKib(): number | undefined {
  if (process.platform !== 'linux') return undefined;
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return kib === undefined ? undefined : Number(kib);
  } catch {
    return undefined;
  }
}

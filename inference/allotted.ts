/** What of its machine this process may use: a container's limits hold, however many cores and however much memory the host has. */
import { readFileSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { join } from 'node:path';

type Controller = 'cpu' | 'memory';

/**
 * The folders of a process's control group and of all above it, the outermost first of each version. `text`: its
 * `/proc/self/cgroup`, of version 1, 2 or both (cgroups(7)). Pure.
 */
export function controlGroups(text: string, controller: Controller): readonly string[] {
  return text.split('\n').flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    if (controllers !== '' && !controllers.split(',').includes(controller)) return [];
    const root = controllers === '' ? '/sys/fs/cgroup' : `/sys/fs/cgroup/${controller}`;
    const parts = path.split('/').filter((part) => part !== '' && part !== '..');
    return Array.from({ length: parts.length + 1 }, (_, depth) => [root, ...parts.slice(0, depth)].join('/'));
  });
}

/**
 * Cores that may be used at once: of those that the system lets this process run on as many as the narrowest CPU quota pays for in
 * full, one at least. `root`: where the system's files are.
 */
export function allottedCores(root = '/', cores = availableParallelism()): number {
  const quotas = folders(root, 'cpu').flatMap((folder) => {
    const [quota, period] = read(folder, 'cpu.max')?.split(' ') ?? [
      read(folder, 'cpu.cfs_quota_us'),
      read(folder, 'cpu.cfs_period_us'),
    ];
    return limit(Number(quota) / Number(period));
  });
  return Math.max(1, Math.floor(Math.min(cores, ...quotas)));
}

/** Bytes of memory that may be used: the machine's, or fewer where a group has a limit. */
export function allottedMemory(root = '/', bytes = totalmem()): number {
  const limits = folders(root, 'memory').flatMap((folder) =>
    limit(Number(read(folder, 'memory.max') ?? read(folder, 'memory.limit_in_bytes'))),
  );
  return Math.min(bytes, ...limits);
}

/** None where it is no number, as `max` is, or not positive, as -1 is: there is no limit then. */
function limit(value: number): readonly number[] {
  return value > 0 ? [value] : [];
}

function folders(root: string, controller: Controller): readonly string[] {
  return controlGroups(read(join(root, 'proc/self'), 'cgroup') ?? '', controller).map((folder) => join(root, folder));
}

/** Undefined where there is none: a group above may be outside of what a container sees. */
function read(folder: string, file: string): string | undefined {
  try {
    return readFileSync(join(folder, file), 'utf8').trim();
  } catch {
    return undefined;
  }
}

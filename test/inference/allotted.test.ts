import { deepEqual, equal, ok } from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { allottedCores, allottedMemory, controlGroups } from '../../inference/allotted.ts';

describe('what a process may use of its machine', () => {
  const roots: string[] = [];
  after(() => roots.forEach((root) => rmSync(root, { recursive: true })));

  /** A folder that looks like a system with these files. */
  function system(files: Readonly<Record<string, string>>): string {
    const root = mkdtempSync(join(tmpdir(), 'espalier-allotted-'));
    roots.push(root);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    return root;
  }
  const V2 = '0::/pod/worker\n';
  const V1 = '4:memory:/pod\n2:cpu,cpuacct:/pod\n0::/\n';
  const MAX_V1 = '9223372036854771712\n';

  const cores: readonly [what: string, files: Readonly<Record<string, string>>, cores: number][] = [
    ['all that there are where no group has a quota', { 'proc/self/cgroup': V2, 'sys/fs/cgroup/pod/cpu.max': 'max 100000\n' }, 16],
    ['a quota of its own group', { 'proc/self/cgroup': V2, 'sys/fs/cgroup/pod/worker/cpu.max': '400000 100000\n' }, 4],
    ['the narrower one of a group above', { 'proc/self/cgroup': V2, 'sys/fs/cgroup/pod/cpu.max': '200000 100000\n', 'sys/fs/cgroup/pod/worker/cpu.max': '400000 100000\n' }, 2],
    ['whole cores of a quota', { 'proc/self/cgroup': V2, 'sys/fs/cgroup/pod/worker/cpu.max': '350000 100000\n' }, 3],
    ['one of less than one', { 'proc/self/cgroup': V2, 'sys/fs/cgroup/pod/worker/cpu.max': '50000 100000\n' }, 1],
    ['no more than there are', { 'proc/self/cgroup': V2, 'sys/fs/cgroup/pod/worker/cpu.max': '6400000 100000\n' }, 16],
    ['the group that a container sees as its own', { 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '300000 100000\n' }, 3],
    ['a quota of version 1', { 'proc/self/cgroup': V1, 'sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us': '250000\n', 'sys/fs/cgroup/cpu/pod/cpu.cfs_period_us': '50000\n' }, 5],
    ['none of version 1', { 'proc/self/cgroup': V1, 'sys/fs/cgroup/cpu/pod/cpu.cfs_quota_us': '-1\n', 'sys/fs/cgroup/cpu/pod/cpu.cfs_period_us': '100000\n' }, 16],
    ['that of version 1 in a container which does not see its host’s path', { 'proc/self/cgroup': '2:cpu,cpuacct:/docker/abc\n', 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '200000\n', 'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n' }, 2],
    ['all that there are on a system without groups', {}, 16],
  ]; // prettier-ignore
  for (const [what, files, expected] of cores) {
    it(`are cores: ${what}`, () => equal(allottedCores(system(files), 16), expected));
  }

  const memory: readonly [what: string, files: Readonly<Record<string, string>>, bytes: number][] = [
    ['the limit of its group', { 'proc/self/cgroup': V2, 'sys/fs/cgroup/pod/worker/memory.max': '2000000000\n' }, 2e9],
    ['the narrowest of those above', { 'proc/self/cgroup': V2, 'sys/fs/cgroup/pod/memory.max': '1000000000\n', 'sys/fs/cgroup/pod/worker/memory.max': 'max\n' }, 1e9],
    ['the machine’s where nothing limits it', { 'proc/self/cgroup': V2, 'sys/fs/cgroup/pod/worker/memory.max': 'max\n' }, 8e9],
    ['a limit of version 1', { 'proc/self/cgroup': V1, 'sys/fs/cgroup/memory/pod/memory.limit_in_bytes': '3000000000\n' }, 3e9],
    ['the machine’s where version 1 writes a number that is none', { 'proc/self/cgroup': V1, 'sys/fs/cgroup/memory/pod/memory.limit_in_bytes': MAX_V1 }, 8e9],
  ]; // prettier-ignore
  for (const [what, files, expected] of memory) {
    it(`is memory: ${what}`, () => equal(allottedMemory(system(files), 8e9), expected));
  }

  it('is no more than this machine has, and something', () => {
    ok(allottedCores() >= 1 && allottedCores() <= availableParallelism());
    ok(allottedMemory() > 1e8 && allottedMemory() <= totalmem());
    deepEqual(controlGroups(V1, 'memory'), ['/sys/fs/cgroup/memory', '/sys/fs/cgroup/memory/pod', '/sys/fs/cgroup']);
  });
});

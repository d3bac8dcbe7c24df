import assert from 'node:assert/strict';
import { throttledSoFar, throttlingFiles, timesThrottled } from '../../activities/selection/throttling.ts';

describe('the stops of a process by a quota of its own', () => {
  it('are counted of its control group and of all above it, in both versions', () => {
    assert.deepEqual(throttlingFiles('0::/workers.slice/espalier.service\n'), [
      '/sys/fs/cgroup/cpu.stat',
      '/sys/fs/cgroup/workers.slice/cpu.stat',
      '/sys/fs/cgroup/workers.slice/espalier.service/cpu.stat',
    ]);
    assert.deepEqual(throttlingFiles('9:name=systemd:/a\n4:memory:/b\n3:cpuset:/c\n2:cpu,cpuacct:/pod\n1:cpu:/\n'), [
      '/sys/fs/cgroup/cpu/cpu.stat',
      '/sys/fs/cgroup/cpu/pod/cpu.stat',
      '/sys/fs/cgroup/cpu/cpu.stat',
    ]);
    assert.deepEqual(throttlingFiles('0::/../../other'), ['/sys/fs/cgroup/cpu.stat', '/sys/fs/cgroup/other/cpu.stat']);
    assert.deepEqual(throttlingFiles(''), []);
  });

  it('are none where nothing counts them', () => {
    assert.equal(timesThrottled('nr_periods 12\nnr_throttled 7\nthrottled_usec 81000\n'), 7);
    assert.equal(timesThrottled('usage_usec 12\n'), 0);
    assert.equal(timesThrottled(''), 0);
    assert.ok(Number.isSafeInteger(throttledSoFar()));
  });
});

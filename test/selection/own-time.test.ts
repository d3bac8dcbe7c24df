import assert from 'node:assert/strict';
import { array, assert as hold, double, integer, property, tuple } from 'fast-check';
import { openOwnClock } from '../../activities/selection/own-clock.ts';
import {
  countedMs,
  largestWaitedShare,
  parseSchedstat,
  startRun,
  waitedForOthersMs,
  waitedShare,
  type Counters,
  type ReadCounters,
  type ThreadTimes,
} from '../../activities/selection/own-time.ts';

/** Each reading of the clock and of the counters in turn. */
function inTurn<Value>(values: readonly Value[]): () => Value {
  let place = 0;
  return () => values[place++]!;
}
const counters = (waitedMs: number, threadCpuMs: number, processCpuMs = threadCpuMs, diskWaits = 0): Counters => ({
  waitedMs,
  threadCpuMs,
  processCpuMs,
  diskWaits,
});
const NOTHING = counters(0, 0);
const reading = (
  ofProcess: readonly (Counters | undefined)[],
  ofHelpers: readonly (readonly ThreadTimes[])[] = [[], []],
  cores = 8,
): ReadCounters => ({ process: inTurn(ofProcess), helpers: inTurn(ofHelpers), cores });
const helper = (waitedMs: number, threadCpuMs = 0): ThreadTimes => ({ waitedMs, threadCpuMs });

describe('the time that a run takes by itself', () => {
  it('is the time on the clock less the wait for a core that others had', () => {
    // On the clock from 1 to 11, and readings of a twentieth around it; 4 of these it stood ready.
    const clock = inTurn([0.95, 1, 1, 11, 11, 11.05]);
    const { clockMs, ownMs } = startRun(reading([counters(100, 50), counters(104, 56)]), clock)();
    assert.equal(clockMs, 10);
    assert.ok(Math.abs(ownMs - 6.1) < 1e-9, `${ownMs}: the reading counts, too`);
  });

  it('is the time on the clock, to the last digit, where it never waited for a core: a sleep, a disk, a lock are its own', () => {
    const slept = startRun(reading([counters(100, 50), counters(100, 51)]), inTurn([0.95, 1, 1, 11.3, 11.3, 11.35]));
    assert.deepEqual(slept(), { clockMs: 11.3 - 1, ownMs: 11.3 - 1, leastMs: 1 });
  });

  it('is read again where the reading itself was interrupted', () => {
    // The first reading after the run takes 5 ms, which only the second one has counted.
    const clock = inTurn([0.95, 1, 1, 11, 11, 16, 16, 16.05]);
    const { ownMs } = startRun(reading([counters(100, 50), counters(100, 56), counters(109, 56.1)]), clock)();
    assert.ok(Math.abs(ownMs - 6.1) < 1e-9, `${ownMs}`);
  });

  it('keeps as much of a wait as its own other threads may have had its core for', () => {
    assert.equal(waitedForOthersMs(NOTHING, counters(9, 1, 1), [], 10), 9);
    assert.equal(waitedForOthersMs(NOTHING, counters(9, 1, 6), [], 10), 4);
    assert.equal(waitedForOthersMs(NOTHING, counters(9, 1, 40), [], 10), 0);
    // They computed while it waited for them.
    assert.equal(waitedForOthersMs(NOTHING, counters(9, 1, 6), [], 15), 9);
    // Two counters read one after the other may differ by a little.
    assert.equal(waitedForOthersMs(NOTHING, counters(9, 1.01, 1), [], 10), 9);
  });

  it('takes off what a thread it handed a part to stood ready, and no more than it was blocked', () => {
    // Of 20 ms it computed 2, stood ready 5, and was blocked 13: one helper computed 1 and waited 8, another waited 3.
    assert.equal(waitedForOthersMs(NOTHING, counters(5, 2, 3), [helper(8, 1), helper(3)], 20), 13);
    assert.equal(waitedForOthersMs(NOTHING, counters(5, 2, 2), [helper(80), helper(3)], 20), 18);
    // It never was blocked: what another thread waited is nothing to it.
    assert.equal(waitedForOthersMs(NOTHING, counters(5, 15), [helper(8)], 20), 5);
    // It read from a disk: what it was blocked is its own.
    assert.equal(waitedForOthersMs(NOTHING, counters(5, 2, 2, 1), [helper(8)], 20), 5);
  });

  it('keeps what threads it handed parts to waited for each other', () => {
    const four = (each: ThreadTimes): readonly ThreadTimes[] => [each, each, each, each];
    // One core, four threads that compute 10 ms each, one after the other: all 40 ms are the model's.
    assert.equal(waitedForOthersMs(NOTHING, counters(0, 0, 40), four(helper(30, 10)), 40), 0);
    // Neighbours had that core for 25 ms more.
    assert.equal(waitedForOthersMs(NOTHING, counters(0, 0, 40), four(helper(55, 10)), 65), 25);
    // A thread that nobody reads, as it began later, may have had the core, too.
    assert.equal(waitedForOthersMs(NOTHING, counters(0, 0, 40), [helper(30, 10)], 40), 0);
    assert.equal(waitedForOthersMs(NOTHING, counters(0, 0, 10), [helper(30, 10)], 40), 30);
  });

  it('is no less than what all threads computed, over the cores that they may have', () => {
    // The first one hands a part over and computes on, for 10 ms; then it is blocked while the other computes.
    const helpers = [[helper(0)], [helper(10, 10)]];
    const ran = (cores: number) =>
      startRun(reading([NOTHING, counters(0, 10, 20)], helpers, cores), inTurn([0, 0, 0, 20, 20, 20]))().ownMs;
    assert.equal(ran(1), 20);
    // With two, the other one might have had the second core.
    assert.equal(ran(2), 10);
    const rounded = startRun(reading([NOTHING, counters(0, 10, 24)], helpers, 1), inTurn([0, 0, 0, 20, 20, 20]))();
    assert.deepEqual(rounded, { clockMs: 20, ownMs: 20, leastMs: 20 });
  });

  it('is never more than the clock, less by no more than threads stood ready, and covers what they computed', () => {
    const span = double({ min: 0, max: 1e4, noNaN: true });
    const threads = array(tuple(span, span), { maxLength: 3 });
    hold(
      property(
        span,
        span,
        span,
        span,
        threads,
        integer({ min: 1, max: 4 }),
        (clock, waited, ran, others, of, cores) => {
          const { clockMs, ownMs, leastMs } = startRun(
            reading(
              [counters(5, 5), counters(5 + waited, 5 + ran, 5 + ran + others)],
              [of.map(() => helper(7, 7)), of.map(([stood, computed]) => helper(7 + stood, 7 + computed))],
              cores,
            ),
            inTurn([0, 0, 0, clock, clock, clock]),
          )();
          const least = Math.max(clock - waited - Math.max(0, ...of.map(([stood]) => stood)), (ran + others) / cores);
          assert.ok(clockMs === clock && ownMs <= clockMs && ownMs >= Math.min(clock, least) - 1e-6);
          assert.ok(Math.abs(leastMs - Math.min(clock, Math.max(ran, (ran + others) / cores))) < 1e-6);
        },
      ),
    );
  });

  it('is that of the clock where the kernel counts no waits, or a quota stopped the process', () => {
    const elapsed = startRun(reading([undefined, undefined]), inTurn([0, 0, 0, 10, 10, 10]));
    assert.deepEqual(elapsed(), { clockMs: 10, ownMs: 10, leastMs: 0 });
    const times = [
      { clockMs: 10, ownMs: 4, leastMs: 3 },
      { clockMs: 6, ownMs: 4, leastMs: 4 },
    ];
    assert.deepEqual(countedMs(times, true), [4, 4]);
    assert.deepEqual(countedMs(times, false), [10, 6]);
    assert.equal(waitedShare(times, true), 0.5);
    assert.equal(waitedShare(times, false), null);
    assert.equal(waitedShare([], true), 0);
  });

  it('was waited for as the runs say, or they with their warm-up, whichever is more: neither hides a starved machine', () => {
    const second = (ownMs: number) => ({ clockMs: 1000, ownMs, leastMs: 0 });
    const ten = (ownMs: number) => Array.from({ length: 10 }, () => second(ownMs));
    // A warm-up whose waits its own new threads had, before one starved run; and one starved, before one that nobody disturbed.
    assert.equal(largestWaitedShare(ten(500), [second(50)], true), 0.95);
    assert.ok(Math.abs(largestWaitedShare(ten(50), [second(1000)], true)! - 9.5 / 11) < 1e-9);
    assert.equal(largestWaitedShare([], ten(500), true), 0.5);
    assert.equal(largestWaitedShare(ten(500), ten(500), false), null);
  });

  it("is read from the kernel's line of a thread, and from no other", () => {
    assert.deepEqual(parseSchedstat('75586215 205480970 84\n'), { threadCpuMs: 75.586215, waitedMs: 205.48097 });
    // A kernel without the counters prints zeros.
    for (const text of ['0 0 0\n', '', '1 2', '-1 2 3', 'ran 1 2']) assert.equal(parseSchedstat(text), undefined, text);
  });

  it('holds what was computed and what was slept on this very machine, however busy it is', () => {
    const clock = openOwnClock();
    const elapsed = clock.start();
    // Nothing of this thread's goes on meanwhile, so that no wait for a core can hide the sleep.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
    const slept = elapsed();
    const again = clock.start();
    const before = process.resourceUsage().userCPUTime;
    while (process.resourceUsage().userCPUTime - before < 30_000);
    const worked = again();
    clock.close();
    for (const { ownMs, clockMs } of [slept, worked])
      assert.ok(ownMs > 0 && ownMs <= clockMs, `${ownMs} of ${clockMs}`);
  });
});

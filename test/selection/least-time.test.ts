import { deepEqual, equal, ok } from 'node:assert/strict';
import { leastMean, leastTime, SLOWED } from '../../activities/selection/least-time.ts';
import { timeRuns } from '../../activities/selection/timed-runs.ts';
import { seededRandom } from '../../activities/validation/random.ts';

/** Runs that computed for so long, and waited for much longer. */
const computed = (times: readonly number[]) =>
  times.map((leastMs) => ({ clockMs: leastMs * 50, ownMs: leastMs * 2, leastMs }));
const upTo = (runs: number) => computed(Array.from({ length: runs }, (_, run) => (runs - run) * SLOWED));

describe('what a model takes at least', () => {
  it('is the lower end of the quartile of what runs computed, less what a busy machine may have slowed them', () => {
    // Ranks by exact fractions in Python: the most whose P(X < rank), X binomial of so many runs and a quarter, is 0.025 at most.
    const ranks = [13, 18, 100, 1000].map((runs) => leastTime(upTo(runs), true));
    deepEqual(ranks, [1, 1, 17, 223]);
  });

  it('is not known of few runs, nor where the machine does not tell what they computed', () => {
    deepEqual(
      [0, 1, 12].map((runs) => leastTime(upTo(runs), true)),
      [undefined, undefined, undefined],
    );
    equal(leastTime(upTo(100), false), undefined);
  });

  it('is below the quartile of such runs in 97.5 of 100 measurements, and more than their mean never', () => {
    const random = seededRandom(7);
    let above = 0;
    for (let draw = 0; draw < 2000; draw++) {
      // Exponential times of mean 1: their lower quartile is ln 4/3.
      const times = Array.from({ length: 40 }, () => -Math.log(1 - random.uniform()));
      const least = leastTime(computed(times), true)! * SLOWED;
      if (least > Math.log(4 / 3)) above++;
      ok(leastMean(least) <= times.reduce((sum, time) => sum + time, 0) / times.length);
    }
    ok(above / 2000 < 0.035, `${above} of 2000`);
  });

  it('stays below a slow run or two among many quick ones, however slow', () => {
    equal(leastTime(computed([...Array.from({ length: 98 }, () => SLOWED), 1e6, 1e6]), true), 1);
  });
});

describe('runs that are timed', () => {
  it('say of the warm-up, too, how long it waited: what is not counted shows how busy the machine is', async () => {
    const asked: number[] = [];
    const { times, warmUps } = await timeRuns(3, (place) => Promise.resolve(() => Promise.resolve(asked.push(place))));
    equal(warmUps.length, 20);
    equal(asked.length, times.length + warmUps.length);
    deepEqual(asked.slice(18, 23), [0, 1, 0, 1, 2]);
    for (const { clockMs, ownMs } of warmUps) ok(ownMs >= 0 && ownMs <= clockMs);
  });
});

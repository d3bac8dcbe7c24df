import assert from 'node:assert/strict';
import { sampleIndices, seededRandom, xoshiro128 } from '../../activities/validation/random.ts';
import {
  bootstrapInterval,
  normalQuantile,
  pairedBootstrap,
  quantile,
  wilsonInterval,
} from '../../activities/validation/statistics.ts';

const near = (actual: number, expected: number, tolerance: number, what = ''): void =>
  assert.ok(Math.abs(actual - expected) <= tolerance, `${what} ${actual} is not within ${tolerance} of ${expected}`);

describe('seeded random numbers', () => {
  it('are those of xoshiro128**, by an independent implementation', () => {
    const { uint32 } = xoshiro128(1, 2, 3, 4);
    const drawn = Array.from({ length: 10 }, uint32);
    assert.deepEqual(
      drawn,
      [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804],
    );
  });

  it('repeat for the same seed and stream, and differ for others', () => {
    const draw = (seed: number, stream?: number): string => {
      const random = seededRandom(seed, stream);
      return Array.from({ length: 4 }, () => random.uint32()).join();
    };
    assert.equal(draw(7, 1), draw(7, 1));
    const all = [draw(0), draw(1), draw(7), draw(7, 1), draw(7, 2), draw(2 ** 32 + 7)];
    assert.equal(new Set(all).size, all.length);
  });

  it('fill every place evenly and have the moments of their distribution', () => {
    const random = seededRandom(3);
    const counts = new Float64Array(7);
    for (let draw = 0; draw < 70_000; draw++) counts[random.below(7)]!++;
    // χ² with 6 degrees of freedom is below 22.5 with probability 0.999
    assert.ok(counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0) < 22.5, counts.join());
    let [sum, squares] = [0, 0];
    for (let draw = 0; draw < 50_000; draw++) {
      const value = random.normal();
      sum += value;
      squares += value * value;
    }
    near(sum / 50_000, 0, 0.015, 'mean');
    near(squares / 50_000, 1, 0.025, 'variance');
  });

  it('sample different rows in ascending order, and all of them when there are too few', () => {
    const sample = sampleIndices(1000, 50, seededRandom(5));
    assert.equal(new Set(sample).size, 50);
    assert.deepEqual(
      sample,
      sample.toSorted((left, right) => left - right),
    );
    assert.ok(sample.every((index) => index >= 0 && index < 1000));
    assert.deepEqual(sampleIndices(3, 9, seededRandom(5)), [0, 1, 2]);
  });
});

describe('statistics', () => {
  it('has the normal quantiles of scipy.stats.norm.ppf', () => {
    const table: [number, number][] = [
      [1e-300, -37.0470962993612],
      [1e-12, -7.034483825301131],
      [0.001, -3.090232306167813],
      [0.025, -1.9599639845400545],
      [0.3, -0.5244005127080409],
      [0.5, 0],
      [0.975, 1.959963984540054],
      [0.9999, 3.719016485455709],
    ];
    for (const [probability, expected] of table)
      near(normalQuantile(probability), expected, 1e-14 * (1 + Math.abs(expected)));
    assert.equal(normalQuantile(0), -Infinity);
    assert.equal(normalQuantile(1), Infinity);
    assert.ok(Number.isNaN(normalQuantile(1.5)) && Number.isNaN(normalQuantile(Number.NaN)));
  });

  it("has Wilson's intervals of scipy.stats.binomtest, also where every trial or none succeeds", () => {
    const table: [number, number, number, number, number][] = [
      [45, 50, 0.95, 0.7863976856252034, 0.9565242350681095],
      [50, 50, 0.95, 0.9286524008666412, 1],
      [0, 7, 0.9, 0, 0.27876269545254206],
      [1, 3, 0.99, 0.04042662929608476, 0.855783984952333],
    ];
    for (const [successes, trials, confidence, low, high] of table) {
      const interval = wilsonInterval(successes, trials, confidence);
      near(interval.low, low, 1e-14);
      near(interval.high, high, 1e-14);
      assert.equal(interval.confidence, confidence);
    }
    for (const [successes, trials] of [
      [1, 0],
      [3, 2],
      [-1, 2],
      [Number.NaN, 2],
    ] as const) {
      assert.throws(() => wilsonInterval(successes, trials), RangeError);
    }
  });

  it("has numpy's quantiles", () => {
    const ascending = [3.2, 1.5, 9.9, 4.4, 2.1, 7.7, 5.0].sort((left, right) => left - right);
    const table = [
      [0, 1.5],
      [0.025, 1.59],
      [0.5, 4.4],
      [0.95, 9.24],
      [1, 9.9],
    ] as const;
    for (const [probability, expected] of table) near(quantile(ascending, probability), expected, 1e-12);
    assert.ok(Number.isNaN(quantile([], 0.5)));
  });

  it('has the percentile bootstrap intervals of scipy.stats.bootstrap, within their Monte-Carlo error', async () => {
    const data = Array.from({ length: 60 }, (_, index) => ((index * 37) % 101) / 10);
    const mean = (indices: Uint32Array): number => indices.reduce((sum, row) => sum + data[row]!, 0) / indices.length;
    const ofMean = await bootstrapInterval(60, mean, { seed: 1, resamples: 20_000 });
    near(ofMean!.low, 4.2117, 0.03);
    near(ofMean!.high, 5.6883, 0.03);
    const median = (indices: Uint32Array): number =>
      quantile(Float64Array.from(indices, (row) => data[row]!).sort(), 0.5);
    const ofMedian = await bootstrapInterval(60, median, { seed: 1, resamples: 20_000, confidence: 0.9 });
    near(ofMedian!.low, 3.95, 0.1);
    near(ofMedian!.high, 6, 0.1);
  });

  it('pairs rows as scipy does with paired=True', async () => {
    const treated = Array.from({ length: 80 }, (_, index) => Number((index * 7) % 10 < 8));
    const control = Array.from({ length: 80 }, (_, index) => Number((index * 3) % 11 < 7));
    const interval = await pairedBootstrap(treated, control, { seed: 2, resamples: 20_000 });
    near(interval!.low, 0.0125, 0.0126);
    near(interval!.high, 0.2875, 0.0126);
    await assert.rejects(pairedBootstrap([1], [1, 0], { seed: 0 }), RangeError);
  });

  it('covers the true mean about as often as it says', async () => {
    const random = seededRandom(11);
    let covered = 0;
    for (let trial = 0; trial < 200; trial++) {
      const data = Float64Array.from({ length: 50 }, () => random.normal());
      const mean = (indices: Uint32Array): number => indices.reduce((sum, row) => sum + data[row]!, 0) / indices.length;
      const interval = await bootstrapInterval(50, mean, { seed: trial, resamples: 400, confidence: 0.9 });
      if (interval!.low <= 0 && interval!.high >= 0) covered++;
    }
    // 0.9 ± three standard errors of 200 trials, and the percentile interval's known shortness at 50 rows
    assert.ok(covered >= 165 && covered <= 193, `${covered} of 200`);
  });

  it('gives the same interval for the same seed, none without rows or for a statistic that is not finite', async () => {
    const statistic = (indices: Uint32Array): number => indices.reduce((sum, row) => sum + row, 0);
    const options = { seed: 4, resamples: 200 };
    assert.deepEqual(await bootstrapInterval(30, statistic, options), await bootstrapInterval(30, statistic, options));
    assert.notDeepEqual(
      await bootstrapInterval(30, statistic, options),
      await bootstrapInterval(30, statistic, { ...options, seed: 5 }),
    );
    assert.equal(await bootstrapInterval(0, statistic, options), null);
    assert.equal(await bootstrapInterval(30, () => Number.NaN, options), null);
  });

  it('stops when it is cancelled and lets the event loop run meanwhile', async () => {
    const controller = new AbortController();
    let turns = 0;
    const timer = setInterval(() => {
      if (++turns === 3) controller.abort(new Error('cancelled by the test'));
    }, 10);
    const busy = bootstrapInterval(20_000, (indices) => indices.length, {
      seed: 0,
      resamples: 1e6,
      signal: controller.signal,
    });
    await assert.rejects(busy, /cancelled by the test/);
    clearInterval(timer);
    assert.ok(turns >= 3);
  });
});

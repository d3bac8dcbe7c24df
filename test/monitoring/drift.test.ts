import assert from 'node:assert/strict';
import { detectDrift, judgeByMinP, permutedGroupings } from '../../activities/monitoring/drift.ts';
import {
  chiSquare,
  kernelDistance,
  kolmogorovSmirnov,
  labelRates,
  type Grouping,
} from '../../activities/monitoring/two-sample.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { drawTraffic } from './traffic.ts';

const near = (actual: number, wanted: number, tolerance: number): void =>
  assert.ok(Math.abs(actual - wanted) <= tolerance, `${actual} is not within ${tolerance} of ${wanted}`);

/** The first `size` of `total` pooled rows as the group. */
function firstRows(size: number, total: number): Grouping {
  const rows = Uint32Array.from({ length: size }, (_, row) => row);
  return { rows, member: Uint8Array.from({ length: total }, (_, row) => Number(row < size)) };
}

describe('two-sample statistics', () => {
  const left = Array.from({ length: 30 }, (_, index) => ((index * 29) % 97) / 97);
  const right = Array.from({ length: 25 }, (_, index) => (((index * 31 + 11) % 89) / 89) * 1.5);

  it('have the Kolmogorov–Smirnov distance of scipy.stats.ks_2samp, ties included', () => {
    near(kolmogorovSmirnov([...left, ...right])(firstRows(30, 55)), 0.29333333333333333, 1e-12);
    const tied = [0.1, 0.4, 0.4, 0.7, 0.9, 1.3, 1.3, 1.3, 2.0, 2.2, 0.4, 0.8, 1.3, 1.9, 2.2, 2.6, 2.9, 3.1];
    near(kolmogorovSmirnov(tied)(firstRows(10, 18)), 0.425, 1e-12);
    assert.equal(kolmogorovSmirnov([5, 5, 5, 5])(firstRows(2, 4)), 0);
    assert.equal(kolmogorovSmirnov([5, 5, 5, 5], { tails: true })(firstRows(2, 4)), 0);
  });

  it("have scipy's exact Kolmogorov–Smirnov p-value when their groups are permuted", () => {
    const distance = kolmogorovSmirnov([...left, ...right]);
    const groupings = permutedGroupings(30, 25, seededRandom(1));
    const values = Float64Array.from({ length: 20_001 }, () => distance(groupings.next().value));
    near(values[0]!, 0.29333333333333333, 1e-12);
    const [judged] = judgeByMinP([values], 0.05);
    near(judged!.pValue, 0.15677, 0.01); // four standard errors of 20,000 permutations
    assert.equal(judged!.alarm, false);
  });

  it('weigh a difference in the tail by its standard deviation', () => {
    // 5 of 100 lengths are 0 in the group and none outside it: 0.05 / √(0.025 · 0.975 · 2/100)
    const lengths = Array.from({ length: 200 }, (_, row) =>
      row < 5 ? 0 : row < 100 ? 1 + ((row - 5) % 95) : 1 + ((row - 100) % 100),
    );
    near(
      kolmogorovSmirnov(lengths, { tails: true })(firstRows(100, 200)),
      0.05 / Math.sqrt((0.025 * 0.975 * 2) / 100),
      1e-9,
    );
  });

  it("have scipy.stats.chi2_contingency's statistic, and ignore a category that nobody has", () => {
    const rows = [12, 30, 8, 5, 0].flatMap((count, label) => Array.from({ length: count }, () => label));
    const others = [20, 18, 9, 3, 0].flatMap((count, label) => Array.from({ length: count }, () => label));
    near(chiSquare([...rows, ...others], 5)(firstRows(55, 105)), 5.332820855614974, 1e-10);
  });

  it('add up over labels of which a row may have several, each as scipy has it', () => {
    // 6 of 10 rows against 2 of 8 have the first label, 1 of 10 against 5 of 8 the second: chi2_contingency of both tables.
    const rows = Array.from({ length: 18 }, (_, row) =>
      row < 10 ? [Number(row < 6), Number(row === 9)] : [Number(row < 12), Number(row < 15)],
    );
    near(labelRates(Uint8Array.from(rows.flat()), 2)(firstRows(10, 18)), 7.7175, 1e-9);
  });

  it('approximate the exact kernel distance by random features', async () => {
    const random = seededRandom(2);
    const [rows, dimension] = [120, 5];
    const values = Float32Array.from(
      { length: 2 * rows * dimension },
      (_, index) => random.normal() + (index < rows * dimension ? 0.5 : 0),
    );
    const approximate = (await kernelDistance(values, dimension, seededRandom(3), () => undefined))(
      firstRows(rows, 2 * rows),
    );
    const squared = (a: number, b: number): number =>
      Array.from(
        { length: dimension },
        (_, axis) => (values[a * dimension + axis]! - values[b * dimension + axis]!) ** 2,
      ).reduce((x, y) => x + y, 0);
    const distances = [];
    for (let a = 0; a < 2 * rows; a++) for (let b = 0; b < a; b++) distances.push(Math.sqrt(squared(a, b)));
    const bandwidth = distances.sort((a, b) => a - b)[distances.length >> 1]!;
    let exact = 0;
    for (let a = 0; a < 2 * rows; a++) {
      for (let b = 0; b < 2 * rows; b++)
        exact += (a < rows === b < rows ? 1 : -1) * Math.exp(-squared(a, b) / (2 * bandwidth ** 2));
    }
    near(approximate, Math.sqrt(exact) / rows, 0.03);
  });

  it('are finite where all embeddings are one point', async () => {
    const distance = await kernelDistance(new Float32Array(40).fill(1), 4, seededRandom(1), () => undefined);
    near(distance(firstRows(5, 10)), 0, 1e-6);
  });
});

describe('the drift test', function () {
  this.timeout(120_000);

  /** Alarms in `checks` fresh pairs of reference and window. */
  async function alarms(
    checks: number,
    referenceRows: number,
    windowRows: number,
    rate: number,
    drifted = {},
  ): Promise<number> {
    const random = seededRandom(99);
    let count = 0;
    for (let check = 0; check < checks; check++) {
      const reference = drawTraffic(referenceRows, random);
      const window = drawTraffic(windowRows, random, drifted);
      const { drift } = await detectDrift(reference, window, { falseAlarmRate: rate, seed: check });
      if (drift) count++;
    }
    return count;
  }

  it('raises a false alarm as often as it says, with a reference smaller than the window', async () => {
    const count = await alarms(300, 40, 120, 0.1);
    // binomial(300, 0.1): 15 and 46 are its 0.1 % and 99.9 % quantiles
    assert.ok(count >= 15 && count <= 46, `${count} of 300`);
  });

  it('raises a false alarm as often as it says, with a window smaller than the reference', async () => {
    const count = await alarms(300, 120, 40, 0.1);
    assert.ok(count >= 15 && count <= 46, `${count} of 300`);
  });

  it('sees embeddings that moved by one standard deviation in one direction', async () => {
    assert.ok((await alarms(6, 100, 300, 0.05, { shift: 1 })) === 6);
  });

  it('sees a label that grew by 20 points', async () => {
    assert.ok((await alarms(6, 300, 500, 0.05, { prior: [0.45, 0.25, 0.15, 0.15] })) === 6);
  });

  it('sees blank texts, and says that it is their length', async () => {
    const random = seededRandom(5);
    const window = drawTraffic(500, random, { blank: 0.1 });
    const { drift, tests } = await detectDrift(drawTraffic(400, random), window, { falseAlarmRate: 0.01, seed: 1 });
    assert.ok(drift);
    assert.deepEqual(
      tests.filter(({ alarm }) => alarm).map(({ name }) => name),
      ['text-length'],
    );
  });

  it('alarms exactly where a statistic exceeds its threshold', async () => {
    const random = seededRandom(6);
    for (const drifted of [{}, { shift: 0.6 }, { prior: [0.4, 0.2, 0.2, 0.2] }]) {
      const { tests } = await detectDrift(drawTraffic(80, random), drawTraffic(150, random, drifted), {
        falseAlarmRate: 0.05,
        seed: 3,
      });
      for (const { name, statistic, threshold, alarm, pValue } of tests) {
        assert.equal(alarm, statistic > threshold, name);
        assert.equal(alarm, pValue <= 0.05, name);
      }
    }
  });

  it('gives the same figures for the same seed', async () => {
    const check = () =>
      detectDrift(drawTraffic(50, seededRandom(1)), drawTraffic(60, seededRandom(2)), {
        falseAlarmRate: 0.05,
        seed: 4,
      });
    assert.deepEqual(await check(), await check());
  });

  it('thins large sides, stays cancellable and lets the event loop run', async () => {
    const random = seededRandom(8);
    const controller = new AbortController();
    // CPU time: the wall clock would also measure whatever else the machine does.
    let longest = 0;
    const started = process.cpuUsage();
    let last = started;
    const timer = setInterval(() => {
      longest = Math.max(longest, process.cpuUsage(last).user);
      last = process.cpuUsage();
    }, 10);
    const [reference, window] = [drawTraffic(4000, random), drawTraffic(9000, random)];
    const result = await detectDrift(reference, window, { falseAlarmRate: 0.02, seed: 1 });
    assert.deepEqual([result.referenceRows, result.windowRows], [2000, 2000]);
    clearInterval(timer);
    const took = process.cpuUsage(started).user;
    assert.ok(longest < took / 3, `the event loop stood still for ${longest} of ${took} µs`);
    setTimeout(() => controller.abort(new Error('cancelled by the test')), 50);
    const cancelled = detectDrift(reference, window, { falseAlarmRate: 0.02, seed: 1, signal: controller.signal });
    await assert.rejects(cancelled, /cancelled by the test/);
  });

  it('refuses sides that cannot be compared', async () => {
    const rows = drawTraffic(40, seededRandom(1));
    await assert.rejects(detectDrift(rows, { ...rows, rows: 0 }, { falseAlarmRate: 0.1, seed: 1 }), RangeError);
    await assert.rejects(detectDrift(rows, { ...rows, classes: 3 }, { falseAlarmRate: 0.1, seed: 1 }), RangeError);
  });
});

describe('drift of several labels a row', () => {
  const outputs = (share: number, seed: number) => {
    const random = seededRandom(seed);
    const rows = 400;
    const probabilities = Float32Array.from({ length: rows * 2 }, (_, at) =>
      at % 2 === 0 ? 0.9 : random.below(1000) / 1000 < share ? 0.32 : 0.28,
    );
    const embeddings = Float32Array.from({ length: rows }, () => random.normal());
    return {
      rows,
      dimension: 1,
      classes: 2,
      embeddings,
      probabilities,
      textLengths: Array.from({ length: rows }, () => 20),
    };
  };

  it('is found in how often a label applies, though the most probable one is always the same', async () => {
    const options = { falseAlarmRate: 0.01, seed: 5 };
    const [before, after] = [outputs(0.2, 1), outputs(0.5, 2)];
    const alarmOf = async (reference: Parameters<typeof detectDrift>[0]) =>
      (await detectDrift(reference, after, options)).tests.find(({ name }) => name === 'predicted-labels')?.alarm;
    assert.equal(await alarmOf(before), false);
    assert.equal(await alarmOf({ ...before, thresholds: [0.5, 0.3] }), true);
  });
});

describe('the smallest p-value rule', () => {
  it('matches a calculation by hand', () => {
    // Rounds 0–3; p-values: first test 1/4, 4/4, 3/4, 2/4; second test 3/4, 1/4, 2/4, 4/4; smallest: 1/4, 1/4, 2/4, 2/4.
    const judged = judgeByMinP([Float64Array.of(9, 1, 2, 3), Float64Array.of(2, 8, 5, 1)], 0.5);
    assert.deepEqual(judged, [
      { statistic: 9, threshold: 3, pValue: 0.5, alarm: true },
      { statistic: 2, threshold: 5, pValue: 1, alarm: false },
    ]);
  });

  it('never alarms on a test without any difference', () => {
    const [judged] = judgeByMinP([new Float64Array(1000)], 0.2);
    assert.deepEqual(judged, { statistic: 0, threshold: 0, pValue: 1, alarm: false });
  });
});

import { deepEqual, equal, ok, rejects, throws } from 'node:assert/strict';
import { binomial } from '../../activities/validation/binomial.ts';
import { bootstrapCounts, resampledCounts } from '../../activities/validation/cell-bootstrap.ts';
import { confusionMatrix, macroF1 } from '../../activities/validation/metrics.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { f1Scores, gainScore } from '../../activities/validation/scores.ts';
import { bootstrapInterval } from '../../activities/validation/statistics.ts';

// P(from), P(from + 1) … by rational arithmetic in Python (math.comb, fractions); the rest of the distribution is one cell more.
const EXPERIMENTS: readonly { trials: number; chance: number; from: number; pmf: readonly number[] }[] = [
  { trials: 6, chance: 0.2, from: 0, pmf: [0.262144, 0.393216, 0.24576, 0.08192, 0.01536] },
  {
    trials: 1000,
    chance: 0.002,
    from: 0,
    pmf: [
      0.1350645224, 0.2706703857, 0.2709415985, 0.1806277323, 0.0902233713, 0.0360170252, 0.0119695859, 0.0034061747,
    ],
  },
  {
    trials: 60,
    chance: 0.3,
    from: 11,
    pmf: [
      0.0155973934, 0.0272954384, 0.0431927817, 0.0621447165, 0.0816759131, 0.0984486453, 0.1092035393, 0.1118036236,
      0.1059192224, 0.0930576025, 0.0759653898, 0.057713965, 0.0408657889, 0.0270006105, 0.0166632339,
    ],
  },
  {
    trials: 50,
    chance: 0.8,
    from: 33,
    pmf: [
      0.0081808827, 0.0163617655, 0.0299186568, 0.0498644281, 0.0754704857, 0.1032754015, 0.1271081865, 0.1398190052,
      0.1364087855, 0.1169218162, 0.0870115841, 0.0553710081, 0.0295312043, 0.012839654, 0.0043709461,
    ],
  },
  {
    trials: 100000,
    chance: 0.0002,
    from: 10,
    pmf: [
      0.0058136893, 0.0105714014, 0.0176205884, 0.0271107667, 0.0387323783, 0.0516462703, 0.0645610664, 0.0759572345,
      0.0843994596, 0.0888433136, 0.0888442022, 0.0846135259, 0.0769206179, 0.0668861558, 0.0557367907, 0.0445876486,
      0.034296476, 0.0254032724, 0.0181439242, 0.0125120499, 0.0083406157, 0.0053805042,
    ],
  },
];

describe('binomial counts', () => {
  for (const { trials, chance, from, pmf } of EXPERIMENTS) {
    it(`come as often as their distribution says: ${trials} trials at ${chance}`, () => {
      const draws = 40_000;
      const random = seededRandom(11);
      const seen = new Float64Array(pmf.length + 1);
      for (let draw = 0; draw < draws; draw++) {
        const count = binomial(random, trials, chance) - from;
        seen[count >= 0 && count < pmf.length ? count : pmf.length]!++;
      }
      const rest = 1 - pmf.reduce((sum, p) => sum + p, 0);
      const distance = [...pmf, rest].reduce((sum, p, at) => sum + (seen[at]! - draws * p) ** 2 / (draws * p), 0);
      // χ² with as many degrees of freedom as cells: its mean plus five deviations is passed less than once in 10,000.
      ok(distance < pmf.length + 5 * Math.sqrt(2 * pmf.length), `χ² ${distance} of ${pmf.length}`);
    });
  }

  it('are all or nothing at the ends, and refused for what is no chance', () => {
    const random = seededRandom(1);
    deepEqual([binomial(random, 9, 0), binomial(random, 9, 1), binomial(random, 0, 0.3)], [0, 9, 0]);
    for (const [trials, chance] of [
      [-1, 0.5],
      [1.5, 0.5],
      [5, 1.1],
      [5, Number.NaN],
    ] as const) {
      throws(() => binomial(random, trials, chance), RangeError);
    }
  });
});

describe('the bootstrap by counts', () => {
  const made = (rows: number) => {
    const random = seededRandom(5);
    const expected = Int32Array.from({ length: rows }, () => random.below(3));
    const predicted = expected.map((label) => (random.uniform() < 0.85 ? label : random.below(3)));
    const frozen = expected.map((label) => (random.uniform() < 0.8 ? label : random.below(3)));
    return { expected, predicted, frozen };
  };

  it('gives the interval that drawing rows gives', async () => {
    const { expected, predicted } = made(4000);
    const drawn = await bootstrapInterval(4000, (rows) => macroF1(confusionMatrix(expected, predicted, 3, rows), 3), {
      seed: 1,
      resamples: 4000,
    });
    const counted = await bootstrapCounts(confusionMatrix(expected, predicted, 3), (cells) => macroF1(cells, 3), {
      seed: 2,
      resamples: 4000,
    });
    const width = drawn!.high - drawn!.low;
    // A quantile of 4000 resamples is off by a twentieth of the interval once in many.
    ok(Math.abs(drawn!.low - counted!.low) < width / 15 && Math.abs(drawn!.high - counted!.high) < width / 15);
  });

  it('draws as many rows as there are, none into an empty cell, and the same ones for a seed', async () => {
    const counts = [3, 0, 40, 1_000_000, 0];
    const seen: number[][] = [];
    const values = await resampledCounts(counts, (cells) => seen.push([...cells]), { seed: 4, resamples: 50 });
    equal(values?.length, 50);
    for (const cells of seen) {
      equal(
        cells.reduce((sum, count) => sum + count, 0),
        1_000_043,
      );
      deepEqual([cells[1], cells[4]], [0, 0]);
    }
    const share = (cells: Uint32Array): number => cells[2]! / 1_000_043;
    deepEqual(await bootstrapCounts(counts, share, { seed: 4 }), await bootstrapCounts(counts, share, { seed: 4 }));
  });

  it('has no interval of nothing or of what is no number, and ends when it is cancelled', async () => {
    equal(await bootstrapCounts([0, 0], () => 1, { seed: 1 }), null);
    equal(await bootstrapCounts([5], () => Number.NaN, { seed: 1 }), null);
    const signal = AbortSignal.abort(new Error('cancelled'));
    const slow = (): number => {
      const until = performance.now() + 30;
      while (performance.now() < until);
      return 1;
    };
    await rejects(bootstrapCounts([5], slow, { seed: 1, signal }), /cancelled/);
  });

  it('scores a million rows within seconds, with intervals of the width that so many rows allow', async () => {
    const rows = 1_000_000;
    const { expected, predicted, frozen } = made(rows);
    // CPU time: the wall clock would also measure whatever else the machine does.
    const from = process.cpuUsage();
    const { macroF1: macro, worstLabelF1 } = await f1Scores({ expected, predicted }, 3, { seed: 7 });
    const gain = gainScore(expected, predicted, frozen);
    ok(process.cpuUsage(from).user / 1e6 < 100);
    for (const { value, interval } of [macro, worstLabelF1, gain]) {
      ok(interval!.low < value! && value! < interval!.high && interval!.high - interval!.low < 0.003);
    }
    // 2 · 1.96 · √(variance of one row's difference / rows), the interval of a mean.
    const differences = [...expected.keys()].map(
      (row) => Number(predicted[row] === expected[row]) - Number(frozen[row] === expected[row]),
    );
    const mean = differences.reduce((sum, one) => sum + one, 0) / rows;
    const variance = differences.reduce((sum, one) => sum + (one - mean) ** 2, 0) / rows;
    const width = gain.interval!.high - gain.interval!.low;
    ok(Math.abs(width / (2 * 1.96 * Math.sqrt(variance / rows)) - 1) < 0.1);
  }).timeout(240_000);
});

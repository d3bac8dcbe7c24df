import { deepEqual, equal, ok } from 'node:assert/strict';
import { labelsLost, macroF1Difference, macroF1Gain } from '../../activities/validation/macro-f1-difference.ts';
import { confusionMatrix, macroF1 } from '../../activities/validation/metrics.ts';
import type { Decisions } from '../../activities/validation/multi-label/decisions.ts';
import {
  macroF1Difference as macroF1DifferenceOfSets,
  macroF1Gain as macroF1GainOfSets,
  rowsOfLostLabels,
} from '../../activities/validation/multi-label/macro-f1-difference.ts';
import { seededRandom, type Random } from '../../activities/validation/random.ts';
import { f1Scores } from '../../activities/validation/scores.ts';
import { bootstrapInterval } from '../../activities/validation/statistics.ts';
import { swapInterval, type Lot } from '../../activities/validation/swapped-answers.ts';

interface Answers {
  readonly expected: Int32Array;
  readonly before: Int32Array;
  readonly after: Int32Array;
}

/** `[truth, before, after, rows]` each. */
function answers(...cells: readonly (readonly [number, number, number, number])[]): Answers {
  const rows = cells.flatMap(([truth, before, after, count]) =>
    Array.from({ length: count }, () => [truth, before, after] as const),
  );
  return {
    expected: Int32Array.from(rows, ([truth]) => truth),
    before: Int32Array.from(rows, ([, before]) => before),
    after: Int32Array.from(rows, ([, , after]) => after),
  };
}

const of = ({ expected }: Pick<Answers, 'expected'>, predicted: Int32Array, classes: number): number =>
  macroF1(confusionMatrix(expected, predicted, classes), classes);
const gain = ({ expected, before, after }: Answers, classes: number, seed = 7, resamples = 2000) =>
  macroF1Gain(expected, before, after, classes, { seed, resamples });

/** Both models have these recalls, and err apart from one another. */
function asGood(rows: readonly number[], recall: readonly number[], random: Random): Answers {
  const answer = (truth: number): number =>
    random.uniform() < recall[truth]! ? truth : (truth + 1 + random.below(rows.length - 1)) % rows.length;
  return answers(
    ...rows.flatMap((count, truth) =>
      Array.from({ length: count }, () => [truth, answer(truth), answer(truth), 1] as const),
    ),
  );
}

/** One label a row, as a set of one. */
function setsOf({ expected, before, after }: Answers, labels: number): readonly [Decisions, Decisions] {
  const cells = (classes: Int32Array): Uint8Array =>
    Uint8Array.from({ length: classes.length * labels }, (_, at) =>
      Number(classes[Math.floor(at / labels)] === at % labels),
    );
  const decided = (predicted: Int32Array) => ({ labels, targets: cells(expected), predicted: cells(predicted) });
  return [decided(before), decided(after)];
}

describe('the macro-F1 of two models on the same rows', () => {
  it('differs by what one has and the other has not, and the interval holds it', async () => {
    const both = answers([0, 0, 0, 30], [0, 1, 0, 6], [1, 1, 1, 20], [1, 1, 0, 2], [2, 0, 2, 5], [2, 2, 2, 5]);
    const { value, interval, rows } = await gain(both, 3);
    ok(Math.abs(value! - (of(both, both.after, 3) - of(both, both.before, 3))) < 1e-12);
    equal(rows, 68);
    ok(interval!.low < value! && value! < interval!.high);
  });

  it('is shown to be lower where rare labels alone are served worse, and accuracy is as it was', async () => {
    // Two labels of ten rows lose eight each; sixteen rows of the frequent ones are won.
    const both = answers(
      [0, 0, 0, 180],
      [0, 1, 0, 8],
      [1, 1, 1, 180],
      [1, 0, 1, 8],
      [2, 2, 2, 2],
      [2, 2, 0, 8],
      [3, 3, 3, 2],
      [3, 3, 1, 8],
    );
    const right = (predicted: Int32Array): number =>
      predicted.filter((label, row) => label === both.expected[row]).length;
    equal(right(both.after), right(both.before));
    const { interval } = await gain(both, 4);
    ok(interval!.high < -0.1, JSON.stringify(interval));
    deepEqual(labelsLost(both.expected, both.before, both.after, 4), [2, 3]);
  });

  it('is not shown to be lower by four rows of a label, which a coin would give one time in sixteen', async () => {
    const both = answers([0, 0, 0, 200], [1, 1, 1, 200], [2, 2, 0, 4]);
    const { value, interval } = await gain(both, 3);
    ok(value! < -0.3 && interval!.high >= 0, JSON.stringify({ value, interval }));
    const alone = await bootstrapInterval(
      both.expected.length,
      (rows) => {
        const f1 = (predicted: Int32Array) => macroF1(confusionMatrix(both.expected, predicted, 3, rows), 3);
        return f1(both.after) - f1(both.before);
      },
      { seed: 7 },
    );
    ok(alone!.high < 0, 'resamples of these rows never disagree');
  });

  it('may differ though no row does: the interval is no point, and the narrower the more the rows are', async () => {
    const alike = (rows: number) => gain(answers([0, 0, 0, rows], [1, 1, 1, rows], [1, 0, 0, rows]), 2);
    const [few, many] = [await alike(5), await alike(500)];
    deepEqual([few.value, many.value], [0, 0]);
    ok(few.interval!.low < -0.05 && few.interval!.high > 0.05, JSON.stringify(few));
    ok(many.interval!.low < 0 && many.interval!.high > 0 && many.interval!.high < 0.01, JSON.stringify(many));
  });

  it('is over the labels that the rows have: an answer that no row has is no more than a wrong one, whoever gives it', async () => {
    // Production is wrong about 16 rows, the candidate about six of them, which it calls by labels that no row has.
    const both = answers(
      [0, 0, 0, 24],
      [1, 1, 1, 25],
      [2, 2, 2, 25],
      [0, 1, 0, 3],
      [1, 2, 1, 4],
      [2, 0, 2, 3],
      [0, 2, 3, 3],
      [1, 0, 4, 1],
      [2, 1, 4, 2],
    );
    const mirrored = { ...both, before: both.after, after: both.before };
    // Of three labels, by hand: 2 · right / (given + called so).
    const [old, young] = [
      (48 / (30 + 28) + 50 / (30 + 30) + 50 / (30 + 32)) / 3,
      (54 / (30 + 27) + 58 / (30 + 29) + 56 / (30 + 28)) / 3,
    ];
    for (const [better, worse] of [
      [await gain(both, 5), await gain(mirrored, 5)],
      [
        await macroF1GainOfSets(...setsOf(both, 5), { seed: 7 }),
        await macroF1GainOfSets(...setsOf(mirrored, 5), { seed: 7 }),
      ],
    ] as const) {
      ok(Math.abs(better.value! - (young - old)) < 1e-12, JSON.stringify(better));
      ok(Math.abs(worse.value! + (young - old)) < 1e-12, JSON.stringify(worse));
      ok(better.interval!.low > 0 && worse.interval!.high < 0, 'ten rows won and none lost');
    }
    const shown = await macroF1Difference(both.expected, both.before, both.after, 5, { seed: 7 });
    const sets = await macroF1DifferenceOfSets(...setsOf(both, 5), { seed: 7 });
    for (const { production, candidate, difference } of [shown, sets]) {
      ok(Math.abs(production.value! - old) < 1e-12 && Math.abs(candidate.value! - young) < 1e-12);
      ok(Math.abs(candidate.value! - production.value! - difference.value!) < 1e-12);
      ok(candidate.interval!.low < young && young < candidate.interval!.high);
    }
  });

  it('does not take a label that a draw lacks for one answered wrongly: both intervals of a figure are alike', async () => {
    const flawless = answers(...Array.from({ length: 20 }, (_, label) => [label, label, label, 1] as const));
    const { expected, before } = flawless;
    const { macroF1: evaluated } = await f1Scores({ expected, predicted: before }, 20, { seed: 7 });
    ok(evaluated.interval!.low > 0.8, JSON.stringify(evaluated));
    const shown = await macroF1Difference(expected, before, before, 20, { seed: 7 });
    const sets = await macroF1DifferenceOfSets(...setsOf(flawless, 20), { seed: 7 });
    for (const { production, candidate, difference } of [shown, sets]) {
      for (const { value, interval } of [production, candidate]) {
        equal(value, 1);
        ok(Math.abs(interval!.low - evaluated.interval!.low) < 0.03, JSON.stringify([interval, evaluated]));
        equal(interval!.high, 1);
      }
      equal(difference.value, 0);
    }
  });

  it('leaves a draw out that has none of several labels: such a draw tells nothing', async () => {
    const targets = new Uint8Array(20 * 2);
    targets[0] = 1;
    targets[3] = 1;
    const flawless: Decisions = { labels: 2, targets, predicted: targets };
    const { production, difference } = await macroF1DifferenceOfSets(flawless, flawless, { seed: 7 });
    equal(production.value, 1);
    ok(production.interval!.low > 0.1 && production.interval!.high === 1, JSON.stringify(production));
    equal(difference.value, 0);
  });

  for (const rows of [4, 5] as const) {
    it(`is not shown to be higher by ${rows} rows won and none lost, whatever the seed`, async () => {
      const both = answers([0, 0, 0, 50 - rows], [0, 1, 0, rows], [1, 1, 1, 50]);
      const mirrored = { ...both, before: both.after, after: both.before };
      for (let seed = 0; seed < 10; seed++) {
        const [better, worse] = [await gain(both, 2, seed), await gain(mirrored, 2, seed)];
        ok(better.value! > 0 && better.interval!.low < 0, JSON.stringify(better));
        ok(worse.value! < 0 && worse.interval!.high > 0, JSON.stringify(worse));
        const sets = await macroF1GainOfSets(...setsOf(both, 2), { seed, resamples: 200 });
        ok(sets.interval!.low < 0, JSON.stringify(sets));
      }
    });
  }

  it('is shown to be higher by seven rows won and none lost', async () => {
    const { interval } = await gain(answers([0, 0, 0, 43], [0, 1, 0, 7], [1, 1, 1, 50]), 2);
    ok(interval!.low > 0, JSON.stringify(interval));
  });

  it('is nothing of two alike that answer few rows of several labels, and not told of rows without any', async () => {
    const labelled = (rows: number): Decisions => {
      const targets = new Uint8Array(20 * 2);
      for (let row = 0; row < rows; row++) targets[2 * row + (row % 2)] = 1;
      return { labels: 2, targets, predicted: targets };
    };
    const { value, interval } = await macroF1GainOfSets(labelled(3), labelled(3), { seed: 7 });
    equal(value, 0);
    ok(interval!.low < 0 && interval!.high > 0, JSON.stringify(interval));
    const gainOverProduction = await macroF1GainOfSets(labelled(0), labelled(0), { seed: 7 });
    deepEqual(gainOverProduction, {
      value: null,
      interval: null,
      rows: 20,
      notApplicable: 'none of the rows has a label',
    });
    const spoken = { ...labelled(0), predicted: Uint8Array.from({ length: 40 }, () => 1) };
    equal((await macroF1GainOfSets(labelled(0), spoken, { seed: 7 })).value, null);
  });

  it('cannot be told without rows', async () => {
    deepEqual(await gain(answers(), 2), { value: null, interval: null, rows: 0 });
  });

  for (const [rows, recall] of [
    [
      [10, 10, 10, 10],
      [0.9, 0.9, 0.9, 0.9],
    ],
    [
      [4, 4, 4, 4],
      [0.8, 0.8, 0.8, 0.8],
    ],
    [
      [100, 20, 5],
      [0.95, 0.8, 0.6],
    ],
    [
      [60, 38, 2],
      [0.95, 0.95, 0.5],
    ],
  ] as const) {
    it(`seldom seems another where both are as good, also of ${rows.join(', ')} rows a label`, async () => {
      const random = seededRandom(3, rows[0]);
      const beyond = { low: 0, high: 0 };
      for (let draw = 0; draw < 300; draw++) {
        const { interval } = await gain(asGood(rows, recall, random), rows.length, draw, 200);
        beyond.low += Number(interval!.low > 0);
        beyond.high += Number(interval!.high < 0);
      }
      // Promised are 2.5 % each; 5.3 % of 300 draws is three standard errors above.
      ok(beyond.low <= 16 && beyond.high <= 16, JSON.stringify(beyond));
    }).timeout(60_000);
  }

  it('is the same of sets with one label each, and names a lost row of each label that is served worse', async () => {
    const both = answers([0, 0, 0, 40], [1, 1, 1, 30], [1, 1, 2, 7], [0, 2, 0, 3], [2, 2, 2, 10], [2, 2, 1, 4]);
    const [one, sets] = [await gain(both, 3), await macroF1GainOfSets(...setsOf(both, 3), { seed: 7 })];
    ok(Math.abs(one.value! - sets.value!) < 1e-12);
    for (const end of ['low', 'high'] as const) {
      // Two lots of draws of the same distribution.
      ok(Math.abs(one.interval![end] - sets.interval![end]) < 0.02, JSON.stringify([one, sets]));
    }
    // Label 2 loses most, by the first of the rows called so; then label 1, by the same row.
    deepEqual(labelsLost(both.expected, both.before, both.after, 3), [2, 1]);
    deepEqual(rowsOfLostLabels(...setsOf(both, 3)), [70]);
  });
});

describe('answers that change sides by lot', () => {
  const WEIGHTS = [0.05, 0.04, 0.04, 0.03, 0.02, 0.02, 0.01, 0.01];
  const UNIT = 0.02;
  const swaps = {
    differing: WEIGHTS.length,
    unit: UNIT,
    swapped: (lot: Lot) => WEIGHTS.reduce((sum, weight) => sum + (1 - 2 * lot(1)) * weight, 0),
  };
  const sign = (ways: number, at: number): number => (((ways >> at) & 1) === 0 ? 1 : -1);
  const all = Array.from({ length: 2 ** (WEIGHTS.length + 2) }, (_, ways) => {
    const swapped = WEIGHTS.reduce((sum, weight, at) => sum + sign(ways, at) * weight, 0);
    return swapped + (sign(ways, WEIGHTS.length) + sign(ways, WEIGHTS.length + 1)) * UNIT;
  }).toSorted((a, b) => a - b);
  const reach = all[Math.ceil(0.975 * all.length) - 1]!;

  it('reach as far as all ways to swap them do, which are looked at where they are few', async () => {
    const byAll = await swapInterval(0.2, swaps, { seed: 5 });
    ok(Math.abs(byAll!.high - 0.2 - reach) < 1e-9 && Math.abs(0.2 - byAll!.low - reach) < 1e-9);
    deepEqual(await swapInterval(0.2, swaps, { seed: 6 }), byAll);
    const seeds = await Promise.all([1, 2, 3, 4].map((seed) => swapInterval(0.2, swaps, { seed, resamples: 255 })));
    for (const some of seeds) ok(Math.abs(some!.high - 0.2 - reach) < 0.025, JSON.stringify(some));
    ok(new Set(seeds.map((some) => some!.high)).size > 1, 'fewer draws than ways are drawn by lot');
  });

  it('reach beyond the value where more than they may reach it, and no further than that where so few do', async () => {
    // Of 32 ways two are all on one side: 6 in 100; of 64 ways 3 in 100.
    const alike = (rows: number) => ({
      differing: rows,
      unit: 0.0001,
      swapped: (lot: Lot) => 0.01 * (rows - 2 * lot(rows)),
    });
    const [five, six] = [
      await swapInterval(0.05, alike(5), { seed: 1 }),
      await swapInterval(0.06, alike(6), { seed: 1 }),
    ];
    ok(five!.low < 0 && five!.low > -0.001, JSON.stringify(five));
    ok(six!.low > 0.015, JSON.stringify(six));
  });

  it('stay within what a difference of shares can be, and are nothing where one is no number', async () => {
    const { low, high } = (await swapInterval(
      -0.5,
      { differing: 1, unit: 0.1, swapped: (lot) => (lot(1) === 0 ? 0.9 : -0.9) },
      { seed: 1 },
    ))!;
    equal(low, -1);
    // 0.9 and twice the unit beyond −0.5.
    ok(Math.abs(high - 0.6) < 1e-12);
    equal(await swapInterval(0, { differing: 1, unit: 0.1, swapped: () => Number.NaN }, { seed: 1 }), null);
  });
});

import { deepEqual, equal, ok } from 'node:assert/strict';
import { binomial } from '../../activities/validation/binomial.ts';
import { labelsLost, macroF1Gain } from '../../activities/validation/macro-f1-difference.ts';
import { confusionMatrix, macroF1 } from '../../activities/validation/metrics.ts';
import type { Decisions } from '../../activities/validation/multi-label/decisions.ts';
import {
  macroF1Gain as macroF1GainOfSets,
  rowsOfLostLabels,
} from '../../activities/validation/multi-label/macro-f1-difference.ts';
import { seededRandom, type Random } from '../../activities/validation/random.ts';
import { bootstrapInterval, quantile } from '../../activities/validation/statistics.ts';
import { swapInterval } from '../../activities/validation/swapped-answers.ts';

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
  it('reach as far as all ways to swap them do', async () => {
    const weights = [0.05, 0.04, 0.04, 0.03, 0.02, 0.02, 0.01, 0.01];
    const value = 0.2;
    const all: number[] = [];
    const ROWS = 50;
    for (let ways = 0; ways < 2 ** (weights.length + 2); ways++) {
      const sign = (at: number): number => (((ways >> at) & 1) === 0 ? 1 : -1);
      const swapped = weights.reduce((sum, weight, at) => sum + sign(at) * weight, 0);
      all.push(swapped + (sign(weights.length) + sign(weights.length + 1)) / ROWS);
    }
    const reach = quantile(
      all.toSorted((a, b) => a - b),
      0.975,
    );
    const swapped = (random: Random): number =>
      weights.reduce((sum, weight) => sum + (1 - 2 * binomial(random, 1, 0.5)) * weight, 0);
    const interval = await swapInterval(value, ROWS, swapped, { seed: 5, resamples: 20_000 });
    ok(Math.abs(interval!.high - value - reach) < 0.005 && Math.abs(value - interval!.low - reach) < 0.005);
  });

  it('stay within what a difference of shares can be, and are nothing where one is no number', async () => {
    const interval = await swapInterval(-0.5, 3, (random) => (random.below(2) === 0 ? 0.9 : -0.9), { seed: 1 });
    deepEqual([interval!.low, interval!.high], [-1, 1]);
    equal(await swapInterval(0, 3, () => Number.NaN, { seed: 1 }), null);
  });
});

import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { mcnemar, pairedDifferenceInterval, pairedShareInterval } from '../../activities/validation/paired.ts';

/** Exact: statsmodels 0.15.0's mcnemar(exact=True), which asks scipy 1.17.1's binomial. Mid-p: Python's fractions, term by term. */
const P_VALUES = [
  [0, 0, 1, 1],
  [1, 0, 1, 0.5],
  [5, 5, 1, 1],
  [12, 4, 0.076812744140625, 0.049041748046875],
  [3, 14, 0.012725830078125, 0.007537841796875],
  [59, 6, 4.964650327128616e-12, 2.72580319860688e-12],
  [120, 90, 0.045114087864840696, 0.03864334878220895],
  [3000, 2800, 0.00896943600119357, 0.008636315342168313],
  [1, 40, 3.8198777474462986e-11, 1.9554136088117957e-11],
  [16, 0, 3.0517578125e-5, 1.52587890625e-5],
] as const;

/** Bonett and Price's formula with scipy 1.17.1's normal quantile. [1, 7, 21] is the example of airways in the literature. */
const INTERVALS = [
  [0, 0, 600, -0.004604331642357734, 0.004604331642357734],
  [12, 4, 600, -0.00048310655175600944, 0.027061179641457003],
  [1, 7, 21, -0.5083593066664394, -0.013379823768343235],
  [59, 6, 150, 0.2588661399742747, 0.4385022810783569],
  [21, 0, 21, 0.7463580354679259, 1],
] as const;

const near = (actual: number, expected: number, relative = 1e-9): void =>
  assert.ok(
    Math.abs(actual - expected) <= relative * Math.max(Math.abs(expected), 1e-300),
    `${actual}, not ${expected}`,
  );

describe('two models on the same rows', () => {
  it("have McNemar's exact and mid-p values as statsmodels and exact fractions give them", () => {
    for (const [won, lost, exactP, midP] of P_VALUES) {
      const p = mcnemar({ won, lost });
      near(p.exactP, exactP);
      near(p.midP, midP);
    }
  });

  it('have probabilities that do not depend on which is called first, the mid-p never above the exact one', () => {
    const counts = fc.nat({ max: 3000 });
    fc.assert(
      fc.property(counts, counts, (won, lost) => {
        const [one, other] = [mcnemar({ won, lost }), mcnemar({ won: lost, lost: won })];
        assert.deepEqual(one, other);
        assert.ok(one.exactP >= 0 && one.exactP <= 1 && one.midP >= 0 && one.midP <= one.exactP);
      }),
    );
  });

  it('are told apart also on more rows than a power of two can count', () => {
    const { exactP, midP } = mcnemar({ won: 52_000, lost: 50_000 });
    near(exactP, 3.8669187458074967e-10, 1e-8); // scipy's binomtest
    assert.ok(midP < exactP && midP > exactP / 1.05);
    assert.equal(mcnemar({ won: 100_000, lost: 0 }).exactP, 0);
  });

  it('have the interval of Bonett and Price, which neither leaves −1 to 1 nor shrinks to a point', () => {
    for (const [won, lost, rows, low, high] of INTERVALS) {
      const interval = pairedShareInterval({ won, lost }, rows);
      near(interval.low, low);
      near(interval.high, high);
      assert.equal(interval.confidence, 0.95);
    }
  });

  it('have the same interval by their differences, and a narrower one where one of the two is a mean of several answers', () => {
    for (const [won, lost, rows, low, high] of INTERVALS) {
      const differences = Array.from({ length: rows }, (_, row) => (row < won ? 1 : row < won + lost ? -1 : 0));
      const interval = pairedDifferenceInterval(differences);
      near(interval.low, low);
      near(interval.high, high);
    }
    const once = pairedDifferenceInterval([1, 0, 1, 0, 1, 0, 1, 0]);
    const twice = pairedDifferenceInterval(Array.from({ length: 8 }, () => 0.5));
    assert.ok(twice.high - twice.low < once.high - once.low);
    assert.throws(() => pairedDifferenceInterval([]), RangeError);
    assert.throws(() => pairedDifferenceInterval([0, 1.5]), RangeError);
    assert.throws(() => pairedDifferenceInterval([Number.NaN]), RangeError);
  });

  it('are not compared on counts that are none', () => {
    for (const [won, lost] of [
      [-1, 0],
      [0.5, 0],
      [Number.NaN, 0],
      [0, Number.POSITIVE_INFINITY],
    ] as const) {
      assert.throws(() => mcnemar({ won, lost }), RangeError);
    }
    assert.throws(() => pairedShareInterval({ won: 3, lost: 3 }, 5), /3 won and 3 lost of 5 rows/);
    assert.throws(() => pairedShareInterval({ won: 0, lost: 0 }, 0), RangeError);
  });
});

import assert from 'node:assert/strict';
import { shareDifference, shareDifferenceInterval } from '../../activities/validation/shares.ts';

const near = (actual: number, expected: number): void =>
  assert.ok(Math.abs(actual - expected) < 1e-9, `${actual} is not ${expected}`);

describe('the difference of two shares', () => {
  // statsmodels 0.14: confint_proportions_2indep(a, m, b, n, method='newcomb', compare='diff'), which cuts at ±1
  it("has Newcombe's interval, as statsmodels gives it", () => {
    for (const [first, second, low, high] of [
      [{ hits: 56, rows: 70 }, { hits: 48, rows: 80 }, 0.05243147240236498, 0.33387265403690614],
      [{ hits: 10, rows: 10 }, { hits: 0, rows: 20 }, 0.6790860371419145, 1],
      [{ hits: 9, rows: 10 }, { hits: 3, rows: 10 }, 0.1705227239345029, 0.809017973535488],
    ] as const) {
      const interval = shareDifferenceInterval(first, second);
      near(interval.low, low);
      near(interval.high, high);
    }
  });

  it('has no number where one of them has no rows', () =>
    assert.equal(shareDifference({ hits: 1, rows: 2 }, { hits: 0, rows: 0 }).value, null));
});

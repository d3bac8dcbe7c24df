import assert from 'node:assert/strict';
import { studentQuantile } from '../../activities/validation/student.ts';

describe('quantiles of Student’s t', () => {
  it('are those of the tables', () => {
    const table = [
      [1, 12.7062, 31.8205],
      [2, 4.30265, 6.96456],
      [3, 3.18245, 4.5407],
      [5, 2.57058, 3.36493],
      [10, 2.22814, 2.76377],
      [30, 2.04227, 2.45726],
      [120, 1.97993, 2.35782],
    ] as const;
    for (const [freedom, ...expected] of table) {
      for (const [at, probability] of [0.975, 0.99].entries()) {
        const found = studentQuantile(probability, freedom);
        assert.ok(Math.abs(found / expected[at]! - 1) < 1e-3, `${freedom} ${probability}: ${found}`);
        assert.equal(studentQuantile(1 - probability, freedom).toFixed(6), (-found).toFixed(6));
      }
    }
  });

  it('lie between those of the whole degrees of freedom beside them', () => {
    for (const freedom of [1.5, 2.5, 7.3]) {
      const found = studentQuantile(0.975, freedom);
      assert.ok(
        found < studentQuantile(0.975, Math.floor(freedom)) && found > studentQuantile(0.975, Math.ceil(freedom)),
      );
    }
  });
});

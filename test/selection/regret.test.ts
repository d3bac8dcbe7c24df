import assert from 'node:assert/strict';
import { regretOf } from '../../bench/selection/regret.ts';
import { seededRandom } from '../../activities/validation/random.ts';

describe('regret of a choice', () => {
  it('is of the means of the seeds, with their error, beside that of the first seed alone', () => {
    const tuned = new Map([
      ['a', [0.85, 0.79, 0.79]],
      ['b', [0.79, 0.82, 0.85]],
    ]);
    const regret = regretOf(tuned, 'a');
    assert.ok(Math.abs(regret.ofMeans - 0.01) < 1e-9);
    // Differences −6, 3 and 6 points.
    assert.ok(Math.abs(regret.error - 0.0625 / Math.sqrt(3)) < 1e-3, String(regret.error));
    assert.equal(regret.ofSingle, 0);
    assert.ok(Math.abs(regretOf(tuned, 'b').ofSingle - 0.06) < 1e-9);
    assert.equal(regretOf(tuned, 'b').ofMeans, 0);
  });

  it('between equals is too much by the best of single trainings, less so by means, and not by seeds left out', () => {
    const random = seededRandom(5);
    const draws = 2000;
    const sums = { ofMeans: 0, heldOut: 0, ofSingle: 0 };
    for (let draw = 0; draw < draws; draw++) {
      const names = ['a', 'b', 'c', 'd', 'e'];
      const tuned = new Map(names.map((id) => [id, [0, 1, 2].map(() => 0.8 + 0.03 * random.normal())]));
      const regret = regretOf(tuned, 'a');
      for (const figure of ['ofMeans', 'heldOut', 'ofSingle'] as const) sums[figure] += regret[figure] / draws;
    }
    // The largest of five normal values lies 1.16 deviations over their mean.
    assert.ok(Math.abs(sums.ofSingle - 0.0349) < 0.003, String(sums.ofSingle));
    assert.ok(Math.abs(sums.ofMeans - 0.0349 / Math.sqrt(3)) < 0.003, String(sums.ofMeans));
    assert.ok(Math.abs(sums.heldOut) < 0.003, String(sums.heldOut));
  });
});

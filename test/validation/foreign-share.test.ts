import { deepEqual, equal, ok } from 'node:assert/strict';
import { foreignShare } from '../../activities/validation/foreign-share.ts';
import { seededRandom } from '../../activities/validation/random.ts';

/** Rows of two clouds in eight dimensions, two apart in each. */
function clouds(rows: number, seed: number): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: rows * 8 }, (_, at) => 2 * (Math.floor(at / 8) % 2) + random.normal());
}

/** From elsewhere: not along the line between the clouds. */
const moved = (rows: Float32Array): Float32Array => rows.map((value, at) => value + 2 * (at % 2));

describe('the share of rows from elsewhere', () => {
  it('tells another population, and does not tell the same one', async () => {
    const [here, alike] = [clouds(400, 1), clouds(400, 2)];
    const { score: same } = await foreignShare(here, alike, 8, { seed: 7 });
    ok(same.interval!.low < 0.02 && same.value! >= 0 && same.rows === 400, JSON.stringify(same));
    const { score: other, surest } = await foreignShare(here, moved(alike), 8, { seed: 7 });
    ok(other.interval!.low > 0.7, JSON.stringify(other));
    ok(surest.length === 5 && surest.every((row) => row >= 0 && row < 400));
    deepEqual((await foreignShare(here, alike, 8, { seed: 7 })).score, same);
  });

  it('says at most how many rows are from elsewhere, and nearly so many where they are plainly others', async () => {
    const here = clouds(500, 1);
    for (const share of [0.25, 0.5]) {
      const mixed = clouds(200, 2).map((value, at) => (at < 200 * 8 * share ? value + 6 : value));
      const { score, surest } = await foreignShare(here, mixed, 8, { seed: 7 });
      ok(Math.abs(score.value! - share) < 0.05, JSON.stringify(score));
      ok(score.interval!.low < share && score.interval!.high > share && score.interval!.low > 0.1);
      ok(surest.every((row) => row < 200 * share));
    }
  });

  it('tells few rows, and does not tell as few that are alike', async () => {
    const [here, there] = [clouds(30, 1), moved(clouds(30, 2))];
    const { score, surest } = await foreignShare(here, there, 8, { seed: 7 });
    ok(score.rows === 30 && score.interval!.low > 0.2, JSON.stringify(score));
    equal(new Set(surest).size, 5);
    let told = 0;
    for (let seed = 0; seed < 20; seed++) {
      const alike = clouds(30, 100 + seed);
      if ((await foreignShare(here, alike, 8, { seed })).score.interval!.low > 0.1) told++;
    }
    ok(told <= 1, `${told} of 20 that are alike are told apart`);
  });

  it('does not apply to a handful of rows, and rows that are all one are alike', async () => {
    const { score: few, surest } = await foreignShare(new Float32Array(8000), new Float32Array(80), 8, { seed: 7 });
    equal(few.notApplicable, 'there are 10 test rows and 1000 training rows, and it takes 20 of each to tell');
    deepEqual(surest, []);
    const { score } = await foreignShare(new Float32Array(800), new Float32Array(800), 8, { seed: 7 });
    equal(score.value, 0);
  });
});

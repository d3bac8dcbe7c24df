import assert from 'node:assert/strict';
import { twoSampleTest } from '../../activities/validation/shift.ts';
import { clouds } from '../support/clouds.ts';

describe('the classifier two-sample test', () => {
  it('tells another population, and does not tell the same one', async () => {
    const [here, alike] = [clouds(400, 2, 2, 1).embeddings, clouds(400, 2, 2, 2).embeddings];
    const { score: same } = await twoSampleTest(here, alike, 8, { seed: 7 });
    assert.ok(same.interval!.low < 0.5 && same.rows === 400);
    const { score: other, surest } = await twoSampleTest(
      here,
      alike.map((value) => value + 1),
      8,
      { seed: 7 },
    );
    assert.ok(other.interval!.low > 0.8);
    assert.ok(surest.length === 5 && surest.every((row) => row >= 0 && row < 400));
  });

  it('tells each row in turn where rows are few, and shows with as many what a half does not', async () => {
    const [here, there] = [clouds(30, 2, 2, 1).embeddings, clouds(30, 2, 2, 2).embeddings.map((value) => value + 1)];
    const half = await twoSampleTest(here, there, 8, { seed: 7 });
    const inTurn = await twoSampleTest(here, there, 8, { seed: 7, inTurnBelow: 200 });
    assert.deepEqual([half.score.rows, inTurn.score.rows], [30, 60]);
    assert.ok(inTurn.score.interval!.low > half.score.interval!.low);
    assert.equal(new Set(inTurn.surest).size, 5);
    let told = 0;
    for (let seed = 0; seed < 20; seed++) {
      const alike = clouds(30, 2, 2, 100 + seed).embeddings;
      const { score } = await twoSampleTest(here, alike, 8, { seed, inTurnBelow: 200 });
      assert.equal(score.rows, 60);
      if (score.interval!.low > 0.5) told++;
    }
    assert.ok(told <= 2, `${told} of 20 that are alike are told apart`);
    assert.equal((await twoSampleTest(here, there, 8, { seed: 7, inTurnBelow: 30 })).score.rows, 30);
  });

  it('does not apply to a handful of rows', async () => {
    const { score: few, surest } = await twoSampleTest(new Float32Array(80), new Float32Array(8000), 8, { seed: 7 });
    assert.match(few.notApplicable ?? '', /10 rows are too few/);
    assert.deepEqual(surest, []);
  });
});

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

  it('does not apply to a handful of rows', async () => {
    const { score: few, surest } = await twoSampleTest(new Float32Array(80), new Float32Array(8000), 8, { seed: 7 });
    assert.match(few.notApplicable ?? '', /10 training rows are too few/);
    assert.deepEqual(surest, []);
  });
});

import assert from 'node:assert/strict';
import { SelectionSchema } from '../../pipelines/definition/selection.ts';
import { mostSeeds, recommendedSeeds, seedsOfTry } from '../../pipelines/seeds-by-rows.ts';

describe('the seeds of a try', () => {
  const { prototype: open } = SelectionSchema.parse({});

  it('are several where the rows are few, and one where they are many or the run began before they could be set', () => {
    assert.deepEqual([seedsOfTry(open, 999), seedsOfTry(open, 1000)], [3, 1]);
    assert.deepEqual([seedsOfTry({ seeds: 5 }, 999), seedsOfTry({ seeds: 5 }, 1000)], [5, 1]);
    assert.equal(seedsOfTry({ ...open, fewRows: 50 }, 100), 1);
    assert.equal(seedsOfTry({}, 100), 1);
  });

  it('are planned as if the rows were few, since nobody has counted them', () => {
    assert.deepEqual([mostSeeds(open), mostSeeds({ seeds: 1 }), mostSeeds({})], [3, 1, 1]);
  });

  it('have a reason where the definition leaves them to the rows, and none where it names them', () => {
    const few = recommendedSeeds(open, 600);
    assert.deepEqual([few?.path, few?.value], ['selection.prototype.seeds', 3]);
    assert.match(few?.reason ?? '', /^600 training rows: of so few/);
    assert.match(recommendedSeeds(open, 5000)?.reason ?? '', /^5000 training rows: one seed/);
    assert.equal(recommendedSeeds({ seeds: 3 }, 600), undefined);
    assert.equal(recommendedSeeds({}, 600), undefined);
  });
});

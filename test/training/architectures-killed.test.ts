import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { FAMILIES_OF } from '../../pipelines/families.ts';
import { architectureTasks, disturb, type Disturbed } from './families.ts';

/** ESPALIER_SEED replays a failure. */
const seed = Number(process.env['ESPALIER_SEED'] ?? randomInt(1e9));
const KILLS = 2;
const TASKS = {
  'text-classification': FAMILIES_OF['text-classification'],
  'image-classification': FAMILIES_OF['image-classification'],
  'causal-lm': FAMILIES_OF['text-generation'],
};

/** Three families are killed more often, with adapters too: families.test.ts. */
describe(`a training of any architecture, killed at random moments (ESPALIER_SEED=${seed})`, function () {
  this.timeout(600_000); // the limit is for a busy machine
  let results: readonly Disturbed[] = [];

  before(async () => {
    results = await disturb(await architectureTasks(), { kills: KILLS, seed });
  });

  for (const [task, kinds] of Object.entries(TASKS)) {
    for (const kind of kinds) {
      it(`ends with the bytes of an undisturbed one (${task}, ${kind})`, () => {
        const result = results.find(({ label }) => label === `${task} ${kind}`);
        assert.ok(result !== undefined && result.failure === undefined, JSON.stringify(result));
        assert.ok(
          result.kills.some(({ exit }) => exit !== 0),
          JSON.stringify(result.kills),
        );
        assert.deepEqual(result.disturbed, result.whole, JSON.stringify(result.kills));
        assert.ok('model/model.safetensors' in result.whole);
        assert.deepEqual(result.resumedExact, { value: true, reasons: [] });
      });
    }
  }

  it('goes on from a checkpoint in most cases', () => {
    const resumed = results.filter(({ kills }) => kills.some(({ from }) => from !== null && from > 0));
    assert.ok(resumed.length > results.length / 2, `${resumed.length} of ${results.length}`);
  });
});

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { disturb, familyTasks, type Disturbed } from './families.ts';

/** ESPALIER_SEED replays a failure. */
const seed = Number(process.env['ESPALIER_SEED'] ?? randomInt(1e9));
const KILLS = 5; // of each method: ten a family

describe(`a training killed at random moments (ESPALIER_SEED=${seed})`, function () {
  this.timeout(600_000); // a minute of one core; the limit is for a busy machine
  let results: readonly Disturbed[] = [];

  before(async () => {
    results = await disturb(await familyTasks(), { kills: KILLS, seed });
  });

  for (const family of ['text-classification', 'image-classification', 'causal-lm']) {
    for (const method of ['full', 'lora']) {
      it(`ends with the bytes of an undisturbed one (${family}, ${method})`, () => {
        const result = results.find(({ label }) => label === `${family} ${method}`);
        assert.ok(result !== undefined && result.failure === undefined, JSON.stringify(result));
        assert.ok(result.kills.filter(({ exit }) => exit !== 0).length >= KILLS - 1, JSON.stringify(result.kills));
        assert.ok(
          result.kills.some(({ from }) => from !== null && from > 0),
          'no attempt went on from a checkpoint',
        );
        assert.deepEqual(result.disturbed, result.whole, JSON.stringify(result.kills));
        assert.ok('model/model.safetensors' in result.whole && 'history.json' in result.whole);
        assert.deepEqual(result.resumedExact, { value: true, reasons: [] });
      });
    }
  }

  it('gives every family and method a model of its own', () => {
    assert.equal(new Set(results.map(({ whole }) => whole['model/model.safetensors'])).size, 6);
  });
});

import assert from 'node:assert/strict';
import { applySettings, parseSettings } from '../../client/settings.ts';

describe('--set', () => {
  const definition = { training: { epochs: 4 }, candidates: [{ id: 'one' }] };

  const cases: [string, unknown][] = [
    ['training.epochs=2', { training: { epochs: 2 }, candidates: [{ id: 'one' }] }],
    ['candidates.0.layers=3', { training: { epochs: 4 }, candidates: [{ id: 'one', layers: 3 }] }],
    ['training.method=lora', { training: { epochs: 4, method: 'lora' }, candidates: [{ id: 'one' }] }],
    ['gates.accuracy.min=0.5', { ...definition, gates: { accuracy: { min: 0.5 } } }],
    ['data.files=["a.csv"]', { ...definition, data: { files: ['a.csv'] } }],
  ];
  for (const [setting, expected] of cases) {
    it(`${setting} changes that value and no other`, () => {
      assert.deepEqual(applySettings(definition, parseSettings([setting])), expected);
      assert.deepEqual(
        definition,
        { training: { epochs: 4 }, candidates: [{ id: 'one' }] },
        'the original is untouched',
      );
    });
  }

  for (const setting of ['epochs', '=2', '__proto__.polluted=1', 'a..b=1', 'training.epochs.deep=1']) {
    it(`${setting} is refused`, () => {
      assert.throws(() => applySettings(definition, parseSettings([setting])), { kind: 'BadConfig' });
      assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    });
  }
});

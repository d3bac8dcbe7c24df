import assert from 'node:assert/strict';
import { stripVTControlCharacters } from 'node:util';
import { parkedLines, shellWord } from '../../cli/parked.ts';
import type { StepView } from '../../workflows/messages.ts';

describe('a parked step', () => {
  const step: StepView = {
    id: 'train',
    title: 'fine-tune',
    stage: 'tune',
    needs: [],
    state: 'parked',
    error: {
      kind: 'Diverged',
      message: 'the loss is not a number at step 12',
      where: 'train',
      fix: 'lower training.learningRate',
      retryable: false,
    },
  };

  it('is shown with its kind, message, fix and the commands that decide, ready to paste', () => {
    const lines = parkedLines('run-1', step).map(stripVTControlCharacters);
    assert.deepEqual(lines, [
      '‖ fine-tune is parked  Diverged: the loss is not a number at step 12',
      '  fix:   lower training.learningRate',
      '  retry: espalier runs retry run-1 train   # --set path=value changes a setting',
      '  skip:  espalier runs skip run-1 train',
      '  abort: espalier runs abort run-1 train',
    ]);
  });

  it('offers only what the run says is possible', () => {
    const lines = parkedLines('run-1', { ...step, actions: ['retry', 'abort'] }).join('\n');
    assert.doesNotMatch(lines, /runs skip/);
    assert.match(lines, /runs retry/);
    assert.match(lines, /runs abort/);
  });

  it('that stands by is shown with what becomes of it when nobody decides', () => {
    const [, , note] = parkedLines('run-1', { ...step, standsBy: true }).map(stripVTControlCharacters);
    assert.match(note ?? '', /drops out by itself as soon as another candidate may win; nobody has to decide yet/);
    assert.doesNotMatch(parkedLines('run-1', step).join(), /drops out/);
  });

  it('quotes ids as a shell reads them back', () => {
    assert.equal(shellWord('probe:tiny'), 'probe:tiny');
    assert.equal(shellWord("my run's"), String.raw`'my run'\''s'`);
    assert.equal(shellWord('$(x)'), "'$(x)'");
  });
});

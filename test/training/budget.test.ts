import assert from 'node:assert/strict';
import { trainModel } from '../../activities/training/train-model.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';
import { trainingInput, trainingKey, trainingSpec } from './fixtures.ts';

describe('a training whose budget ends', function () {
  this.timeout(180_000);

  it('keeps the best so far after whole epochs, says so, and is nobody else’s result', async () => {
    const { store, pointers } = await withStore();
    const input = await trainingInput(store, trainingSpec({ epochs: 500, earlyStoppingPatience: 0 }));
    // Over before it begins: one epoch there must be.
    const late = { ...input, stopAt: new Date(Date.now() - 1000).toISOString() };
    const trained = await runStep(trainModel, late, { store, pointers, python: pythonForTests() });
    assert.equal(trained.stoppedByBudget, 1);
    assert.equal(trained.bestEpoch, 1);
    assert.equal(trained.exact?.value, false);
    assert.match(trained.exact?.reasons.join(' ') ?? '', /budget ended after epoch 1 of 500/);
    assert.equal(trainModel.keeps?.(trained, {} as never), false, 'no other run finds it by its key');
    assert.equal(trainingKey(late), trainingKey(input), 'the deadline is no part of the key: checkpoints are found');

    const again = { ...input, stopAfterEpochs: 1 };
    const rebuilt = await runStep(trainModel, again, { store, pointers, python: pythonForTests() });
    assert.deepEqual(rebuilt.model, trained.model, 'whoever is told where it ended makes the same bytes');
    assert.equal(rebuilt.stoppedByBudget, undefined);
    assert.notEqual(trainingKey(again), trainingKey(input), 'what ends early is another training');
  });
});

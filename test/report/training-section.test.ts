import assert from 'node:assert/strict';
import { renderReport } from '../../activities/report/render.ts';
import type { TrainedModel } from '../../activities/contract/training.ts';
import { sampleFacts, sampleMaterial } from '../support/facts.ts';
import { generatorFacts } from '../support/generator-facts.ts';
import { retrievalFacts, retrievalPipeline } from '../support/retrieval-facts.ts';

describe('the report on a training that was disturbed', () => {
  const page = (parts: Partial<TrainedModel>): string => {
    const { training } = sampleFacts;
    assert.ok(training !== undefined);
    const facts = { ...sampleFacts, training: { ...training, ...parts } };
    return renderReport({ kind: 'final', facts, ...sampleMaterial(facts) });
  };

  it('shows what was passed over, that memory ran out, and that and why the bytes are not exact', () => {
    const shown = page({
      warnings: ['the checkpoint of step 40 is not used: <damaged>'],
      oomRetries: 2,
      microBatch: 4,
      exact: { value: false, reasons: ['micro-batches became smaller', 'another reason'] },
    });
    assert.match(shown, /Warning<\/strong> the checkpoint of step 40 is not used: &lt;damaged&gt;/);
    assert.match(shown, /2 times; micro-batches of 4 rows in the end/);
    assert.match(shown, /no: micro-batches became smaller; another reason/);
  });

  it('says that the bytes are those of an undisturbed one, and nothing of memory, when so it was', () => {
    const shown = page({ warnings: [], oomRetries: 0, microBatch: 8, exact: { value: true, reasons: [] } });
    assert.match(shown, /yes: the bytes of a training that nothing disturbed/);
    assert.doesNotMatch(shown, /Memory ran out|Warning<\/strong>/);
  });
});

describe('the curves of a training', () => {
  const { training } = sampleFacts;
  assert.ok(training !== undefined);
  const tunedFinder = { ...retrievalFacts, training, pipeline: retrievalPipeline({ training: {} }) };
  for (const [what, facts] of [
    ['a classifier', sampleFacts],
    ['a finder that was tuned', tunedFinder],
    ['a generator that was tuned', generatorFacts('tuned')],
  ] as const) {
    it(`stand in the report of ${what}, step by step and epoch by epoch`, () => {
      const page = renderReport({ kind: 'final', facts, ...sampleMaterial(facts) });
      assert.match(page, /<desc id="loss-plot-text">training, each step: from \d/);
      assert.match(page, /<desc id="accuracy-plot-text">validation: from \d/);
    });
  }

  it('are none of a finder that nothing tuned', () => {
    const page = renderReport({ kind: 'final', facts: retrievalFacts, ...sampleMaterial(retrievalFacts) });
    assert.doesNotMatch(page, /loss-plot/);
  });
});

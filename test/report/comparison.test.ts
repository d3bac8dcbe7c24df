import assert from 'node:assert/strict';
import { summarise } from '../../client/summary.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { sampleFacts } from '../support/facts.ts';
import { render, wordsOf } from '../support/report-page.ts';

const { bundle, production, comparison } = sampleFacts;
assert.ok(bundle && production && comparison?.comparable);

describe('the report', () => {
  it('sets the new model beside the one in production: rows won and lost, intervals, settings, and what is slower', () => {
    const words = wordsOf(render(sampleFacts, 'release'));
    for (const expected of [
      'In production',
      '✓ better 14 rows won, 3 lost: accuracy +8.0 points, 1.9 points to 13.8 points.',
      'On the same 138 test rows',
      'Accuracy 81.1 % 74.6 % to 87.6 % 89.1 % 84.1 % to 94.1 % 8.0 points 1.9 points to 13.8 points',
      'Latency p95 10.4 ms 6.90 ms −3.50 ms −33.7 %',
      'Size of model.onnx 133.5 MB 91.4 MB −42.1 MB −31.5 %',
      'McNemar, exact p = 0.0127',
      'Beside production: ✓ better (14 rows won, 3 lost of 138)',
      'Left out are 3 test rows that production was trained or chosen on',
      '1f0c9a44d2e7b310 refund-request refund-request damaged-item',
      'training.epochs 3 4',
      'candidates[2] nothing {&quot;id&quot;:',
    ]) {
      assert.ok(words.includes(expected), expected);
    }
  });

  it('claims no difference that the interval does not show', () => {
    assert.ok(comparison?.comparable);
    const withInterval = (low: number, high: number) =>
      wordsOf(
        render({
          ...sampleFacts,
          comparison: {
            ...comparison,
            accuracy: {
              ...comparison.accuracy,
              difference: { value: (low + high) / 2, interval: { low, high, confidence: 0.95 }, rows: 138 },
            },
          },
        }),
      );
    assert.match(withInterval(-0.01, 0.02), /– no difference shown .*cannot tell which of the two errs less/);
    assert.match(withInterval(-0.04, -0.01), /✗ worse 14 rows won, 3 lost: accuracy −2\.5 points/);
    assert.doesNotMatch(withInterval(0, 0.02), /✓ better/);
  });

  it('says so where macro F1 is worse, whatever accuracy says, with the gate and the rows of the labels that lose', () => {
    assert.ok(comparison?.comparable);
    const difference = { value: -0.06, interval: { low: -0.1, high: -0.02, confidence: 0.95 }, rows: 138 };
    const macroF1Gate = {
      name: 'macroF1OverProduction',
      verdict: 'warn',
      measured: -0.02,
      score: difference,
      threshold: 0,
      direction: 'min',
      reason: 'macroF1OverProduction is -0.06',
      examples: { artifact: comparison.details.digest, path: 'rows', ids: ['r7', 'r9'] },
    } as const;
    const words = wordsOf(
      render({
        ...sampleFacts,
        comparison: { ...comparison, macroF1: { ...comparison.macroF1, difference }, macroF1Gate },
      }),
    );
    assert.match(words, /Beside production: ✓ better \(14 rows won, 3 lost of 138\) ✗ macro F1 worse/);
    assert.match(words, /✗ macro F1 worse Macro F1 −6\.0 points, −10\.0 points to −2\.0 points\./);
    assert.match(words, /Gate warn: macroF1OverProduction is -0\.06/);
    assert.match(words, /Of labels that lose F1, only production has right: r7 , r9/);
    assert.doesNotMatch(wordsOf(render(sampleFacts)), /macro F1 worse/);
  });

  it('tells an approver in a few lines what both gates beside production say', () => {
    const told = summarise(sampleFacts, 'release').find(({ name }) => name === 'gates')?.lines ?? [];
    assert.equal(told.at(-1)?.text, 'macroF1OverProduction: macroF1OverProduction is 0.054 on 138 rows');
  });

  it('says that nothing is in production, or why the two cannot be compared', () => {
    const { comparison: _, ...uncompared } = sampleFacts;
    const words = (facts: Partial<RunFacts>) => wordsOf(render({ ...uncompared, ...facts }));
    assert.match(
      words({ production: null }),
      /Nothing is in production: channel production of support-intents serves nothing/,
    );
    const bundleBefore = production?.bundle ?? 'sha256:';
    assert.match(
      words({ comparison: { comparable: false, bundle: bundleBefore, reason: 'their labels differ: <i>' } }),
      /! not compared The two cannot be compared: their labels differ: &lt;i&gt;\. Settings that differ/,
    );
    assert.ok(production);
    const gone = { ...production, made: null, problem: 'its evidence is not in the store', settings: [] };
    assert.match(words({ production: gone }), /cannot be compared: its evidence is not in the store/);
    assert.doesNotMatch(words({ production: gone }), /Every setting is as in/);
    assert.match(words({ production: { ...production, settings: [] } }), /Every setting is as in the definition/);
  });
});

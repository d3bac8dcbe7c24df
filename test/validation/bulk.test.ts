import assert from 'node:assert/strict';
import { MAX_RESULT_BYTES } from '../../activities/step.ts';
import { withoutBulk } from '../../activities/validation/bulk.ts';
import { confusionMatrix, confusionRows, labelScores } from '../../activities/validation/metrics.ts';

/** An evaluation of this many labels, whose rows are all answered rightly but for every fourth label's. */
function evaluated(count: number) {
  const labels = Array.from({ length: count }, (_, index) => `a label with quite a long name ${index}`);
  const expected = labels.flatMap((_, index) => [index, index, index]);
  const predicted = expected.map((label, row) => (label % 4 === 3 && row % 3 === 0 ? 0 : label));
  const confusion = confusionMatrix(expected, predicted, count);
  return { perLabel: labelScores(confusion, labels), confusion: confusionRows(confusion, count), other: 'kept' };
}

describe('the result of an evaluation', () => {
  it('is whole up to 100 labels', () => {
    for (const count of [2, 77, 100]) assert.deepEqual(withoutBulk(evaluated(count)), evaluated(count));
  });

  it('fits into a history however many labels there are', () => {
    for (const count of [101, 350, 1000]) {
      const whole = evaluated(count);
      const kept = withoutBulk(whole);
      assert.ok(JSON.stringify(kept).length < MAX_RESULT_BYTES / 2, `${count} labels`);
      assert.deepEqual(kept.confusion, []);
      assert.equal(kept.perLabel.length, Math.min(count, 500));
      assert.equal(kept.other, 'kept');
    }
    assert.ok(JSON.stringify(evaluated(350)).length > MAX_RESULT_BYTES, 'the reason for all this');
  });

  it('has no word of a text: those that were swapped stay in the artifact', () => {
    const counts = { name: 'religion', judged: true, words: 3, edited: 1, flipped: 1, flippedNeutral: 0 };
    const diagnosis = {
      trainTestGap: { value: 0, interval: null, rows: 1 },
      labelSignal: null,
      suspiciousLabels: [],
      slices: [],
      swaps: [{ ...counts, examples: [{ rowId: 'row7', before: ['muslim'], after: ['hindu'] }] }],
    };
    const kept = withoutBulk({ ...evaluated(2), diagnosis });
    assert.deepEqual(kept.diagnosis, { ...diagnosis, swaps: [counts] });
    assert.ok(!JSON.stringify(kept).includes('muslim'));
  });

  it('lists the labels that go worst, in label order, before those that go well or do not occur', () => {
    const whole = evaluated(1000);
    const absent = { label: 'absent', precision: null, recall: null, f1: null, support: 0 };
    const { perLabel } = withoutBulk({ ...whole, perLabel: [absent, ...whole.perLabel] });
    const bad = whole.perLabel.filter(({ f1 }) => f1 !== 1);
    assert.equal(bad.length, 251, 'every fourth, and the first, which they are taken for');
    assert.deepEqual(
      perLabel.filter(({ f1 }) => f1 !== 1),
      bad,
    );
  });
});

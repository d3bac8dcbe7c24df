import assert from 'node:assert/strict';
import type { RungResult } from '../../activities/contract/prototype.ts';
import { SelectionSchema } from '../../pipelines/definition/selection.ts';
import {
  cutShort,
  isTooNear,
  ofAllSeeds,
  rungInWords,
  rungLimits,
  rungRows,
  trialSetting,
} from '../../workflows/rungs.ts';
import { rungInput } from '../../workflows/step-inputs.ts';
import { ref } from '../support/workflow.ts';

const setting = { leastRows: 64, mostValidationRows: 1000 };

describe('the rows of a rung', () => {
  it('are a share, at least so many, and never more than there are', () => {
    assert.equal(rungRows(setting, 0.03, 10_000), 300);
    assert.equal(rungRows(setting, 0.03, 1000), 64);
    assert.equal(rungRows(setting, 0.03, 40), 40);
  });

  it('are told before they are counted as what they will be: a share, and so many at least', () => {
    assert.equal(rungInWords(0.03, 64), '3 % of the training rows (64 at least)');
    assert.equal(
      rungInWords(0.3, null),
      '30 % of the training rows, or more',
      'of a prototype, which decides by the rows',
    );
    assert.equal(rungInWords(1, 64), '100 % of the training rows');
  });

  it('are validated on as many as are trained on, on 200 at least, and never on more than is asked for', () => {
    const validation = (share: number, rows: number) => rungLimits(setting, share, rows).validation.most;
    assert.equal(validation(0.03, 1000), 200);
    assert.equal(validation(0.1, 5000), 500);
    assert.equal(validation(0.1, 100_000), 1000);
    assert.deepEqual(rungLimits(setting, 0.1, 5000).test, { most: 0 });
  });

  it('are a third of a prototype where the least would be more than half of all, and else the least that was asked for', () => {
    const first = (rows: number, leastRows = 64) =>
      rungRows(trialSetting({ ...setting, leastRows }, 0.3, rows, 2), 0.3, rows);
    assert.deepEqual(
      [10, 60, 65, 127].map((rows) => first(rows)),
      [4, 20, 22, 43],
    );
    assert.deepEqual(
      [128, 160, 200, 500].map((rows) => first(rows)),
      [64, 64, 64, 150],
    );
    assert.deepEqual([first(200, 150), first(300, 150), first(400, 150)], [67, 150, 150]);
    assert.equal(rungRows(trialSetting(setting, 1, 60, 2), 1, 60), 60, 'the last has all');
  });

  it('have a row of each label in a prototype, as far as there are rows', () => {
    const first = (rows: number, labels: number) => rungRows(trialSetting(setting, 0.3, rows, labels), 0.3, rows);
    assert.deepEqual([first(60, 30), first(200, 77), first(1000, 77), first(40, 50)], [30, 77, 300, 40]);
  });

  it('are asked for with the labels that a prototype has rows of, and of another run as ever', () => {
    const selection = SelectionSchema.parse({});
    const dataset = ref('rows');
    const counts = (train: number) => ({ train, validation: 1, test: 1 });
    const summary = {
      dataset,
      rows: { train: 60, validation: 10, test: 10 },
      labelCounts: {
        ...Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`label ${at}`, counts(2)])),
        elsewhere: counts(0),
      },
    };
    const prototype = { trainRows: 60, measuredRows: 10, seed: 7 };
    assert.deepEqual(rungInput({ selection, prototype }, summary, 0.3).rows.train, { share: 0.3, least: 30 });
    assert.deepEqual(rungInput({ selection }, summary, 0.3).rows.train, { share: 0.3, least: 64 });
  });

  it('leave a rung out that is not half as large as the next, but never the last', () => {
    assert.ok(isTooNear(setting, [0.03, 0.1], 600), '64 of 64');
    assert.ok(isTooNear(setting, [0.03, 0.1], 1200), '64 of 120');
    assert.ok(!isTooNear(setting, [0.03, 0.1], 1280), '64 of 128');
    assert.ok(!isTooNear(setting, [0.1, undefined], 600));
  });
});

describe('the seeds of a try', () => {
  it('say their mean together, and nothing where one of them failed', () => {
    const one = (candidate: string, accuracy: number | null, more: Partial<RungResult> = {}): RungResult => ({
      candidate,
      rung: 1,
      trainRows: 90,
      validationRows: 200,
      accuracy,
      seconds: accuracy === null ? null : accuracy * 10,
      ...more,
    });
    const cut = one('c', null, { error: 'the budget ended', errorKind: 'BudgetEnded' });
    const lost = one('c', null, { error: 'no space is left', errorKind: 'DiskFull' });
    const [a, b, c] = ofAllSeeds([one('a', 0.5), one('a', 0.75), one('b', 0.7), lost, cut, one('c', 0.9)]);
    assert.deepEqual(a, { ...one('a', 0.625), accuracies: [0.5, 0.75], seconds: 6.25 });
    assert.deepEqual(b, one('b', 0.7), 'as it was before there were seeds');
    assert.deepEqual(c, cut, 'what the budget cut is no failure of the candidate');
  });
});

describe('the end of a rung by the budget', () => {
  it('is what cut a training of it, and nothing else that failed', () => {
    assert.equal(cutShort(2, [{}, { errorKind: 'Diverged' }]), undefined);
    assert.match(cutShort(2, [{}, { errorKind: 'BudgetEnded' }]) ?? '', /rung 2, before 1 of its 2 trainings/);
  });
});

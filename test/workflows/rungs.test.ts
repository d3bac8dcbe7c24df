import assert from 'node:assert/strict';
import { cutShort, isTooNear, rungLimits, rungRows } from '../../workflows/rungs.ts';

const setting = { leastRows: 64, mostValidationRows: 1000 };

describe('the rows of a rung', () => {
  it('are a share, at least so many, and never more than there are', () => {
    assert.equal(rungRows(setting, 0.03, 10_000), 300);
    assert.equal(rungRows(setting, 0.03, 1000), 64);
    assert.equal(rungRows(setting, 0.03, 40), 40);
  });

  it('are validated on as many as are trained on, on 200 at least, and never on more than is asked for', () => {
    const validation = (share: number, rows: number) => rungLimits(setting, share, rows).validation.most;
    assert.equal(validation(0.03, 1000), 200);
    assert.equal(validation(0.1, 5000), 500);
    assert.equal(validation(0.1, 100_000), 1000);
    assert.deepEqual(rungLimits(setting, 0.1, 5000).test, { most: 0 });
  });

  it('leave a rung out that is not half as large as the next, but never the last', () => {
    assert.ok(isTooNear(setting, [0.03, 0.1], 600), '64 of 64');
    assert.ok(isTooNear(setting, [0.03, 0.1], 1200), '64 of 120');
    assert.ok(!isTooNear(setting, [0.03, 0.1], 1280), '64 of 128');
    assert.ok(!isTooNear(setting, [0.1, undefined], 600));
  });
});

describe('the end of a rung by the budget', () => {
  it('is what cut a training of it, and nothing else that failed', () => {
    assert.equal(cutShort(2, [{}, { errorKind: 'Diverged' }]), undefined);
    assert.match(cutShort(2, [{}, { errorKind: 'BudgetEnded' }]) ?? '', /rung 2, before 1 of its 2 trainings/);
  });
});

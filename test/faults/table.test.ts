import assert from 'node:assert/strict';
import {
  applies,
  coveringRows,
  describeFault,
  parseFault,
  POINTS,
  randomRow,
  WHAT,
  wholeMatrix,
  WHO,
  type Fault,
} from './table.ts';

describe('the table of faults', () => {
  const matrix = wholeMatrix().flatMap(({ faults }) => faults);
  const covering = coveringRows().flatMap(({ faults }) => faults);
  const pair = ({ who, what }: Fault): string => `${who} ${what}`;

  it('holds every fault that can happen, at every point where it can', () => {
    assert.deepEqual(new Set(matrix.map(({ who }) => who)), new Set(WHO));
    assert.deepEqual(new Set(matrix.map(({ what }) => what)), new Set(WHAT));
    assert.deepEqual(new Set(matrix.map(({ when }) => when)), new Set(POINTS));
    assert.equal(new Set(matrix.map(describeFault)).size, matrix.length, 'each once');
    // 3 ways at the 5 points of a living trainer; 5 + 4 + 3 + 6 + 3 ways at 8 points.
    assert.equal(matrix.length, 3 * 5 + 21 * 8);
  });

  it('asks for nothing that cannot happen', () => {
    assert.equal(applies({ who: 'trainer', what: 'kill', when: 'download' }), false, 'there is no trainer yet');
    assert.equal(applies({ who: 'proxyTemporal', what: '5xx', when: 'export' }), false, 'it knows no requests');
    assert.equal(applies({ who: 'worker', what: 'kill', when: 1200 }), true);
  });

  it('is covered by few runs: every pair of who and what, and every point', () => {
    assert.deepEqual(new Set(covering.map(pair)), new Set(matrix.map(pair)));
    assert.deepEqual(new Set(covering.map(({ when }) => when)), new Set(POINTS));
    assert.ok(coveringRows().length <= 10);
  });

  it('writes a fault the way it reads one', () => {
    for (const fault of [...matrix, ...covering, ...randomRow(3, 20_000).faults]) {
      assert.deepEqual(parseFault(describeFault(fault)), fault);
    }
    for (const wrong of ['worker kill', 'worker explode @export', 'nobody kill @export', 'trainer kill @gates', '']) {
      assert.equal(parseFault(wrong), undefined, wrong);
    }
  });

  it('draws the same random faults from the same seed, and others from another', () => {
    assert.deepEqual(randomRow(7, 30_000), randomRow(7, 30_000));
    assert.notDeepEqual(randomRow(7, 30_000).faults, randomRow(8, 30_000).faults);
    for (let seed = 0; seed < 200; seed++) {
      for (const fault of randomRow(seed, 30_000).faults) {
        assert.ok(applies(fault), describeFault(fault));
        assert.ok(Number(fault.when) < 30_000);
      }
    }
  });
});

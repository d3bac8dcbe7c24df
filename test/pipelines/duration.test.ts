import assert from 'node:assert/strict';
import { durationSeconds } from '../../pipelines/duration.ts';

describe('durations', () => {
  it('are seconds', () => {
    assert.deepEqual(['30s', '15m', '6h', '7d'].map(durationSeconds), [30, 900, 21_600, 604_800]);
  });
});

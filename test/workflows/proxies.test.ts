import assert from 'node:assert/strict';
import { heartbeatLimit } from '../../workflows/proxies.ts';

describe('the worker of a step', () => {
  it('counts as lost after six seconds of silence when it trains, else after what the run says', () => {
    assert.deepEqual([heartbeatLimit('gpu', 30), heartbeatLimit('gpu', 5)], [6, 5]);
    assert.deepEqual([heartbeatLimit('cpu', 30), heartbeatLimit('light', 5)], [30, 5]);
  });
});

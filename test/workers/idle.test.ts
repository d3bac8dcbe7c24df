import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { EspalierError } from '../../artifacts/errors.ts';
import { endWhenIdle, idleLimitMs } from '../../workers/idle.ts';

describe('a worker that is to end when it has nothing to do', () => {
  it('does so by its environment alone', () => {
    assert.deepEqual([idleLimitMs({}), idleLimitMs({ ESPALIER_IDLE_SECONDS: '' })], [undefined, undefined]);
    assert.equal(idleLimitMs({ ESPALIER_IDLE_SECONDS: '1.5' }), 1500);
    for (const value of ['soon', '0', '-1']) {
      assert.throws(
        () => idleLimitMs({ ESPALIER_IDLE_SECONDS: value }),
        (error) => error instanceof EspalierError && error.kind === 'BadConfig' && error.message.includes(value),
      );
    }
  });

  it('stays as long as it works, and ends once', async () => {
    let busy = true;
    const ends: number[] = [];
    const stop = endWhenIdle(
      100,
      () => busy,
      () => ends.push(Date.now()),
    );
    await sleep(1500);
    assert.deepEqual(ends, []);
    busy = false;
    while (ends.length === 0) await sleep(20);
    await sleep(1500);
    assert.equal(ends.length, 1);
    stop();
  });

  it('stays when the watch is stopped', async () => {
    const ends: number[] = [];
    endWhenIdle(
      100,
      () => false,
      () => ends.push(Date.now()),
    )();
    await sleep(1500);
    assert.deepEqual(ends, []);
  });
});

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import { watchRun } from '../../cli/watch.ts';

/** A client whose server is gone: every question fails, and is counted. */
function deadClient(): { client: Client; asked: () => number } {
  let asked = 0;
  const getHandle = (): never => {
    asked += 1;
    throw new Error('the channel has been shut down');
  };
  return { client: { workflow: { getHandle } } as unknown as Client, asked: () => asked };
}

describe('watching a run', () => {
  it('asks again while nobody answers, and never after its end was asked for', async () => {
    const { client, asked } = deadClient();
    const interruption = new AbortController();
    const watch = watchRun(client, 'a-run', () => false, { signal: interruption.signal });
    while (asked() < 2) await sleep(20);
    interruption.abort(new Error('Ctrl-C'));
    await assert.rejects(watch, /Ctrl-C/);
    await sleep(600); // the question that was about to be asked
    const before = asked();
    await sleep(1200);
    assert.equal(asked(), before);
  });
});

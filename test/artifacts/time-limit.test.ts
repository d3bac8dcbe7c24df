import { deepEqual, equal, ok } from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { withTimeLimit } from '../../artifacts/time-limit.ts';

/** Goes on until its limit ends. */
const untilIts = (limit: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    if (limit.aborted) resolve(limit.reason);
    else limit.addEventListener('abort', () => resolve(limit.reason), { once: true });
  });

describe('a time limit', () => {
  it('ends however often the collector runs meanwhile, also where another signal could end it', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const other = new AbortController();
    const heard: unknown[] = [];
    for (const signal of [undefined, other.signal]) {
      void withTimeLimit(200, signal, untilIts).then((reason) => heard.push(reason));
    }
    for (const deadline = Date.now() + 30_000; heard.length < 2 && Date.now() < deadline; await sleep(20)) collect();
    deepEqual(
      heard.map((reason) => (reason as Error).name),
      ['TimeoutError', 'TimeoutError'],
    );
    equal(other.signal.aborted, false);
  });

  it('ends with the other signal, with its reason, at once where that has ended', async () => {
    const other = new AbortController();
    const limited = withTimeLimit(60_000, other.signal, untilIts);
    const reason = new Error('cancelled');
    other.abort(reason);
    equal(await limited, reason);
    ok(await withTimeLimit(60_000, other.signal, (limit) => Promise.resolve(limit.aborted)));
  });

  it('leaves nothing behind once the work has ended, whichever way', async () => {
    const { signal } = new AbortController();
    for (let time = 0; time < 20; time++) {
      equal(await withTimeLimit(60_000, signal, () => Promise.resolve(time)), time);
      const failed = withTimeLimit(60_000, signal, () => Promise.reject(new Error('failed')));
      equal(await failed.catch((error: unknown) => (error as Error).message), 'failed');
    }
    equal(getEventListeners(signal, 'abort').length, 0);
  });
});

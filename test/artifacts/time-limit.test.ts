import { equal, ok } from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { timeLimit } from '../../artifacts/time-limit.ts';

describe('a time limit', () => {
  it('ends however often the collector runs meanwhile, also where another signal could end it', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const other = new AbortController();
    const limits = [timeLimit(200), timeLimit(200, other.signal)];
    const heard: AbortSignal[] = [];
    for (const limit of limits) limit.addEventListener('abort', () => heard.push(limit), { once: true });
    for (const deadline = Date.now() + 30_000; heard.length < limits.length && Date.now() < deadline; await sleep(20))
      collect();
    equal(heard.length, limits.length);
    for (const { reason } of limits) equal((reason as Error).name, 'TimeoutError');
    equal(other.signal.aborted, false);
  });

  it('ends with the other signal, with its reason, at once where that has ended', () => {
    const other = new AbortController();
    const limit = timeLimit(60_000, other.signal);
    const reason = new Error('cancelled');
    other.abort(reason);
    equal(limit.reason, reason);
    ok(timeLimit(60_000, other.signal).aborted);
  });
});

import assert from 'node:assert/strict';
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { CancelledFailure, type ApplicationFailure } from '@temporalio/common';
import { stepActivity } from '../../activities/step.ts';
import { EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import { withStore, type TestStore } from '../support/store.ts';

describe('an error of a step whose lost workers are replaced at once', () => {
  let storage: TestStore;
  before(async () => (storage = await withStore()));
  after(() => storage.close());

  const failureOf = async (
    kind: ErrorKind,
    attempt: number,
    backoffCoefficient: number,
  ): Promise<ApplicationFailure> => {
    const fails = stepActivity<number, never>(
      { type: 'test.delay', version: 1, run: () => Promise.reject(new EspalierError(kind, 'x')) },
      { ...storage, python: { executable: '', packages: '' } },
    );
    const info = { attempt, retryPolicy: { backoffCoefficient } };
    const context = { info, cancellationSignal: new AbortController().signal, heartbeat: () => {} };
    const call = { runId: 'r', stepId: 's', input: 1, reuse: true };
    return asyncLocalStorage.run(context as unknown as Context, () =>
      fails(call).then(
        () => assert.fail('it must fail'),
        (error: unknown) => error as ApplicationFailure,
      ),
    );
  };
  const delayOf = async (...of: Parameters<typeof failureOf>): Promise<unknown> =>
    (await failureOf(...of)).nextRetryDelay;

  it('waits longer each time, a minute at most', async () => {
    const delays = await Promise.all([1, 2, 4, 7, 500].map((attempt) => delayOf('StorageUnavailable', attempt, 1)));
    assert.deepEqual(delays, ['1s', '2s', '8s', '60s', '60s']);
    assert.equal(await delayOf('Preempted', 9, 1), '1s');
  });

  it('tells how long the step had run: that costs money, too', async () => {
    const [record, told] = (await failureOf('BadData', 1, 1)).details ?? [];
    assert.deepEqual((record as { kind: ErrorKind }).kind, 'BadData');
    const { ranSeconds } = told as { ranSeconds: number };
    assert.ok(ranSeconds >= 0 && Number.isFinite(ranSeconds), `${ranSeconds}`);
  });

  it('counts what the attempts before had told, in every heartbeat, in a failure and in a result', async () => {
    const beats: { ranSeconds?: number }[] = [];
    const after = async (heartbeatDetails: unknown, fails: boolean) => {
      const step = stepActivity<number, number>(
        {
          type: 'test.earlier',
          version: 1,
          run: (input, { progress, earlierSeconds }) => {
            progress({ phase: `after ${earlierSeconds}` });
            return fails ? Promise.reject(new EspalierError('BadData', 'x')) : Promise.resolve(input);
          },
        },
        { ...storage, python: { executable: '', packages: '' } },
      );
      const context = {
        info: { attempt: 2, heartbeatDetails },
        cancellationSignal: new AbortController().signal,
        heartbeat: (beat: object) => beats.push(beat),
      };
      const call = { runId: 'r', stepId: 's', input: 1, reuse: false };
      return asyncLocalStorage.run(context as unknown as Context, () => step(call));
    };
    assert.equal((await after({ phase: 'training', ranSeconds: 3600 }, false)).earlierSeconds, 3600);
    assert.ok((beats.at(-1)?.ranSeconds ?? 0) >= 3600, 'for the attempt after this one');
    await assert.rejects(after({ ranSeconds: 3600 }, true), ({ details }: ApplicationFailure) => {
      const [, told] = details ?? [];
      assert.ok((told as { ranSeconds: number }).ranSeconds >= 3600);
      return true;
    });
    for (const nothing of [undefined, null, 'x', { phase: 'training' }, { ranSeconds: -1 }, { ranSeconds: '9' }])
      assert.equal((await after(nothing, false)).earlierSeconds, undefined, JSON.stringify(nothing));
  });

  it('is none where it was cancelled, however that shows itself: how long all attempts ran is told with it', async () => {
    for (const thrown of [new CancelledFailure('CANCELLED'), new DOMException('it was aborted', 'AbortError')]) {
      const step = stepActivity<number, never>(
        { type: 'test.cancelled', version: 1, run: () => Promise.reject(thrown) },
        { ...storage, python: { executable: '', packages: '' } },
      );
      const context = {
        info: { attempt: 2, heartbeatDetails: { ranSeconds: 3600 } },
        cancellationSignal: AbortSignal.abort(),
        heartbeat: () => {},
      };
      const call = { runId: 'r', stepId: 's', input: 1, reuse: false };
      const cancelled = asyncLocalStorage.run(context as unknown as Context, () => step(call));
      await assert.rejects(cancelled, (error: unknown) => {
        assert.ok(error instanceof CancelledFailure);
        assert.ok((error.details[0] as { ranSeconds: number }).ranSeconds >= 3600);
        return true;
      });
    }
  });

  it('is left to the retry policy that backs off by itself', async () => {
    assert.equal(await delayOf('StorageUnavailable', 4, 2), undefined);
  });
});

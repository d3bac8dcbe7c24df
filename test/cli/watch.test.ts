import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { QueryNotRegisteredError, ServiceError, WorkflowFailedError, type Client } from '@temporalio/client';
import { NamespaceNotFoundError, RetryState } from '@temporalio/common';
import { digestJson } from '../../artifacts/digest.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { answerOf, isAway } from '../../cli/patience.ts';
import { watchRun } from '../../cli/watch.ts';
import { connectTemporal } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import { HOST, TcpProxy } from '../support/faults-proxy.ts';
import { temporalForTests } from '../support/temporal.ts';
import { fakeActivities, ref, runInput, untilRun, withWorkers } from '../support/workflow.ts';

/** A client whose server is gone: every question fails, and is counted. */
function deadClient(): { client: Client; asked: () => number } {
  let asked = 0;
  const getHandle = (): never => {
    asked += 1;
    throw new ServiceError('the channel has been shut down');
  };
  return { client: { workflow: { getHandle } } as unknown as Client, asked: () => asked };
}

/** As the client gives it on, with the code of its call. */
const refused = (code: number): ServiceError =>
  new ServiceError('Failed to query Workflow', { cause: Object.assign(new Error('refused'), { code }) });
const unavailable = (cause: Error): EspalierError => new EspalierError('TemporalUnavailable', cause.message, { cause });

describe('asking again', () => {
  const CASES: readonly [string, unknown, boolean][] = [
    ['a server that is away (UNAVAILABLE)', unavailable(refused(14)), true],
    ['one that is too slow (DEADLINE_EXCEEDED)', unavailable(refused(4)), true],
    ['a call without a code', unavailable(new ServiceError('the channel has been shut down')), true],
    ['a run that no worker has yet', unavailable(new QueryNotRegisteredError('unknown query', 3)), true],
    ['INVALID_ARGUMENT', unavailable(refused(3)), false],
    ['NOT_FOUND', unavailable(refused(5)), false],
    ['PERMISSION_DENIED', unavailable(refused(7)), false],
    ['UNIMPLEMENTED', unavailable(refused(12)), false],
    ['UNAUTHENTICATED', unavailable(refused(16)), false],
    ['a namespace that is not there', new NamespaceNotFoundError('typo'), false],
    ['a mistake of ours', new TypeError('x is not a function'), false],
    [
      'how a run ended',
      unavailable(new WorkflowFailedError('failed', undefined, RetryState.NON_RETRYABLE_FAILURE)),
      false,
    ],
  ];
  for (const [what, error, helps] of CASES) {
    it(`${helps ? 'helps' : 'helps nothing'} after ${what}`, () => assert.equal(isAway(error), helps));
  }

  it('ends with the signal although the question is still open', async () => {
    const interruption = new AbortController();
    const asking = answerOf(() => new Promise<never>(() => undefined), {
      tell: () => undefined,
      signal: interruption.signal,
    });
    interruption.abort(new Error('Ctrl-C'));
    await assert.rejects(asking, /Ctrl-C/);
  });
});

describe('watching a run', () => {
  it('ends at once in a namespace that is not there, and says which setting names it', async () => {
    const { address } = await temporalForTests();
    const lost = await connectTemporal({ TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: 'typo' });
    try {
      // Asked again it would outlast the test.
      await assert.rejects(
        watchRun(lost.client, 'a-run', () => false),
        { kind: 'BadConfig', message: /no namespace 'typo'/, where: /TEMPORAL_NAMESPACE/, fix: /namespace list/ },
      );
    } finally {
      await lost.close();
    }
  });

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

  it('goes on through a server that is away, says so once, and ends after its time with who did not answer', async function () {
    this.timeout(300_000);
    const server = await temporalForTests();
    const direct = await server.connect();
    const proxy = await TcpProxy.start(Number(server.address.split(':')[1]));
    const through = await connectTemporal({ TEMPORAL_ADDRESS: `${HOST}:${proxy.port}` });
    const said: string[] = [];
    const write = process.stderr.write.bind(process.stderr);
    const runId = `watched-${randomUUID()}`;
    const patience = { tellAfterMs: 2_000, endAfterMs: 600_000 };
    try {
      await withWorkers(server.address, fakeActivities().activities, async () => {
        await startRun(
          direct.client,
          { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) },
          { runId },
        );
        await untilRun(direct.client, runId, ({ state }) => state === 'waiting-for-approval');
        process.stderr.write = (text: string | Uint8Array) => said.push(String(text)) > 0;
        const looks = { count: 0 };
        let away: Promise<void> | undefined;
        await watchRun(
          through.client,
          runId,
          () => {
            looks.count += 1;
            // Every connection breaks, and then nothing passes.
            if (looks.count === 1) away = Promise.all([proxy.reset(1), proxy.partition(5_000)]).then(() => undefined);
            return looks.count > 2;
          },
          { patience },
        );
        await away;
        const told = said.filter((line) => /answer/.test(line));
        assert.equal(told.length, 2, said.join(''));
        assert.match(told[0] ?? '', /no answer .* asking on for 10 min at most/);
        assert.match(told[1] ?? '', /it answers again/);
        // Gone for good: the first failure after its time ends it.
        await proxy.close();
        await assert.rejects(
          watchRun(through.client, runId, () => false, { patience: { tellAfterMs: 600_000, endAfterMs: 1 } }),
          { kind: 'TemporalUnavailable' },
        );
      });
    } finally {
      process.stderr.write = write;
      await through.close();
      await direct.close();
    }
  });
});

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { CancelledFailure, defaultPayloadConverter, type Payload } from '@temporalio/common';
import { stepActivity, type StepDefinition } from '../../activities/step.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';

describe('a step that tells its run when it has begun', () => {
  let storage: TestStore;
  let temporal: TemporalClient;
  before(async () => {
    storage = await withStore();
    temporal = await (await temporalForTests()).connect();
  });
  after(async () => {
    await temporal.close();
    storage.close();
  });

  interface Worked {
    readonly runId: string;
    readonly client: unknown;
    readonly run: StepDefinition<null, string>['run'];
    readonly heartbeatDetails?: object;
    readonly attempt?: number;
    readonly stop?: AbortSignal;
  }

  function work({ runId, client, run, heartbeatDetails, attempt = 1, stop = new AbortController().signal }: Worked) {
    const beats: { begunTold?: boolean }[] = [];
    const context = {
      info: { attempt, heartbeatDetails, workflowExecution: { workflowId: `${runId}/s`, runId: runId.slice(-36) } },
      client,
      cancellationSignal: stop,
      heartbeat: (beat: object) => beats.push(beat),
    };
    const step = stepActivity<null, string>(
      { type: 'test.begun', version: 1, run },
      { ...storage, python: { executable: '', packages: '' } },
    );
    const call = { runId, stepId: 's', input: null, reuse: false, begun: 'begun s' };
    return { beats, ended: asyncLocalStorage.run(context as unknown as Context, () => step(call)) };
  }

  const started = async (): Promise<string> => {
    const runId = `begun-${randomUUID()}`;
    await temporal.client.workflow.start('nobodyWorksOnIt', { workflowId: runId, taskQueue: runId });
    return runId;
  };
  /** With how many seconds the run was told, each time. */
  const tellings = async (runId: string): Promise<unknown[]> => {
    const { events } = await temporal.client.workflow.getHandle(runId).fetchHistory();
    return (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) =>
      signal?.signalName === 'begun s'
        ? [defaultPayloadConverter.fromPayload(signal.input?.payloads?.[0] as Payload)]
        : [],
    );
  };
  const until = async (met: () => boolean): Promise<void> => {
    while (!met()) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  it('tells one that could not be told at first as soon as it can be, with the time that it has run by then, and notes it', async () => {
    const runId = `begun-${randomUUID()}`;
    let end = (): void => undefined;
    const done = new Promise<string>((resolve) => (end = () => resolve('done')));
    const { beats, ended } = work({ runId, client: temporal.client, run: () => done });
    await until(() => beats.length > 0);
    assert.equal(beats[0]?.begunTold, undefined, 'there is no such run');
    await temporal.client.workflow.start('nobodyWorksOnIt', { workflowId: runId, taskQueue: runId });
    await until(() => beats.at(-1)?.begunTold === true);
    const [seconds, ...more] = await tellings(runId);
    assert.ok(typeof seconds === 'number' && seconds >= 0.9, `${String(seconds)} s`);
    const told = beats.length;
    await until(() => beats.length > told);
    assert.deepEqual([more, beats.at(-1)?.begunTold, (await tellings(runId)).length], [[], true, 1], 'and not again');
    end();
    assert.equal((await ended).output, 'done');
  });

  it('does not wait for the answer, neither to work nor to end, and does not ask while one is out', async () => {
    let asked = 0;
    const silent = {
      options: { namespace: 'default', identity: 'x' },
      withDeadline: (_: number, call: () => Promise<unknown>) => call(),
      workflowService: {
        signalWorkflowExecution: () => {
          asked += 1;
          return new Promise(() => undefined);
        },
      },
    };
    const { beats, ended } = work({
      runId: 'r',
      client: silent,
      run: async () => {
        await until(() => beats.length >= 2);
        return 'done';
      },
    });
    assert.equal((await ended).output, 'done');
    assert.equal(asked, 1);
    const stopping = new AbortController();
    const cancelled = work({
      runId: 'r',
      client: silent,
      stop: stopping.signal,
      run: () => {
        stopping.abort();
        return Promise.reject(new CancelledFailure('CANCELLED'));
      },
    });
    await assert.rejects(cancelled.ended, CancelledFailure);
  });

  it('asks no more where an attempt before it has told, and asks for the same where that could not say so', async () => {
    const runId = await started();
    const shorts = (attempt: number, heartbeatDetails?: object) =>
      work({ runId, client: temporal.client, attempt, heartbeatDetails, run: () => Promise.reject(new Error('x')) });
    for (const attempt of [1, 2, 3]) {
      const { beats, ended } = shorts(attempt);
      await assert.rejects(ended);
      assert.equal(beats.at(-1)?.begunTold, true, 'the attempt was short, and its note is there for the next one');
    }
    assert.equal((await tellings(runId)).length, 1, 'Temporal keeps the first of equal requests');
    const other = await started();
    const { beats, ended } = work({
      runId: other,
      client: temporal.client,
      attempt: 2,
      heartbeatDetails: { phase: 'training', begunTold: true },
      run: async () => {
        await until(() => beats.length >= 2);
        return 'done';
      },
    });
    await ended;
    assert.deepEqual([await tellings(other), beats.at(-1)?.begunTold], [[], true]);
  });
});

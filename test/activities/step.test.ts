import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Activities, StepCall } from '../../activities/contract.ts';
import type { PrepareDataInput } from '../../activities/contract/data.ts';
import { MAX_ATTEMPTS_WITH_ERROR, toFailure } from '../../activities/attempt-failures.ts';
import {
  keyParts,
  MAX_RESULT_BYTES,
  stepActivity,
  stepKey,
  type StepContext,
  type StepDefinition,
} from '../../activities/step.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { runOutcome, showRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import { fakeActivities, ref, runInput, withWorkers } from '../support/workflow.ts';

describe('a step key', () => {
  it('is the same for the same type, version, settings and input digests, whatever the names', () => {
    const input = { file: ref('a'), epochs: 3 };
    const renamed = { epochs: 3, file: { ...ref('a'), name: 'another name' } };
    assert.equal(stepKey('t', 1, input, null), stepKey('t', 1, renamed, null));
    assert.deepEqual(keyParts(input), { file: ref('a').digest, epochs: 3 });
  });

  it('differs with any of them', () => {
    const key = stepKey('t', 1, { file: ref('a'), epochs: 3 }, null);
    for (const other of [
      stepKey('u', 1, { file: ref('a'), epochs: 3 }, null),
      stepKey('t', 2, { file: ref('a'), epochs: 3 }, null),
      stepKey('t', 1, { file: ref('b'), epochs: 3 }, null),
      stepKey('t', 1, { file: ref('a'), epochs: 4 }, null),
      stepKey('t', 1, { file: ref('a'), epochs: 3 }, { cpu: 'x' }),
    ]) {
      assert.notEqual(other, key);
    }
  });
});

describe('an error of a step', () => {
  it('is retried while it may go away, goes to a person at the twentieth attempt, and a preemption never counts', () => {
    const final = (kind: 'StorageUnavailable' | 'Preempted' | 'BadData', attempt: number): unknown =>
      (toFailure(new EspalierError(kind, 'x'), 'train', attempt) as { nonRetryable?: boolean }).nonRetryable;
    assert.equal(MAX_ATTEMPTS_WITH_ERROR, 20);
    assert.deepEqual(
      [1, 19, 20, 500].map((attempt) => final('StorageUnavailable', attempt)),
      [false, false, true, true],
    );
    assert.deepEqual(
      [1, 500].map((attempt) => final('Preempted', attempt)),
      [false, false],
    );
    assert.equal(final('BadData', 1), true);
  });
});

describe('a step as an activity', () => {
  let temporal: TemporalClient;
  let storage: TestStore;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
    storage = await withStore();
  });
  after(() => temporal.close());

  /** A run whose step `data` is this definition; gives the run's view once `data` has ended. */
  async function runData(step: Partial<StepDefinition<PrepareDataInput, unknown>>, reuse = true) {
    const definition = { type: 'test.data', version: 1, run: () => Promise.resolve({}), ...step };
    const services = { ...storage, python: { executable: '', packages: '' } };
    const wrapped = stepActivity(definition as StepDefinition<PrepareDataInput, never>, services);
    const { activities } = fakeActivities({ prepareData: wrapped as unknown as Activities['prepareData'] });
    const runId = `step-${randomUUID()}`;
    return withWorkers(temporal.address, activities, async () => {
      await startRun(
        temporal.client,
        { input: runInput({ reuse, onFailure: 'fail' }), inputRef: ref('input'), digest: digestJson(runId) },
        { runId },
      );
      for (;;) {
        const run = await showRun(temporal.client, runId);
        const data = run.steps.find(({ id }) => id === 'data');
        if (data?.finishedAt !== undefined) {
          const failure =
            data.state === 'failed' || run.state === 'failed'
              ? await runOutcome(temporal.client, runId).catch((error: unknown) => error)
              : undefined;
          await temporal.client.workflow
            .getHandle(runId)
            .terminate()
            .catch(() => undefined);
          return { data, failure: failure as EspalierError | undefined };
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
  }

  it('is known by what of its input decides the result, where it says so, and knows whether it may reuse', async () => {
    const type = `identity.${randomUUID()}`;
    const reuses: boolean[] = [];
    const run = (_input: PrepareDataInput, { reuse }: StepContext) => Promise.resolve({ kept: reuses.push(reuse) });
    const identity = () => ({ decisive: 1 });
    const { data } = await runData({ type, identity, run });
    assert.equal(data.key, stepKey(type, 1, { decisive: 1 }, null));
    await runData({ type, identity, run }, false);
    assert.deepEqual(reuses, [true, false]);
  });

  it('runs once for the same inputs, in this run or another, and says which computed it', async () => {
    let computed = 0;
    const type = `once.${randomUUID()}`;
    const run = (): Promise<object> => Promise.resolve({ computed: ++computed });
    const first = await runData({ type, run });
    const second = await runData({ type, run });
    assert.equal(computed, 1);
    assert.equal(first.data.state, 'done');
    assert.equal(second.data.state, 'reused');
    assert.equal(second.data.computedBy, first.data.computedBy);
    assert.equal(second.data.key, first.data.key);
  });

  it('runs again where what was recorded is not enough for what of the input is not in the key, and that result is its own', async () => {
    let computed = 0;
    let enough = true;
    const type = `enough.${randomUUID()}`;
    const keeps = (): boolean => enough;
    const run = (): Promise<object> => Promise.resolve({ computed: ++computed });
    const first = await runData({ type, keeps, run });
    enough = false;
    assert.equal((await runData({ type, keeps, run })).data.state, 'done');
    enough = true;
    const last = await runData({ type, keeps, run });
    assert.deepEqual([computed, last.data.state, last.data.computedBy], [2, 'reused', first.data.computedBy]);
  });

  it('runs again when its code version is raised, and when reuse is forced off', async () => {
    let computed = 0;
    const type = `again.${randomUUID()}`;
    const run = (): Promise<object> => Promise.resolve({ computed: ++computed });
    await runData({ type, run });
    await runData({ type, version: 2, run });
    await runData({ type, run }, false);
    assert.equal(computed, 3);
  });

  it('is tried again after a retryable error and keeps the attempt that succeeded', async () => {
    let calls = 0;
    const run = (_: PrepareDataInput, { attempt }: { attempt: number }): Promise<object> => {
      calls += 1;
      return attempt === 1 ? Promise.reject(new EspalierError('StorageUnavailable', 'try again')) : Promise.resolve({});
    };
    const { data } = await runData({ type: `retry.${randomUUID()}`, run });
    assert.equal(calls, 2);
    assert.equal(data.attempt, 2);
  });

  it('is not tried again after an error that will not go away, which arrives typed', async () => {
    let calls = 0;
    const run = (): Promise<object> => {
      calls += 1;
      return Promise.reject(
        new EspalierError('BadData', 'no column "text"', { where: 'a.csv', fix: 'name the column' }),
      );
    };
    const { failure } = await runData({ type: `bad.${randomUUID()}`, run });
    assert.equal(calls, 1);
    assert.equal(failure?.kind, 'BadData');
    assert.equal(failure.where, 'a.csv');
    assert.equal(failure.fix, 'name the column');
  });

  it('puts no result into the history that belongs into the store', async () => {
    const { failure } = await runDataOnce(() => Promise.resolve({ large: 'x'.repeat(MAX_RESULT_BYTES) }));
    assert.match(failure?.message ?? '', /bytes, more than/);
    assert.equal((failure as { nonRetryable?: boolean | null }).nonRetryable, true, 'it would be as large again');
  });

  /** `Internal` is retried ten times: for this test the first failure is enough. */
  async function runDataOnce(
    run: StepDefinition<PrepareDataInput, unknown>['run'],
  ): Promise<{ failure: Error | undefined }> {
    const failures: Error[] = [];
    const definition: StepDefinition<PrepareDataInput, unknown> = { type: `large.${randomUUID()}`, version: 1, run };
    const wrapped = stepActivity(definition, { ...storage, python: { executable: '', packages: '' } });
    const { activities } = fakeActivities({
      prepareData: (async (call: StepCall<PrepareDataInput>) => {
        try {
          return await wrapped(call);
        } catch (error) {
          failures.push(error as Error);
          throw new EspalierError('BadData', 'stop here');
        }
      }) as unknown as Activities['prepareData'],
    });
    const runId = `step-${randomUUID()}`;
    await withWorkers(temporal.address, activities, async () => {
      await startRun(
        temporal.client,
        { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) },
        { runId },
      );
      while (failures.length === 0) await new Promise((resolve) => setTimeout(resolve, 50));
      await temporal.client.workflow.getHandle(runId).terminate();
    });
    return { failure: failures[0] };
  }
});

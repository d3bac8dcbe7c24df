import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { asyncLocalStorage, type Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/contract.ts';
import type { EncoderProfile, ProfileEncoderInput } from '../../activities/contract/selection.ts';
import { evaluateGenerator } from '../../activities/generation/evaluate-generator.ts';
import { profileGenerator } from '../../activities/generation/profile-generator.ts';
import { evaluateRetrieval } from '../../activities/retrieval/evaluate-retrieval.ts';
import { profileEncoder } from '../../activities/selection/profile-encoder.ts';
import { stepActivity, type StepDefinition } from '../../activities/step.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import { fakeActivities, ref, runInput, untilRun, withWorkers } from '../support/workflow.ts';

const python = { executable: '', packages: '' };

describe('a step that a machine of another class refuses', function () {
  this.timeout(180_000);
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

  async function failed(kind: ErrorKind, attempt: number, heartbeatDetails?: object) {
    let ran = 0;
    let beat: object | undefined;
    const run = (): Promise<never> => {
      ran += 1;
      return Promise.reject(new EspalierError(kind, 'x'));
    };
    const step = stepActivity<number, never>(
      { type: 'test.refused', version: 1, tries: 6, run },
      { ...storage, python },
    );
    const context = {
      info: { attempt, heartbeatDetails, retryPolicy: { backoffCoefficient: 2 } },
      cancellationSignal: new AbortController().signal,
      heartbeat: (told: object) => (beat = told),
    };
    const call = { runId: 'r', stepId: 's', input: 1, reuse: false };
    const error = await asyncLocalStorage.run(context as unknown as Context, () =>
      step(call).then(
        () => undefined,
        (thrown: unknown) => thrown as ApplicationFailure,
      ),
    );
    return {
      final: error?.nonRetryable,
      delay: error?.nextRetryDelay,
      message: error?.message,
      details: error?.details,
      beat,
      ran,
    };
  }

  it('leaves it to another one a minute later, and says for what it waits and since when', async () => {
    for (const attempt of [1, 6, 14]) {
      const before = { refusals: attempt - 1, ranSeconds: 3, ...(attempt === 1 ? {} : { refusedSinceMs: 1234 }) };
      const { final, delay, beat } = await failed('WrongHardware', attempt, before);
      deepEqual([final, delay], [false, '60s'], `${attempt}`);
      const told = beat as { phase: string; note: string; refusals: number; refusedSinceMs: number };
      deepEqual([told.phase, told.note, told.refusals], ['waiting for a machine of its class', 'x', attempt]);
      ok(attempt === 1 ? told.refusedSinceMs > 1.7e12 : told.refusedSinceMs === 1234);
    }
  });

  it('comes back to its run after a quarter of an hour, which is told since when nobody takes it', async () => {
    const { final, details } = await failed('WrongHardware', 15, { refusals: 14, refusedSinceMs: 1234 });
    deepEqual([final, (details?.[1] as { refusedSinceMs: number } | undefined)?.refusedSinceMs], [true, 1234]);
    const other = await failed('StorageUnavailable', 20, { refusals: 14, refusedSinceMs: 1234 });
    deepEqual([other.final, other.details?.length], [true, 2]);
    ok(!JSON.stringify(other.details).includes('refusedSinceMs'), 'it was another fault in the end');
  });

  it('is no try of it: its own errors are final at the sixth, however often it was refused', async () => {
    for (const [attempt, refusals, final] of [
      [5, 0, false],
      [6, 0, true],
      [505, 500, false],
      [506, 500, true],
    ] as const) {
      equal((await failed('StorageUnavailable', attempt, { refusals })).final, final, `${attempt} of ${refusals}`);
    }
  });

  it('is not begun a seventh time where workers were lost with it', async () => {
    const { ran, final, message } = await failed('StorageUnavailable', 507, { refusals: 500 });
    deepEqual([ran, final], [0, true]);
    match(message ?? '', /lost, or it failed, 6 times/);
  });

  it('is each that times a model, with the six tries of other work', () => {
    const timing = [profileEncoder, profileGenerator, evaluateModel, evaluateGenerator, evaluateRetrieval];
    deepEqual(
      timing.map(({ tries }) => tries),
      [6, 6, 6, 6, 6],
    );
  });

  it('is timed by the right machine in the end: a run waits for it, and an error on the way does not end it', async () => {
    const { activities } = fakeActivities();
    const refusals = 7;
    let attempts = 0;
    let waited = Number.NaN;
    const definition: StepDefinition<ProfileEncoderInput, EncoderProfile> = {
      type: `test.refused.${randomUUID()}`,
      version: 1,
      tries: 2,
      run: async () => {
        attempts += 1;
        if (attempts <= refusals) throw new EspalierError('WrongHardware', 'it is a Xeon');
        if (attempts === refusals + 1) throw new EspalierError('StorageUnavailable', 'for a second');
        return (await activities.profileEncoder({ stepId: 'profile:one' } as never)).output;
      },
    };
    const step = stepActivity(definition, { ...storage, python });
    const soon: Activities['profileEncoder'] = async (call) => {
      if (call.stepId !== 'profile:one') return activities.profileEncoder(call);
      try {
        const result = await step(call);
        waited = Date.parse(result.startedAt) - Date.parse(result.refusedSince ?? '');
        return result;
      } catch (error) {
        // All that Temporal is told but how long to wait.
        const { message, type, nonRetryable, details } = error as ApplicationFailure;
        throw new ApplicationFailure(message, type, nonRetryable, details, undefined, '1ms');
      }
    };
    const runId = `test-${randomUUID()}`;
    await withWorkers(temporal.address, { ...activities, profileEncoder: soon }, async () => {
      await startRun(
        temporal.client,
        { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) },
        { runId },
      );
      const { steps } = await untilRun(temporal.client, runId, ({ state }) => state === 'waiting-for-approval');
      const timed = steps.find(({ id }) => id === 'profile:one');
      deepEqual([timed?.state, timed?.attempt], ['done', refusals + 2]);
      ok(waited >= 0, 'it says since when it waited');
      await temporal.client.workflow.getHandle(runId).terminate();
    });
  });
});

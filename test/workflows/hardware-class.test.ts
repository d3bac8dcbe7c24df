import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import type { RunInput } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  fakeActivities,
  generatorInput,
  pictureInput,
  ref,
  replayRun,
  retrievalInput,
  runInput,
  untilRun,
  withWorkers,
} from '../support/workflow.ts';

const HARDWARE = { cpu: 'EPYC', cores: 8 };

describe('a run that declares the class of machines that candidates are timed on', function () {
  this.timeout(60_000);
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  const declared = (input: RunInput): RunInput => ({
    ...input,
    pipeline: {
      ...input.pipeline,
      selection: { ...input.pipeline.selection, hardware: HARDWARE },
    } as RunInput['pipeline'],
  });

  for (const input of [runInput(), pictureInput(), retrievalInput(), generatorInput()]) {
    it(`tells every profile of ${input.pipeline.task}`, async () => {
      const { activities } = fakeActivities();
      const told: unknown[] = [];
      const heard = {
        ...activities,
        profileEncoder: (call: Parameters<typeof activities.profileEncoder>[0]) => {
          told.push(call.input.hardware);
          return activities.profileEncoder(call);
        },
        profileGenerator: (call: Parameters<typeof activities.profileGenerator>[0]) => {
          told.push(call.input.hardware);
          return activities.profileGenerator(call);
        },
      };
      const runId = `test-${randomUUID()}`;
      await withWorkers(temporal.address, heard, async () => {
        const start = { input: declared(input), inputRef: ref('input'), digest: digestJson(runId) };
        await startRun(temporal.client, start, { runId });
        await untilRun(temporal.client, runId, ({ state }) => state === 'waiting-for-approval');
        await replayRun(temporal.client, runId);
        await temporal.client.workflow.getHandle(runId).terminate();
      });
      ok(told.length > 0);
      deepEqual(
        told,
        told.map(() => HARDWARE),
      );
    });
  }

  it('waits for somebody where no worker of that class takes a profile', async () => {
    const message = 'candidates are not timed on this machine';
    const record = { kind: 'WrongHardware', message, where: 'selection.hardware', fix: 'x', retryable: true };
    const profileEncoder = () =>
      Promise.reject(
        // As after the last of its tries.
        ApplicationFailure.create({ message, type: record.kind, nonRetryable: true, details: [record] }),
      );
    const { activities } = fakeActivities({ profileEncoder });
    const runId = `test-${randomUUID()}`;
    await withWorkers(temporal.address, activities, async () => {
      const input = declared(runInput());
      await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
      const { steps } = await untilRun(temporal.client, runId, (run) =>
        run.steps.some(({ id, state }) => id.startsWith('profile:') && state === 'parked'),
      );
      equal(steps.find(({ state }) => state === 'parked')?.error?.kind, 'WrongHardware');
      await temporal.client.workflow.getHandle(runId).terminate();
    });
  });
});

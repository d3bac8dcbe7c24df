import { deepEqual, equal, ok } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import { digestJson } from '../../artifacts/digest.ts';
import type { StepCall } from '../../activities/contract.ts';
import type { HardwareClass } from '../../pipelines/hardware-class.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import type { RunInput, RunView } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
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
/** What takes a time that a limit or a gate judges. */
const TIMING = [
  'profileEncoder',
  'profileGenerator',
  'evaluateModel',
  'evaluateRetrieval',
  'evaluateGenerator',
] as const;

describe('a run that declares the class of machines that models are timed on', () => {
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
    it(`tells every profile and the evaluation of ${input.pipeline.task}`, async () => {
      const { activities } = fakeActivities();
      const told: (readonly [step: string, hardware: unknown])[] = [];
      const timing = <Key extends (typeof TIMING)[number]>(name: Key) => ({
        [name]: (call: StepCall<{ readonly hardware?: HardwareClass }>) => {
          told.push([call.stepId, call.input.hardware]);
          return activities[name](call as never);
        },
      });
      const heard = { ...activities, ...Object.assign({}, ...TIMING.map(timing)) } as typeof activities;
      const runId = `test-${randomUUID()}`;
      await withWorkers(temporal.address, heard, async () => {
        const start = { input: declared(input), inputRef: ref('input'), digest: digestJson(runId) };
        await startRun(temporal.client, start, { runId });
        await approveRun(temporal.client, runId, 'review', 'lena');
        await untilRun(temporal.client, runId, ({ steps }) =>
          steps.some(({ id, state }) => id === 'evaluate' && state === 'done'),
        );
        await replayRun(temporal.client, runId);
        await temporal.client.workflow.getHandle(runId).terminate();
      });
      const steps = told.map(([step]) => step);
      ok(steps.includes('evaluate') && steps.some((step) => step.startsWith('profile:')), steps.join());
      deepEqual(
        told.map(([, hardware]) => hardware),
        told.map(() => HARDWARE),
      );
    });
  }

  /** As after a quarter of an hour of refusals. */
  const nobody = (refusedSinceMs: number): ApplicationFailure => {
    const message = 'models are not timed on this machine';
    const record = { kind: 'WrongHardware', message, where: 'selection.hardware', fix: 'x', retryable: true };
    const details = [record, { refusedSinceMs }];
    return ApplicationFailure.create({ message, type: record.kind, nonRetryable: true, details });
  };

  for (const [step, refusing, approved] of [
    ['profile:one', 'profileEncoder', false],
    ['evaluate', 'evaluateModel', true],
  ] as const) {
    it(`tells people once, and is offered anew for a day, where no worker of that class takes ${step}`, async () => {
      const { activities } = fakeActivities();
      const told: (string | undefined)[] = [];
      let refusals = 0;
      const refused = <Call extends StepCall<unknown>, Result>(take: (call: Call) => Promise<Result>) => {
        return (call: Call): Promise<Result> => {
          if (call.stepId === step && ++refusals < 4) return Promise.reject(nobody(Date.now() - 60_000));
          return take(call);
        };
      };
      const heard = {
        ...activities,
        [refusing]: refused(activities[refusing] as never),
        notify: (call: Parameters<typeof activities.notify>[0]) => {
          if (call.input.event === 'run.no-machine') told.push(`${call.input.step}: ${call.input.reason}`);
          return activities.notify(call);
        },
      };
      const runId = `test-${randomUUID()}`;
      await withWorkers(temporal.address, heard, async () => {
        const input = { ...declared(runInput()), notify: true };
        await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
        if (approved) await approveRun(temporal.client, runId, 'review', 'lena');
        const done = (id: string) => (run: RunView) => run.steps.some((one) => one.id === id && one.state === 'done');
        await untilRun(temporal.client, runId, done(step));
        await replayRun(temporal.client, runId);
        await temporal.client.workflow.getHandle(runId).terminate();
      });
      deepEqual([refusals, told], [4, [`${step}: WrongHardware: models are not timed on this machine`]]);
    });

    it(`waits for somebody where no worker of that class took ${step} for a day`, async () => {
      const refuse = () => Promise.reject(nobody(Date.now() - 25 * 60 * 60 * 1000));
      const { activities } = fakeActivities({ [refusing]: refuse });
      const runId = `test-${randomUUID()}`;
      await withWorkers(temporal.address, activities, async () => {
        const input = declared(runInput());
        await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
        if (approved) await approveRun(temporal.client, runId, 'review', 'lena');
        const { steps } = await untilRun(temporal.client, runId, (run) =>
          run.steps.some(({ id, state }) => id === step && state === 'parked'),
        );
        equal(steps.find(({ state }) => state === 'parked')?.error?.kind, 'WrongHardware');
        await temporal.client.workflow.getHandle(runId).terminate();
      });
    });
  }
});

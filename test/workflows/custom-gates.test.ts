import { deepEqual, equal } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/contract.ts';
import type { JudgeCustom } from '../../activities/contract/validation.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import type { RunInput } from '../../workflows/messages.ts';
import { planRun } from '../../workflows/plan.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
  fakeActivities,
  generatorInput,
  hearing,
  pictureInput,
  ref,
  replayRun,
  retrievalInput,
  runInput,
  untilRun,
  withWorkers,
} from '../support/workflow.ts';

const customGates = { own: { min: 0.5, severity: 'fail' } } as const;
const withOwn = (input: RunInput): RunInput => ({ ...input, pipeline: { ...input.pipeline, customGates } });
const text = runInput().pipeline;
const severalLabels = { ...runInput(), pipeline: { ...text, data: { ...text.data, multiLabel: { separator: ';' } } } };

describe('a run with gates of its own', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  async function begun(input: RunInput): Promise<string> {
    const runId = `test-${randomUUID()}`;
    await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
    return runId;
  }

  it('does nothing before somebody has said that the workers have them', async () => {
    const message = "there is no 'own'";
    const checkCustomGates: Activities['checkCustomGates'] = () =>
      Promise.reject(
        ApplicationFailure.create({
          message,
          type: 'BadConfig',
          nonRetryable: true,
          details: [{ kind: 'BadConfig', message, retryable: false }],
        }),
      );
    const { activities, ran } = fakeActivities({ checkCustomGates });
    await withWorkers(temporal.address, activities, async () => {
      const runId = await begun({ ...withOwn(runInput()), onFailure: 'fail' });
      const { steps } = await untilRun(temporal.client, runId, ({ state }) => state === 'failed');
      equal(steps.find(({ id }) => id === 'custom-gates')?.error?.message, message);
      deepEqual(
        ran.filter((id) => id !== 'report' && !id.startsWith('notify')),
        [],
      );
      await replayRun(temporal.client, runId);
    });
  });

  for (const [judges, input, details] of [
    ['labels', runInput(), undefined],
    ['label-sets', severalLabels, undefined],
    ['labels', pictureInput(), undefined],
    ['neighbours', retrievalInput(), ref('findings')],
    ['answers', generatorInput(), ref('answers')],
  ] as const) {
    it(`judges ${judges} of ${input.pipeline.task} by the module that it began with`, async () => {
      const { activities } = fakeActivities();
      const { heard, inputs } = hearing(activities);
      await withWorkers(temporal.address, heard, async () => {
        const runId = await begun(withOwn(input));
        await approveRun(temporal.client, runId, 'review', 'lena');
        await untilRun(temporal.client, runId, ({ approvals }) =>
          approvals.some(({ approval, state }) => approval === 'release' && state === 'open'),
        );
        await replayRun(temporal.client, runId);
      });
      deepEqual(inputs.get('custom-gates'), { names: ['own'], judges });
      const { custom } = inputs.get('gates') as { readonly custom: JudgeCustom };
      deepEqual([custom.judges, custom.gates, custom.module], [judges, customGates, ref('module of gates').digest]);
      if (details !== undefined) deepEqual(custom.details, details);
    });
  }

  it('has them looked for first, and a run without them has no such step', () => {
    const [first, ...rest] = planRun(withOwn(runInput()).pipeline);
    equal(first?.id, 'custom-gates');
    deepEqual(
      rest.filter(({ needs }) => needs.length === 0),
      [],
    );
    equal(
      planRun(runInput().pipeline).some(({ id }) => id === 'custom-gates'),
      false,
    );
  });
});

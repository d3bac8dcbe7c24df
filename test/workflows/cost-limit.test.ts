import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Activities } from '../../activities/contract.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import type { RunInput } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  fakeActivities,
  generatorInput,
  ref,
  replayRun,
  retrievalInput,
  runInput,
  untilRun,
  withWorkers,
} from '../support/workflow.ts';

describe('a run with a limit of what 1,000 inferences may cost', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  const limited = (input: RunInput): RunInput => ({
    ...input,
    onFailure: 'fail',
    pipeline: {
      ...input.pipeline,
      selection: { ...input.pipeline.selection, maxCostPer1000: 2 },
    } as RunInput['pipeline'],
  });

  async function until(input: RunInput, state: 'failed' | 'waiting-for-approval', overrides: Partial<Activities> = {}) {
    const runId = `test-${randomUUID()}`;
    const { activities, ran } = fakeActivities(overrides);
    return withWorkers(temporal.address, activities, async () => {
      await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
      await untilRun(temporal.client, runId, (run) => run.state === state);
      await replayRun(temporal.client, runId);
      const handle = temporal.client.workflow.getHandle(runId);
      const failure =
        state === 'failed'
          ? await handle.result().then(
              () => undefined,
              ({ cause }: { cause: { type: string; details: unknown[] } }) => cause,
            )
          : undefined;
      if (state !== 'failed') await handle.terminate();
      return { ran, failure };
    });
  }

  for (const [task, input] of [
    ['texts', runInput()],
    ['neighbours', retrievalInput()],
    ['answers', generatorInput()],
  ] as const) {
    it(`of ${task} ends before anything is fetched where no worker knows a price, and names the field`, async () => {
      const { ran, failure } = await until(limited(input), 'failed');
      equal(failure?.type, 'BadConfig');
      const [record] = failure.details as { where: string; fix: string }[];
      equal(record?.where, 'selection.maxCostPer1000');
      match(record.fix, /ESPALIER_PRICES/);
      deepEqual(
        ran.filter((id) => !['prices', 'report'].includes(id) && !id.startsWith('notify')),
        [],
      );
    });
  }

  it('ends so, too, where a budget of money has no price to be reckoned by: it would never end anything', async () => {
    const input = { ...runInput(), onFailure: 'fail' } as RunInput;
    const budgeted = { ...input, pipeline: { ...input.pipeline, budget: { time: '1h', money: 15 } } } as RunInput;
    const { ran, failure } = await until(budgeted, 'failed');
    const [record] = (failure?.details ?? []) as { kind: string; where: string; message: string; fix: string }[];
    deepEqual([record?.kind, record?.where], ['BadConfig', 'budget.money']);
    match(`${record?.message} ${record?.fix}`, /budget\.money is 15, .*ESPALIER_PRICES/);
    ok(!ran.includes('snapshot') && !ran.includes('resolve:one'), ran.join());
    const findPrices = () => Promise.resolve({ currency: 'EUR', source: 'test', perHour: { 'espalier-gpu': 1 } });
    ok((await until(budgeted, 'waiting-for-approval', { findPrices })).ran.includes('rank'));
  });

  it('goes on where there is one, and holds the mean of each candidate to it: above it a busy machine takes it again', async () => {
    const findPrices = () => Promise.resolve({ currency: 'EUR', source: 'test', perHour: { 'espalier-cpu': 1 } });
    const { activities } = fakeActivities();
    const held: unknown[] = [];
    const profileEncoder: Activities['profileEncoder'] = (call) => {
      held.push(call.input.timeLimits);
      return activities.profileEncoder(call);
    };
    const { ran } = await until(limited(runInput()), 'waiting-for-approval', { findPrices, profileEncoder });
    ok(ran.includes('rank'));
    // At 1 for an hour, 2 for 1,000 inferences are 7.2 seconds of each.
    deepEqual(held, [{ meanMs: 7200 }, { meanMs: 7200 }]);
  });
});

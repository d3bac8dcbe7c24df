import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/contract.ts';
import type { NotificationEvent } from '../../activities/notification/events.ts';
import type { SettleTermsInput } from '../../activities/contract/monitoring.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { decide } from '../../client/approvals.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { runOutcome } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { TASK_QUEUES } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
  fakeActivities,
  ref,
  replayRun,
  runInput,
  STATEMENT,
  untilRun,
  withWorkers,
} from '../support/workflow.ts';

describe('changed terms', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  it('of a served model start a run that stops at the review, and the registry hears how it ended', async () => {
    const runId = `terms-${randomUUID()}`;
    const settled: SettleTermsInput[] = [];
    const reviewed: unknown[] = [];
    const told: NotificationEvent[] = [];
    const { activities, ran } = fakeActivities();
    const overrides: Partial<Activities> = {
      checkModelTerms: () => Promise.resolve({ startRun: ref('input'), reopened: { runId } } as never),
      // A check that fails takes nothing from the other.
      checkDrift: () =>
        Promise.reject(ApplicationFailure.create({ message: 'rotten', type: 'Corrupt', nonRetryable: true })),
      readRunInput: () =>
        Promise.resolve({
          ...runInput({ notify: true }),
          reopened: { runId, reasons: ['LICENSE has changed'], terms: {} },
        } as never),
      writeReport: (call) => {
        // Runs that other tests left behind use the same queues.
        if (call.runId === runId && call.input.kind === 'review') reviewed.push(call.input.facts.reopened);
        return activities.writeReport(call);
      },
      notify: (call) => (told.push(call.input), activities.notify(call)),
      settleTerms: (call) => Promise.resolve(call.runId === runId ? void settled.push(call.input) : undefined),
    };
    await withWorkers(temporal.address, { ...activities, ...overrides }, async () => {
      const check = temporal.client.workflow.execute('watchModel', {
        workflowId: `check-${runId}`,
        taskQueue: TASK_QUEUES.orchestration,
        args: [{ model: 'm', channel: 'production' }],
      });
      await assert.rejects(check);
      const run = await untilRun(temporal.client, runId, ({ state }) => state === 'waiting-for-approval');
      assert.deepEqual([run.trigger, run.startedBy], ['terms', 'monitor']);
      while (!told.some(({ event }) => event === 'terms.changed')) await new Promise((wait) => setTimeout(wait, 50));
      assert.deepEqual(
        told.flatMap(({ event, ...of }) => (event === 'terms.changed' ? [[of.runId, of.model]] : [])),
        [[runId, 'm']],
      );
      assert.deepEqual(reviewed, [{ runId, reasons: ['LICENSE has changed'], terms: {} }]);
      assert.ok(!ran.includes('train'));
      await decide(temporal.client, runId, {
        approval: 'review',
        decision: 'reject',
        approver: 'lena',
        comment: 'not these terms',
        evidenceDigest: run.approvals[0]?.evidence?.digest ?? digestJson('none'),
        statement: STATEMENT,
      });
      const { state, reason } = await runOutcome(temporal.client, runId);
      assert.equal(state, 'rejected');
      assert.match(reason, /not these terms; 'm' is still served under the terms in question: deploy one whose terms/);
      assert.deepEqual(
        settled.map((one) => [one.model, one.channel, one.state, one.reason]),
        [['m', 'production', 'rejected', reason]],
      );
      await replayRun(temporal.client, runId);
    });
  });

  it('before a release park the run where the licence forbids it, and a retry judges anew', async () => {
    const runId = `terms-${randomUUID()}`;
    const record = {
      kind: 'LicenceDenied',
      message: 'legal said no',
      where: 'terms',
      fix: 'ask legal',
      retryable: false,
    };
    let calls = 0;
    const { activities, ran } = fakeActivities();
    const checkTerms: Activities['checkTerms'] = (call) =>
      calls++ === 0
        ? Promise.reject(
            ApplicationFailure.create({
              message: record.message,
              type: record.kind,
              nonRetryable: true,
              details: [record],
            }),
          )
        : activities.checkTerms(call);
    await withWorkers(temporal.address, { ...activities, checkTerms }, async () => {
      await startRun(
        temporal.client,
        { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) },
        { runId },
      );
      await approveRun(temporal.client, runId, 'review', 'lena');
      const run = await untilRun(temporal.client, runId, ({ state }) => state === 'parked');
      const step = run.steps.find(({ id }) => id === 'terms');
      assert.deepEqual([step?.error?.fix, step?.actions], ['ask legal', ['retry', 'abort']]);
      assert.ok(!ran.includes('release-evidence'), 'no approver is asked about what is forbidden');
      const args: [object] = [{ step: 'terms', action: 'retry', by: 'olga', comment: 'legal agreed' }];
      const handle = temporal.client.workflow.getHandle(runId);
      while ((await handle.executeUpdate('resolve', { args }).catch(() => null)) === null)
        await new Promise((resolve) => setTimeout(resolve, 100));
      await approveRun(temporal.client, runId, 'release', 'omar');
      assert.equal((await runOutcome(temporal.client, runId)).state, 'deployed');
    });
  });
});

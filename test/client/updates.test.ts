import assert from 'node:assert/strict';
import type { TemporalClient } from '../../client/connection.ts';
import { decide } from '../../client/approvals.ts';
import { prepareResumption } from '../../client/resume-run.ts';
import { cancelRun, resolveStep, showRun } from '../../client/runs.ts';
import { sendUpdate, UpdateRefused } from '../../client/updates.ts';
import { settingAt, settingProblems } from '../../pipelines/change.ts';
import { TASK_QUEUES, type Decision, type Resolution, type RunInput } from '../../workflows/messages.ts';
import { withStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  fakeActivities,
  generatorInput,
  ref,
  runInput,
  untilRun,
  withWorkers,
  STATEMENT,
} from '../support/workflow.ts';

describe('asking a run', () => {
  let address: string;
  let temporal: TemporalClient;
  before(async () => {
    const server = await temporalForTests();
    address = server.address;
    temporal = await server.connect();
  });
  after(() => temporal.close());

  const retry: Resolution = { step: 'train', action: 'retry', by: 'olga', comment: '' };

  async function start(runId: string, input: RunInput = runInput()): Promise<void> {
    await temporal.client.workflow.start('runPipeline', {
      workflowId: runId,
      taskQueue: TASK_QUEUES.orchestration,
      args: [input, ref('input')],
    });
  }

  async function openApproval(runId: string): Promise<Decision> {
    for (;;) {
      const { approvals } = await showRun(temporal.client, runId);
      const open = approvals.find(({ state }) => state === 'open');
      if (open?.evidence !== undefined) {
        const approver = open.approval === 'review' ? 'lena' : 'omar';
        const evidenceDigest = open.evidence.digest;
        return {
          approval: open.approval,
          decision: 'approve',
          approver,
          comment: '',
          evidenceDigest,
          statement: STATEMENT,
        };
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  it('that no worker serves is given up in time, with what to do', async () => {
    const decision = await withWorkers(address, fakeActivities().activities, async () => {
      await start('unserved');
      return openApproval('unserved');
    });
    const unanswered = (seconds: string) => ({
      kind: 'TemporalUnavailable',
      message: new RegExp(`^no worker answered within ${seconds} s`),
      fix: /espalier dev/,
    });
    // Nobody would ever answer: without its limit either would outlast the test.
    await assert.rejects(sendUpdate(temporal.client, 'unserved', 'resolve', retry, 1500), unanswered('1\\.5'));
    await assert.rejects(decide(temporal.client, 'unserved', decision), unanswered('15'));
    await temporal.client.workflow.getHandle('unserved').terminate();
  });

  it('is refused with the reason, and after its end with the way to go on', async () => {
    const { store } = await withStore();
    const who = { startedBy: 'olga', approvers: [{ name: 'lena', roles: ['legal', 'product-owner'] }] };
    await withWorkers(address, fakeActivities().activities, async () => {
      await start('asked');
      const decision = await openApproval('asked');
      await assert.rejects(sendUpdate(temporal.client, 'asked', 'resolve', retry), UpdateRefused);
      await assert.rejects(resolveStep(temporal.client, 'asked', retry), {
        kind: 'Conflict',
        message: /'train' is not parked/,
      });
      await assert.rejects(decide(temporal.client, 'asked', { ...decision, approver: 'nobody' }), {
        kind: 'ApprovalRefused',
        message: /not among the approvers/,
      });
      await assert.rejects(prepareResumption(temporal.client, store, 'asked', who), {
        kind: 'Conflict',
        message: /is alive \(waiting-for-approval\)/,
        fix: /runs cancel asked/,
      });
      await decide(temporal.client, 'asked', decision);
      await decide(temporal.client, 'asked', await openApproval('asked'));
      await temporal.client.workflow.getHandle('asked').result();
      await assert.rejects(resolveStep(temporal.client, 'asked', retry), {
        kind: 'Conflict',
        message: /has ended \(deployed\)/,
      });
      await assert.rejects(prepareResumption(temporal.client, store, 'asked', who), {
        kind: 'Conflict',
        message: /ended with a result \(deployed\)/,
      });
      await assert.rejects(prepareResumption(temporal.client, store, 'no-such-run', who), { kind: 'NotFound' });
      await assert.rejects(resolveStep(temporal.client, 'no-such-run', retry), { kind: 'NotFound' });
    });
  });

  it('to go on keeps a setting that was allowed when it was changed, whatever rule has come since', async () => {
    const { store } = await withStore();
    const [path, step, by, at] = ['gates.domainShift.max', 'gates', 'olga', '2026-01-01T00:00:00.000Z'];
    const { pipeline, ...rest } = generatorInput();
    const old = { ...pipeline, gates: { ...pipeline.gates, domainShift: { max: 0.6 } } } as RunInput['pipeline'];
    assert.equal(settingProblems(old, { [path]: 0.65 })[0]?.path, path, 'today it would be refused');
    await withWorkers(address, fakeActivities().activities, async () => {
      const changes = [{ path, from: 0.6, to: 0.65, step, by, at }];
      await start('of-old', { ...rest, pipeline: old, changes });
      await untilRun(temporal.client, 'of-old', ({ state }) => state === 'waiting-for-approval');
      await cancelRun(temporal.client, 'of-old');
      await untilRun(temporal.client, 'of-old', ({ state }) => state === 'cancelled');
      const who = { startedBy: 'olga', approvers: runInput().approvers };
      const again = await prepareResumption(temporal.client, store, 'of-old', who);
      assert.equal(settingAt(again.input.pipeline, path), 0.65);
      await start('of-old-again', again.input);
      await untilRun(temporal.client, 'of-old-again', ({ state }) => state === 'waiting-for-approval');
      await cancelRun(temporal.client, 'of-old-again');
    });
  });
});

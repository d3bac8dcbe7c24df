import assert from 'node:assert/strict';
import type { TemporalClient } from '../../client/connection.ts';
import { decide } from '../../client/approvals.ts';
import { prepareResumption } from '../../client/resume-run.ts';
import { resolveStep, showRun } from '../../client/runs.ts';
import { sendUpdate, UpdateRefused } from '../../client/updates.ts';
import { TASK_QUEUES, type Decision, type Resolution } from '../../workflows/messages.ts';
import { withStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import { fakeActivities, ref, runInput, withWorkers, STATEMENT } from '../support/workflow.ts';

describe('asking a run', function () {
  this.timeout(90_000);
  let address: string;
  let temporal: TemporalClient;
  before(async () => {
    const server = await temporalForTests();
    address = server.address;
    temporal = await server.connect();
  });
  after(() => temporal.close());

  const retry: Resolution = { step: 'train', action: 'retry', by: 'olga', comment: '' };

  async function start(runId: string): Promise<void> {
    await temporal.client.workflow.start('runPipeline', {
      workflowId: runId,
      taskQueue: TASK_QUEUES.orchestration,
      args: [runInput(), ref('input')],
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
});

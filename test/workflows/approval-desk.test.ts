import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import { digestJson } from '../../artifacts/digest.ts';
import { decide, listApprovals } from '../../client/approvals.ts';
import { connectTemporal } from '../../client/connection.ts';
import { runOutcome, showRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { sendUpdate } from '../../client/updates.ts';
import { PipelineSchema } from '../../pipelines/definition.ts';
import { type ApprovalView, type Decision, type RunInput, type StepView } from '../../workflows/messages.ts';
import { startTemporalIn } from '../support/temporal-server.ts';
import { freePort, temporalForTests } from '../support/temporal.ts';
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

function inputWith(review: object): RunInput {
  const { pipeline, ...rest } = runInput();
  const approvals = { ...pipeline.approvals, review };
  return {
    ...rest,
    pipeline: PipelineSchema.parse({ ...pipeline, approvals }),
    approvers: [
      ...rest.approvers,
      { name: 'bea', roles: ['legal', 'risk'] },
      { name: 'hana', roles: ['head'] },
      { name: 'bruno', roles: [], breakGlass: true },
    ],
  };
}

describe('the approval desk of a run', function () {
  this.timeout(120_000);
  let client: Client;
  let address: string;
  let close: () => Promise<void>;
  before(async () => {
    const server = await temporalForTests();
    const temporal = await server.connect();
    ({ client } = temporal);
    address = server.address;
    close = () => temporal.close();
  });
  after(() => close());

  const start = (runId: string, input: RunInput): Promise<void> =>
    startRun(client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });

  async function open(
    runId: string,
    of = client,
  ): Promise<ApprovalView & { readonly vote: (change: Partial<Decision>) => Decision }> {
    const run = await untilRun(of, runId, ({ approvals }) => approvals.some(({ state }) => state === 'open'));
    const view = run.approvals.find(({ state }) => state === 'open');
    assert.ok(view?.evidence);
    const { approval, evidence } = view;
    const plain = {
      approval,
      decision: 'approve',
      comment: '',
      evidenceDigest: evidence.digest,
      statement: STATEMENT,
    } as const;
    return { ...view, vote: (change) => ({ approver: 'lena', ...plain, ...change }) };
  }

  it('waits until every seat is filled, and makes room for who can take one seat only', async () => {
    const input = inputWith({ seats: [{ role: 'legal' }, { role: 'risk' }] });
    await withWorkers(address, fakeActivities().activities, async () => {
      await start('desk-seats', input);
      const { vote } = await open('desk-seats');
      await decide(client, 'desk-seats', vote({ approver: 'bea' }));
      const half = (await showRun(client, 'desk-seats')).approvals[0];
      assert.deepEqual([half?.state, half?.seats[0]], ['open', { role: 'legal', by: 'bea' }]);
      await decide(client, 'desk-seats', vote({ approver: 'lena' }));
      const after = (await showRun(client, 'desk-seats')).approvals[0];
      assert.equal(after?.state, 'approved');
      assert.deepEqual(
        after?.seats.map(({ by }) => by),
        ['lena', 'bea'],
      );
      await approveRun(client, 'desk-seats', 'release', 'omar');
      assert.equal((await runOutcome(client, 'desk-seats')).state, 'deployed');
      await replayRun(client, 'desk-seats');
    });
  });

  it('asks again with new evidence where changes are requested: earlier votes are kept, and void', async () => {
    let packs = 0;
    const { activities } = fakeActivities();
    const writeReport: typeof activities.writeReport = async (call) => {
      const result = await activities.writeReport(call);
      packs += 1;
      return { ...result, output: { ...result.output, pack: ref(`pack-${packs}-${digestJson(call.input.facts)}`) } };
    };
    const input = inputWith({ seats: [{ role: 'legal' }, { role: 'risk' }] });
    await withWorkers(address, { ...activities, writeReport }, async () => {
      await start('desk-changes', input);
      const first = await open('desk-changes');
      await decide(client, 'desk-changes', first.vote({ approver: 'lena' }));
      await decide(
        client,
        'desk-changes',
        first.vote({ approver: 'bea', decision: 'request-changes', comment: 'fewer epochs' }),
      );
      const parked = await untilRun(client, 'desk-changes', ({ state }) => state === 'parked');
      const step = parked.steps.find(({ id }) => id === 'approve-review');
      assert.match(step?.error?.message ?? '', /bea requests changes: fewer epochs/);
      await assert.rejects(decide(client, 'desk-changes', first.vote({})), /closed: changes-requested by bea/);
      await sendUpdate<StepView, object>(client, 'desk-changes', 'resolve', {
        step: 'approve-review',
        action: 'retry',
        settings: { 'training.epochs': 2 },
        by: 'starter',
        comment: 'two',
      });
      const second = await open('desk-changes');
      assert.notEqual(second.evidence?.digest, first.evidence?.digest);
      assert.deepEqual(
        second.votes.map(({ approver, voided }) => [approver, voided?.reason]),
        [
          ['lena', 'changes were requested'],
          ['bea', 'changes were requested'],
        ],
      );
      await assert.rejects(decide(client, 'desk-changes', first.vote({})), /evidence is stale/);
      await decide(client, 'desk-changes', second.vote({ approver: 'bea' }));
      await decide(client, 'desk-changes', second.vote({ approver: 'lena' }));
      await approveRun(client, 'desk-changes', 'release', 'omar');
      assert.equal((await runOutcome(client, 'desk-changes')).state, 'deployed');
      await replayRun(client, 'desk-changes');
    });
  });

  it('closes at once when somebody breaks the glass, and says so', async () => {
    await withWorkers(address, fakeActivities().activities, async () => {
      await start('desk-glass', inputWith({ seats: [{ role: 'legal' }, { role: 'risk' }] }));
      const { vote } = await open('desk-glass');
      const record = await decide(
        client,
        'desk-glass',
        vote({ approver: 'bruno', breakGlass: true, comment: 'the old model insults customers' }),
      );
      assert.deepEqual([record.breakGlass, record.roles], [true, []]);
      assert.equal((await showRun(client, 'desk-glass')).approvals[0]?.state, 'approved');
      await client.workflow.getHandle('desk-glass').terminate();
    });
  });

  it('takes a vote that comes with a reminder, however late a worker hears of both, in an order that replays', async () => {
    const runId = 'desk-order';
    const { activities } = fakeActivities();
    const input = inputWith({ seats: [{ role: 'legal' }], timeout: '40s' });
    const { vote, openedAt = '' } = await withWorkers(address, activities, async () => {
      await start(runId, input);
      return open(runId);
    });
    // Nobody serves the run while its first reminder falls due and the vote arrives: both come in one workflow task.
    const reminderInMs = Date.parse(openedAt) + 10_500 - Date.now();
    await new Promise((resolve) => setTimeout(resolve, reminderInMs));
    const sent = decide(client, runId, vote({ approver: 'lena' }));
    sent.catch(() => undefined); // heard below
    await new Promise((resolve) => setTimeout(resolve, 500));
    await withWorkers(address, activities, async () => {
      assert.equal((await sent).decision, 'approve');
      await approveRun(client, runId, 'release', 'omar');
      assert.equal((await runOutcome(client, runId)).state, 'deployed');
      await replayRun(client, runId);
    });
  });

  it('survives that every worker goes and comes while it is open', async () => {
    const runId = 'desk-restart';
    const { activities } = fakeActivities();
    const input = inputWith({ seats: [{ role: 'legal' }, { role: 'risk' }] });
    await withWorkers(address, activities, async () => {
      await start(runId, input);
      const { vote } = await open(runId);
      await decide(client, runId, vote({ approver: 'bea' }));
    });
    await withWorkers(address, activities, async () => {
      const { vote, seats } = await open(runId);
      assert.deepEqual(seats[0], { role: 'legal', by: 'bea' });
      await assert.rejects(decide(client, runId, vote({ approver: 'bea' })), /'bea' has already voted/);
      await decide(client, runId, vote({ approver: 'lena' }));
      await approveRun(client, runId, 'release', 'omar');
      assert.equal((await runOutcome(client, runId)).state, 'deployed');
    });
  });

  it('survives that the server itself is killed with every worker, and lists it without one', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-killed-'));
    const ports = { port: await freePort(), uiPort: await freePort() };
    const serve = () => startTemporalIn(folder, ports);
    const runId = 'desk-killed';
    const { activities, ran } = fakeActivities();
    const input = inputWith({ seats: [{ role: 'legal' }, { role: 'risk' }] });
    let server = await serve();
    const own = await connectTemporal({ TEMPORAL_ADDRESS: server.address });
    try {
      await withWorkers(server.address, activities, async () => {
        await startRun(own.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
        const opened = await open(runId, own.client);
        await decide(own.client, runId, opened.vote({ approver: 'bea' }));
        process.kill(server.pid, 'SIGKILL');
      });
      await server.stop();
      server = await serve();
      const listed = (await listApprovals(own.client)).approvals.filter((one) => one.runId === runId);
      assert.deepEqual(
        listed.map(({ approval }) => approval),
        ['review'],
      );
      const before = ran.length;
      await withWorkers(server.address, activities, async () => {
        const { vote, seats } = await open(runId, own.client);
        assert.deepEqual(seats[0], { role: 'legal', by: 'bea' });
        assert.deepEqual(ran.slice(before), [], 'nothing finished is done again');
        await decide(own.client, runId, vote({ approver: 'lena' }));
        await approveRun(own.client, runId, 'release', 'omar');
        assert.equal((await runOutcome(own.client, runId)).state, 'deployed');
      });
    } finally {
      await own.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    }
  });
});

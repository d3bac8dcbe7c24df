import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/contract.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { decide, listApprovals } from '../../client/approvals.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { cancelRun, listRuns, runOutcome, showRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { RunView } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
  fakeActivities,
  ref,
  replayRun,
  runInput,
  untilRun,
  withWorkers,
  STATEMENT,
  type TextRun,
} from '../support/workflow.ts';

describe('a run', function () {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  /** Starts a run on fake activities, hands its id to `body`, and gives what ran. */
  async function withRun(
    options: { input?: Partial<TextRun>; overrides?: Partial<Activities> },
    body: (runId: string) => Promise<void>,
  ): Promise<string[]> {
    const { activities, ran } = fakeActivities(options.overrides);
    const runId = `test-${randomUUID()}`;
    const input = runInput(options.input);
    await withWorkers(temporal.address, activities, async () => {
      await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
      await body(runId);
    });
    return ran;
  }

  const until = (runId: string, condition: (run: RunView) => boolean): Promise<RunView> =>
    untilRun(temporal.client, runId, condition);
  const approve = (runId: string, approval: 'review' | 'release', approver: string): Promise<void> =>
    approveRun(temporal.client, runId, approval, approver);
  const replay = (runId: string): Promise<void> => replayRun(temporal.client, runId);

  it('can be replayed when a vote comes in the very moment that its evidence exists', async () => {
    const { activities } = fakeActivities();
    const runId = `test-${randomUUID()}`;
    const voting: Promise<void>[] = [];
    /** Votes over and over from before the desk opens: the first that counts is as early as one can be. */
    const keen: Activities['writeReport'] = async (call) => {
      const result = await activities.writeReport(call);
      const { kind } = call.input;
      if (kind === 'final') return result;
      const vote = {
        approval: kind,
        decision: 'approve',
        comment: '',
        evidenceDigest: result.output.pack.digest,
        statement: STATEMENT,
      } as const;
      const approver = kind === 'review' ? 'lena' : 'omar';
      const untilCounted = async (): Promise<void> => {
        for (let tries = 0; tries < 200; tries++) {
          const counted = await decide(temporal.client, runId, { ...vote, approver }).catch(() => undefined);
          if (counted !== undefined) return;
        }
      };
      voting.push(untilCounted());
      return result;
    };
    await withWorkers(temporal.address, { ...activities, writeReport: keen }, async () => {
      const prepared = { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) };
      await startRun(temporal.client, prepared, { runId });
      assert.equal((await runOutcome(temporal.client, runId)).state, 'deployed');
      await Promise.all(voting);
    });
    await replay(runId);
  });

  it('goes from data to a deployed model with two decisions, each step once and after what it needs', async () => {
    let view: RunView | undefined;
    const ran = await withRun({}, async (runId) => {
      await approve(runId, 'review', 'lena');
      await approve(runId, 'release', 'omar');
      const outcome = await runOutcome(temporal.client, runId);
      assert.equal(outcome.state, 'deployed');
      assert.equal(outcome.deployment?.revision, 1);
      view = await showRun(temporal.client, runId);
      await replay(runId);
    });
    assert.equal(new Set(ran).size, ran.length, 'no step ran twice');
    const order = (id: string): number => ran.indexOf(id);
    for (const { id, needs, state } of view?.steps ?? []) {
      // Nothing to choose between: the ranking named no shortlist.
      assert.equal(state, /^(subset|prototype|halve):|^choose$/.test(id) ? 'skipped' : 'done', id);
      for (const need of needs)
        if (order(id) >= 0 && order(need) >= 0) assert.ok(order(need) < order(id), `${need} before ${id}`);
    }
    assert.deepEqual(
      view?.approvals.map(({ record }) => record?.approver),
      ['lena', 'omar'],
    );
  });

  const factsOfRelease = (facts: RunFacts[]): Pick<Activities, 'writeReport'> => ({
    writeReport: (call) => {
      if (call.input.kind === 'release') facts.push(call.input.facts);
      return fakeActivities().activities.writeReport(call);
    },
  });

  it('hands what people have written for the dossier to the evidence and to the bundle', async () => {
    const facts: RunFacts[] = [];
    const packaged: unknown[] = [];
    const overrides: Partial<Activities> = {
      ...factsOfRelease(facts),
      packageModel: (call) => {
        packaged.push(call.input.dossier, call.input.privacy?.rowsScanned, call.input.selection?.winner);
        return fakeActivities().activities.packageModel(call);
      },
    };
    await withRun({ input: { dossier: ref('answers') }, overrides }, async (runId) => {
      await approve(runId, 'review', 'lena');
      await approve(runId, 'release', 'omar');
      await runOutcome(temporal.client, runId);
      await replay(runId);
    });
    assert.deepEqual(facts[0]?.dossier, ref('answers'));
    assert.deepEqual(packaged.slice(0, 2), [ref('answers'), 100]);
    assert.equal(packaged[2], facts[0]?.selection?.winner);
  });

  it('shows who decides about the release which bundle stands there, and how the new model does beside it', async () => {
    const facts: RunFacts[] = [];
    await withRun({ overrides: factsOfRelease(facts) }, async (runId) => {
      await approve(runId, 'review', 'lena');
      await until(runId, ({ approvals }) => approvals[1]?.state === 'open');
      await cancelRun(temporal.client, runId);
    });
    assert.equal(facts[0]?.comparison?.bundle, ref('bundle before').digest);
    assert.equal(facts[0]?.production?.bundle, ref('bundle before').digest);
    const step = facts[0]?.steps.find(({ id }) => id === 'compare');
    assert.deepEqual([step?.queue, step?.ranSeconds], ['espalier-cpu', 1]);
  });

  it('compares with nothing where nothing is in production', async () => {
    const facts: RunFacts[] = [];
    const nothing = { ...factsOfRelease(facts), findProduction: () => Promise.resolve(null) };
    const ran = await withRun({ overrides: nothing }, async (runId) => {
      await approve(runId, 'review', 'lena');
      await until(runId, ({ approvals }) => approvals[1]?.state === 'open');
      const { steps } = await showRun(temporal.client, runId);
      assert.equal(steps.find(({ id }) => id === 'compare')?.state, 'skipped');
      await cancelRun(temporal.client, runId);
    });
    assert.ok(!ran.includes('compare'));
    assert.deepEqual([facts[0]?.production, facts[0]?.comparison], [null, undefined]);
  });

  it('refuses wrong votes with the reason and without a trace in the history', async () => {
    await withRun({}, async (runId) => {
      const run = await until(runId, ({ state }) => state === 'waiting-for-approval');
      const evidenceDigest = run.approvals[0]?.evidence?.digest ?? digestJson('none');
      const events = async (): Promise<number> =>
        (await temporal.client.workflow.getHandle(runId).fetchHistory()).events?.length ?? 0;
      const before = await events();
      const vote = {
        approval: 'review',
        decision: 'approve',
        comment: '',
        evidenceDigest,
        statement: STATEMENT,
      } as const;
      const refused = (approver: string, change: object, reason: RegExp): Promise<void> =>
        assert.rejects(
          decide(temporal.client, runId, { ...vote, approver, ...change }),
          (error: { kind: string; message: string }) => {
            assert.equal(error.kind, 'ApprovalRefused');
            assert.match(error.message, reason);
            return true;
          },
        );
      await refused('omar', {}, /needs legal/);
      await refused('starter', {}, /started this run/);
      await refused('lena', { evidenceDigest: digestJson('old') }, /stale/);
      await refused('lena', { approval: 'release' }, /not open yet/);
      assert.equal(await events(), before);
      await decide(temporal.client, runId, { ...vote, approver: 'lena' });
      await refused('lena', {}, /closed: approved by lena/);
    });
  });

  it('shows up in lists as waiting, with its approval in the inbox', async () => {
    await withRun({}, async (runId) => {
      await until(runId, ({ state }) => state === 'waiting-for-approval');
      const listed = async (): Promise<string | undefined> =>
        (await listRuns(temporal.client, { pipeline: 'orchestration-test' })).find((run) => run.runId === runId)?.state;
      // Visibility is eventually consistent: about a second.
      for (let i = 0; i < 400 && (await listed()) !== 'waiting-for-approval'; i++)
        await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(await listed(), 'waiting-for-approval');
      const { approvals: inbox, total } = await listApprovals(temporal.client);
      assert.equal(total, inbox.length);
      const found = inbox.find((one) => one.runId === runId);
      const { approvals } = await showRun(temporal.client, runId);
      // What the list tells without asking the run is what the run itself tells.
      const { approval, state, evidence, openedAt, deadline } = approvals[0] ?? assert.fail('no approval');
      const ours = found ?? assert.fail('not in the inbox');
      assert.deepEqual(
        [ours.approval, ours.state, ours.evidence, ours.openedAt, ours.deadline, ours.startedBy],
        [approval, state, evidence, openedAt, deadline, 'starter'],
      );
      await approveRun(temporal.client, runId, 'review', 'lena');
      await until(runId, (run) => run.approvals[1]?.state === 'open');
      const now = async () => (await listApprovals(temporal.client)).approvals.filter((one) => one.runId === runId);
      for (let i = 0; i < 400 && (await now())[0]?.approval !== 'release'; i++)
        await new Promise((resolve) => setTimeout(resolve, 100));
      assert.deepEqual(
        (await now()).map((one) => one.approval),
        ['release'],
      );
    });
  });

  it('drops a candidate that fails, with the reason, and goes on with the rest', async () => {
    const fails = ApplicationFailure.create({
      message: 'pytorch_model.bin is a pickle',
      type: 'UnsafeModel',
      nonRetryable: true,
      details: [
        { kind: 'UnsafeModel', message: 'pytorch_model.bin is a pickle', where: 'candidates.one', retryable: false },
      ],
    });
    const { activities } = fakeActivities();
    const ran = await withRun(
      {
        overrides: {
          importModel: (call) => (call.stepId === 'import:one' ? Promise.reject(fails) : activities.importModel(call)),
        },
      },
      async (runId) => {
        const run = await until(runId, ({ state }) => state === 'waiting-for-approval');
        const step = run.steps.find(({ id }) => id === 'import:one');
        assert.equal(step?.state, 'dropped');
        assert.equal(step?.error?.kind, 'UnsafeModel');
        assert.equal(run.steps.find(({ id }) => id === 'probe:two')?.state, 'done');
      },
    );
    assert.ok(!ran.includes('export:one'));
  });

  it('fetches no weights of a candidate whose licence forbids the use', async () => {
    const { activities } = fakeActivities();
    const ran = await withRun(
      {
        overrides: {
          resolveModel: async (call) => {
            const result = await activities.resolveModel(call);
            if (call.stepId !== 'resolve:one') return result;
            const licence = {
              ...result.output.licence,
              verdict: 'deny' as const,
              reasons: ['CC-BY-NC forbids commercial use.'],
            };
            return { ...result, output: { ...result.output, licence } };
          },
        },
      },
      async (runId) => {
        const run = await until(runId, ({ state }) => state === 'waiting-for-approval');
        assert.equal(run.steps.find(({ id }) => id === 'import:one')?.error?.kind, 'LicenceDenied');
      },
    );
    assert.ok(!ran.includes('import:one') && ran.includes('import:two'));
  });

  it('fetches no weights of a candidate that its source says cannot fit, and goes on with the rest', async () => {
    const { activities } = fakeActivities();
    const reason = 'Its exported weights have at least 900 MB, more than 150 MB (selection.maxSizeMb).';
    const asked: unknown[] = [];
    const ran = await withRun(
      {
        overrides: {
          resolveModel: async (call) => {
            const result = await activities.resolveModel(call);
            asked.push(call.input.limits);
            if (call.stepId !== 'resolve:one') return result;
            return { ...result, output: { ...result.output, unfit: [reason] } };
          },
        },
      },
      async (runId) => {
        const run = await until(runId, ({ state }) => state === 'waiting-for-approval');
        const dropped = run.steps.find(({ id }) => id === 'import:one');
        assert.equal(dropped?.state, 'dropped');
        assert.ok(dropped?.error?.message.includes(reason));
      },
    );
    assert.equal(asked.length, 2);
    for (const limits of asked) assert.deepEqual(limits, { task: 'text-classification', hardwareFit: 0.9 });
    assert.ok(!ran.includes('import:one') && ran.includes('import:two'));
  });

  it('ends without a release when a gate fails, and writes the report all the same', async () => {
    const { activities } = fakeActivities();
    const ran = await withRun(
      {
        overrides: {
          judgeGates: async (call) => ({
            ...(await activities.judgeGates(call)),
            output: { verdict: 'fail', gates: [] },
          }),
        },
      },
      async (runId) => {
        await approve(runId, 'review', 'lena');
        const outcome = await runOutcome(temporal.client, runId);
        assert.equal(outcome.state, 'gates-failed');
        assert.equal(outcome.deployment, null);
      },
    );
    assert.ok(ran.includes('report') && !ran.includes('package') && !ran.includes('deploy'));
  });

  it('ends with how many gates warned, and calls all of them passed where none did', async () => {
    const { activities } = fakeActivities();
    /** As many gates of each verdict as it says, and what the comparison with production says. */
    const ending = async (verdicts: readonly string[], compared?: 'pass' | 'warn'): Promise<string> => {
      let reason = '';
      const overrides: Partial<Activities> = {
        judgeGates: async (call) => {
          const gates = verdicts.map((verdict, at) => ({ name: `gate-${at}`, verdict, reason: 'so' })) as never;
          return { ...(await activities.judgeGates(call)), output: { verdict: 'pass', gates } };
        },
        compareModels: async (call) => {
          const result = await activities.compareModels(call);
          const gate = { name: 'gainOverProduction', verdict: compared, reason: 'so' } as never;
          return compared === undefined ? result : { ...result, output: { ...result.output, gate } as never };
        },
      };
      await withRun({ overrides }, async (runId) => {
        await approve(runId, 'review', 'lena');
        await approve(runId, 'release', 'omar');
        ({ reason } = await runOutcome(temporal.client, runId));
      });
      return reason;
    };
    assert.equal(await ending(['pass', 'off', 'pass'], 'pass'), 'every gate passed and both approvals were given');
    assert.equal(
      await ending(['pass', 'warn', 'warn'], 'warn'),
      'no gate failed, 3 warned, and both approvals were given',
    );
  });

  for (const [which, name] of [
    ['gate', 'gainOverProduction'],
    ['macroF1Gate', 'macroF1OverProduction'],
  ] as const) {
    it(`asks nobody to release a model that ${name} refuses`, async () => {
      const { activities } = fakeActivities();
      const asked: unknown[] = [];
      const ran = await withRun(
        {
          overrides: {
            compareModels: async (call) => {
              asked.push(call.input[which]);
              const result = await activities.compareModels(call);
              const refused = { [which]: { name, verdict: 'fail', reason: 'it is worse' } };
              return { ...result, output: { ...result.output, comparable: true, ...refused } as never };
            },
          },
        },
        async (runId) => {
          await approve(runId, 'review', 'lena');
          const outcome = await runOutcome(temporal.client, runId);
          assert.deepEqual([outcome.state, outcome.reason, outcome.deployment], ['gates-failed', 'it is worse', null]);
        },
      );
      assert.deepEqual(asked, [{ min: 0, severity: 'warn' }]);
      assert.ok(ran.includes('report') && !ran.includes('release-evidence') && !ran.includes('deploy'));
    });
  }

  it('deploys nothing when the release is rejected', async () => {
    const ran = await withRun({}, async (runId) => {
      await approve(runId, 'review', 'lena');
      const run = await until(runId, ({ approvals }) => approvals[1]?.state === 'open');
      const evidenceDigest = run.approvals[1]?.evidence?.digest ?? digestJson('none');
      await decide(temporal.client, runId, {
        approval: 'release',
        decision: 'reject',
        approver: 'omar',
        comment: 'not now',
        evidenceDigest,
        statement: STATEMENT,
      });
      const outcome = await runOutcome(temporal.client, runId);
      assert.equal(outcome.state, 'rejected');
      assert.match(outcome.reason, /omar rejected 'release': not now/);
    });
    assert.ok(!ran.includes('deploy'));
  });

  it('takes an approval nobody gives in time for a rejection, never for an approval', async () => {
    const { pipeline } = runInput();
    const approvals = { ...pipeline.approvals, review: { ...pipeline.approvals.review, timeout: '1s' } };
    const ran = await withRun({ input: { pipeline: { ...pipeline, approvals } } }, async (runId) => {
      const outcome = await runOutcome(temporal.client, runId);
      assert.equal(outcome.state, 'rejected');
      assert.match(outcome.reason, /expired/);
    });
    assert.ok(!ran.includes('train'));
  });

  it('fails with the typed error of bad data, not with a wrapper, and with a report', async () => {
    const record = {
      kind: 'BadData',
      message: 'messages.csv has no column "text"',
      where: 'messages.csv',
      fix: 'name one of: a, b',
      retryable: false,
    };
    const bad = ApplicationFailure.create({
      message: record.message,
      type: 'BadData',
      nonRetryable: true,
      details: [record],
    });
    const options = { input: { onFailure: 'fail' }, overrides: { prepareData: () => Promise.reject(bad) } } as const;
    const ran = await withRun(options, async (runId) => {
      await assert.rejects(runOutcome(temporal.client, runId), {
        kind: 'BadData',
        message: record.message,
        fix: record.fix,
      });
      const run = await showRun(temporal.client, runId);
      assert.equal(run.steps.find(({ id }) => id === 'data')?.state, 'failed');
    });
    assert.ok(ran.includes('report') && !ran.includes('train'));
  });

  it('can be cancelled while it waits', async () => {
    await withRun({}, async (runId) => {
      await until(runId, ({ state }) => state === 'waiting-for-approval');
      await cancelRun(temporal.client, runId);
      await assert.rejects(runOutcome(temporal.client, runId), /was cancelled/);
    });
  });

  it('cannot be started twice under one id', async () => {
    await withRun({}, async (runId) => {
      const again = startRun(
        temporal.client,
        { input: runInput(), inputRef: ref('input'), digest: digestJson('x') },
        { runId },
      );
      await assert.rejects(again, { kind: 'Conflict' });
    });
  });
});

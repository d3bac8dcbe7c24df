import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { WorkflowBundleWithSourceMap } from '@temporalio/worker';
import type { Activities } from '../../activities/contract.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { isAway } from '../../cli/patience.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { prepareResumption } from '../../client/resume-run.ts';
import { shownOrFromHistory, type ShownOrTold } from '../../client/run-from-history.ts';
import { whyUnanswered } from '../../client/replay-failures.ts';
import { resolveStep, showRun } from '../../client/runs.ts';
import { createToken, SCOPES } from '../../client/tokens.ts';
import { sendUpdate } from '../../client/updates.ts';
import { Run } from '../../console/answers.ts';
import type { Problem } from '../../console/problems.ts';
import { startConsole } from '../../console/server.ts';
import { findTool } from '../../infra/tools.ts';
import { settingAt } from '../../pipelines/change.ts';
import { TASK_QUEUES, type RunView, type StepView } from '../../workflows/messages.ts';
import { espalier } from '../support/command.ts';
import { failure } from '../support/parking.ts';
import { TEST_KEY } from '../support/signing.ts';
import { withStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
  fakeActivities,
  ref,
  runInput,
  untilRun,
  withWorkers,
  workflowBundle,
} from '../support/workflow.ts';

describe('a run that no worker can go on with', function () {
  this.timeout(300_000); // a bundle and several workers; the limit is for a busy machine
  let address: string;
  let temporal: TemporalClient;
  before(async () => {
    const server = await temporalForTests();
    address = server.address;
    temporal = await server.connect();
  });
  after(() => temporal.close());

  /** Workers of another version: one activity is called otherwise, and a history that has it does not replay. */
  async function onOtherVersion<T>(body: () => Promise<T>): Promise<T> {
    const { code, ...rest } = await workflowBundle();
    const bundle: WorkflowBundleWithSourceMap = { ...rest, code: code.replaceAll('prepareData', 'prepareDataAnew') };
    const { activities } = fakeActivities();
    const renamed = { ...activities, prepareDataAnew: activities.prepareData } as Activities;
    return withWorkers(address, renamed, body, Object.values(TASK_QUEUES), Promise.resolve(bundle));
  }

  async function start(runId: string): Promise<void> {
    await temporal.client.workflow.start('runPipeline', {
      workflowId: runId,
      taskQueue: TASK_QUEUES.orchestration,
      args: [runInput(), ref('input')],
      memo: { state: 'running' },
    });
    await approveRun(temporal.client, runId, 'review', 'lena');
  }

  /** As its own workers show it where it waits for the release. */
  function begun(runId: string): Promise<RunView> {
    return withWorkers(address, fakeActivities().activities, async () => {
      await start(runId);
      return untilRun(temporal.client, runId, ({ approvals }) =>
        approvals.some(({ approval, state }) => approval === 'release' && state === 'open'),
      );
    });
  }

  /** Its training has failed, and fails again after an operator named another rate. */
  function parked(runId: string): Promise<RunView> {
    const diverges = () => Promise.reject(failure('Diverged', 'the loss is NaN'));
    return withWorkers(address, fakeActivities({ trainModel: diverges }).activities, async () => {
      await start(runId);
      await untilRun(temporal.client, runId, ({ state }) => state === 'parked');
      const settings = { 'training.learningRate': 1e-6 };
      await resolveStep(temporal.client, runId, {
        step: 'train',
        action: 'retry',
        settings,
        by: 'olga',
        comment: 'slower',
      });
      return untilRun(
        temporal.client,
        runId,
        ({ state, steps }) => state === 'parked' && steps.some(({ resolutions = [] }) => resolutions.length === 1),
      );
    });
  }

  const isReplayFailure =
    (runId: string) =>
    (error: unknown): true => {
      assert.ok(error instanceof EspalierError, String(error));
      assert.equal(error.kind, 'ReplayFailed', error.message);
      assert.match(error.message, new RegExp(`run ${runId} from its history: .*Nondeterminism error: .*'prepareData'`));
      for (const way of [
        'version that it began on',
        `reset --workflow-id ${runId}`,
        `terminate --workflow-id ${runId}`,
      ]) {
        assert.ok(error.fix?.includes(way) === true, way);
      }
      assert.equal(error.retryable, false);
      assert.equal(isAway(error), false, 'who watches it is told at once');
      return true;
    };

  it('says so by name, with the reason and the ways out, however the server says that it is not answered', async () => {
    await begun('stuck');
    await onOtherVersion(async () => {
      const { client } = temporal;
      await assert.rejects(showRun(client, 'stuck'), isReplayFailure('stuck'), 'nothing waits to be done');
      const retry = { step: 'train', action: 'retry', by: 'olga', comment: '' };
      await client.workflow.getHandle('stuck').signal('anything');
      const attempts = async (): Promise<number> =>
        (await client.workflow.getHandle('stuck').describe()).raw.pendingWorkflowTask?.attempt ?? 0;
      while ((await attempts()) < 2) await new Promise((resolve) => setTimeout(resolve, 50));
      await assert.rejects(sendUpdate(client, 'stuck', 'resolve', retry, 1500), isReplayFailure('stuck'));
      const waited = await client
        .withDeadline(Date.now() + 1000, () => client.workflow.getHandle('stuck').query('progress'))
        .catch((error: unknown) => error);
      assert.match(
        String((waited as Error).cause),
        /DEADLINE_EXCEEDED/,
        'the server asks workers, and gives no reason',
      );
      assert.ok(isReplayFailure('stuck')(await whyUnanswered(client, 'stuck', waited)));
      while ((await attempts()) < 3) await new Promise((resolve) => setTimeout(resolve, 50));
      await assert.rejects(showRun(client, 'stuck'), isReplayFailure('stuck'), 'the server has given up asking');
    });
    await temporal.client.workflow.getHandle('stuck').terminate();
  });

  /** A console beside no workers of its own. */
  async function startOwnConsole() {
    const store = await withStore();
    const { url, close } = await startConsole(
      {
        ...store,
        signer: TEST_KEY.signer,
        client: temporal.client,
        pipelines: [],
        approvers: () => Promise.resolve(runInput().approvers),
        linkKey: 'k'.repeat(32),
        onError: () => undefined,
      },
      { host: '127.0.0.1', port: 0 },
    );
    const expiresAt = '2099-01-01T00:00:00.000Z';
    const { text } = await createToken(store.pointers, { user: 'olga', scopes: SCOPES, createdBy: 'test', expiresAt });
    return {
      close,
      async ask<Body>(path: string): Promise<{ readonly status: number; readonly body: Body }> {
        const answer = await fetch(new URL(path, url), { headers: { authorization: `Bearer ${text}` } });
        return { status: answer.status, body: (await answer.json()) as Body };
      },
    };
  }

  it('is still shown, as its history alone tells it, and followed no further', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-stuck-'));
    const before = await begun('told');
    const command = (...args: string[]) =>
      espalier(args, { ...process.env, ESPALIER_STATE: folder, TEMPORAL_ADDRESS: address, NO_COLOR: '1' });
    const known = ({ steps, approvals, runId, pipeline, startedBy, startedAt, trigger, state }: RunView) => ({
      run: { runId, pipeline, startedBy, startedAt, trigger, state },
      // Of an approval, and of what was left out, the history has no activity.
      steps: steps.filter(({ id, state }) => state === 'done' && !id.startsWith('approve-')).map(whatItDid),
      approvals: approvals.filter(({ state }) => state === 'open'),
    });
    const console = await startOwnConsole();
    try {
      await onOtherVersion(async () => {
        const { replayFailure, ...run } = await shownOrFromHistory(temporal.client, 'told');
        assert.equal(replayFailure?.kind, 'ReplayFailed');
        assert.deepEqual(known(run), known(before));
        const shown = await command('runs', 'show', 'told');
        assert.equal(shown.code, 0, shown.stderr);
        assert.match(shown.stdout, /^train +done/m);
        assert.match(shown.stdout, /^approval release: open/m);
        assert.match(shown.stdout, /run told from its history: .*Nondeterminism[^]*workflow reset --workflow-id told/);
        const json = JSON.parse((await command('runs', 'show', 'told', '--json')).stdout) as ShownOrTold;
        assert.deepEqual(known(json), known(before));
        const served = await console.ask<ShownOrTold>('/v1/runs/told');
        assert.deepEqual([served.status, known(served.body)], [200, known(before)]);
        assert.deepEqual(Run.strict().parse(served.body).replayFailure, replayFailure);
        const refused = await console.ask<Problem>('/v1/runs/told/approvals/release');
        assert.deepEqual([refused.status, refused.body.kind], [409, 'ReplayFailed']);
        const watched = await command('runs', 'watch', 'told');
        assert.equal(watched.code, 1);
        assert.match(watched.stderr, /ReplayFailed/);
      });
      await withWorkers(address, fakeActivities().activities, async () => {
        assert.deepEqual(known(await showRun(temporal.client, 'told')), known(before), 'its own version takes it up');
      });
    } finally {
      await console.close();
      await temporal.client.workflow.getHandle('told').terminate();
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('begins anew where it is reset as the error says', async () => {
    await begun('anew');
    await onOtherVersion(async () => {
      const { client } = temporal;
      await assert.rejects(showRun(client, 'anew'), { kind: 'ReplayFailed' });
      const { replayFailure } = await shownOrFromHistory(client, 'anew');
      const [, way] = /temporal (workflow reset .*) --reason "/.exec(replayFailure?.fix ?? '') ?? [];
      assert.ok(way !== undefined, replayFailure?.fix);
      await promisify(execFile)(findTool('temporal'), [
        ...way.split(' '),
        '--reason=does not replay',
        `--address=${address}`,
      ]);
      const again = await untilRun(client, 'anew', ({ state }) => state === 'waiting-for-approval');
      assert.deepEqual(
        again.approvals.map(({ approval, state }) => [approval, state]),
        [
          ['review', 'open'],
          ['release', 'not-open'],
        ],
      );
    });
    await temporal.client.workflow.getHandle('anew').terminate();
  });

  it('is resumed once it is terminated, with what operators changed in it', async () => {
    const before = await parked('ended');
    const { store } = await withStore();
    await onOtherVersion(async () => {
      const { client } = temporal;
      await client.workflow.getHandle('ended').terminate();
      const { state, steps } = await shownOrFromHistory(client, 'ended');
      const [told, known] = [steps, before.steps].map((all) => all.find(({ id }) => id === 'train'));
      assert.deepEqual([state, told?.state, known?.state], ['failed', 'failed', 'parked']);
      assert.deepEqual(told?.error, known?.error);
      const [resolution] = told?.resolutions ?? [];
      assert.deepEqual([resolution?.by, resolution?.comment, resolution?.action], ['olga', 'slower', 'retry']);
      const who = { startedBy: 'olga', approvers: runInput().approvers };
      const { input } = await prepareResumption(client, store, 'ended', who);
      assert.equal(settingAt(input.pipeline, 'training.learningRate'), 1e-6);
    });
  });

  it('keeps what operators decided of steps that the installed version no longer has, and shows these, too', async () => {
    const { code, ...rest } = await workflowBundle();
    const renamed = code.replaceAll(/(['"])privacy\1/g, "'old-privacy'");
    assert.notEqual(renamed, code);
    const scanPrivacy = () => Promise.reject(failure('Internal', 'the scanner is broken'));
    const { client } = temporal;
    const { activities } = fakeActivities({ scanPrivacy });
    const isParked = ({ state }: RunView): boolean => state === 'parked';
    const ofEarlierVersion = Promise.resolve({ ...rest, code: renamed });
    const begin = async (): Promise<void> => {
      await client.workflow.start('runPipeline', {
        workflowId: 'renamed',
        taskQueue: TASK_QUEUES.orchestration,
        args: [runInput(), ref('input')],
        memo: { state: 'running' },
      });
      for (const learningRate of [1e-5, 1e-6]) {
        await untilRun(client, 'renamed', isParked);
        const settings = { 'training.learningRate': learningRate };
        const retry = { step: 'old-privacy', action: 'retry', by: 'olga', comment: '', settings } as const;
        await resolveStep(client, 'renamed', retry);
      }
      await untilRun(client, 'renamed', isParked);
    };
    await withWorkers(address, activities, begin, Object.values(TASK_QUEUES), ofEarlierVersion);
    await client.workflow.getHandle('renamed').terminate();
    const { store } = await withStore();
    await onOtherVersion(async () => {
      const { replayFailure, steps } = await shownOrFromHistory(client, 'renamed');
      assert.equal(replayFailure?.kind, 'ReplayFailed');
      assert.equal(steps.find(({ id }) => id === 'privacy')?.state, 'pending');
      const told = steps.find(({ id }) => id === 'old-privacy');
      assert.deepEqual(
        [told?.title, told?.state, told?.error?.message],
        ['look for personal data', 'failed', 'the scanner is broken'],
      );
      assert.deepEqual(
        told?.resolutions?.map(({ by, settings }) => [by, settings?.['training.learningRate']]),
        [
          ['olga', 1e-5],
          ['olga', 1e-6],
        ],
      );
      const who = { startedBy: 'olga', approvers: runInput().approvers };
      const { input } = await prepareResumption(client, store, 'renamed', who);
      assert.equal(settingAt(input.pipeline, 'training.learningRate'), 1e-6);
    });
  });
});

const whatItDid = ({ id, title, state, key, computedBy, attempt }: StepView) => ({
  id,
  title,
  state,
  key,
  computedBy,
  attempt,
});

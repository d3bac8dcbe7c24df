import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Explanation } from '../../client/explain-step.ts';
import { readRunInput } from '../../client/run-input.ts';
import type { RunSummary, ShownRun } from '../../client/runs.ts';
import type { Problem } from '../../console/problems.ts';
import type { StepView } from '../../workflows/messages.ts';
import { startTestConsole, TRAINING, type TestConsole } from '../support/console.ts';
import { approveRun } from '../support/workflow.ts';

describe('runs over HTTP', () => {
  let console: TestConsole;
  before(async () => {
    console = await startTestConsole();
  });
  after(() => console.stop());

  async function parked(): Promise<string> {
    const runId = await console.start('parks');
    await approveRun(console.temporal.client, runId, 'review', 'lena');
    await console.until(runId, ({ state }) => state === 'parked');
    return runId;
  }

  it('starts a run of a served pipeline as the user of the token, with changed settings, and lists and shows it', async () => {
    const runId = `api-${randomUUID()}`;
    const settings = { 'training.epochs': 2, 'gates.accuracy.min': 0.7 };
    const body = { pipeline: 'orchestration-test', runId, settings, onFailure: 'fail', reuse: false };
    const started = await console.call<{ runId: string; inputs: string }>('POST /v1/runs', { body });
    assert.equal(started.status, 201, started.text);
    assert.equal(started.body.runId, runId);
    assert.equal(started.headers.get('location'), `/v1/runs/${runId}`);
    const { input } = await readRunInput(console.temporal.client, runId);
    assert.ok(input.pipeline.task === 'text-classification');
    assert.deepEqual(
      [input.startedBy, input.onFailure, input.reuse, input.pipeline.training.epochs, input.pipeline.gates.accuracy],
      ['olga', 'fail', false, 2, { ...input.pipeline.gates.accuracy, min: 0.7 }],
    );
    assert.ok(
      await console.store.store.has(input.dataFiles[0]?.ref?.digest ?? 'sha256:'),
      'its data file is an artifact',
    );

    const shown = await console.call<ShownRun>(`GET /v1/runs/${runId}`);
    assert.deepEqual([shown.status, shown.body.startedBy, shown.body.pipeline], [200, 'olga', 'orchestration-test']);
    const again = await console.call<Problem>('POST /v1/runs', { body });
    assert.deepEqual([again.status, again.body.kind], [409, 'Conflict']);
    // Visibility is written a moment later.
    for (let found = false; !found;) {
      const { body: runs } = await console.call<RunSummary[]>('GET /v1/runs?pipeline=orchestration-test&limit=1000');
      found = runs.some((one) => one.runId === runId && one.startedBy === 'olga');
    }
    assert.equal((await console.call<RunSummary[]>('GET /v1/runs?limit=1')).body.length, 1);
    assert.deepEqual((await console.call('GET /v1/runs?pipeline=nobody')).body, []);
    assert.equal((await console.call(`POST /v1/runs/${runId}/cancel`)).status, 202);
  });

  it('starts nothing but what it serves, and no setting reaches files, sources, roles or targets', async () => {
    const start = (body: object) => console.call<Problem>('POST /v1/runs', { body });
    const other = await start({ pipeline: 'support-intents' });
    assert.deepEqual([other.status, other.body.fix?.includes('orchestration-test')], [404, true]);
    for (const path of [
      'data.files',
      'candidates.0.model',
      'approvals.review.seats',
      'deploy.model',
      'name',
      'training.launcher',
      'training.launcher.image',
    ]) {
      const { status, body } = await start({ pipeline: 'orchestration-test', settings: { [path]: '/etc/passwd' } });
      assert.deepEqual([status, body.mistakes?.[0]?.path], [422, path], path);
    }
    const wrong = await start({
      pipeline: 'orchestration-test',
      settings: { 'training.epochs': -1, 'training.epoch': 1, 'training.constructor.name': 'x' },
    });
    assert.equal(wrong.status, 422);
    assert.ok(
      wrong.body.mistakes?.some(({ path }) => path === 'training.epochs'),
      wrong.text,
    );
    assert.ok(
      wrong.body.mistakes?.some(({ path }) => path === 'training.epoch'),
      wrong.text,
    );
  });

  it('shows how far a training is: every figure of its last heartbeat', async () => {
    const runId = await console.start('trains');
    await approveRun(console.temporal.client, runId, 'review', 'lena');
    for (;;) {
      const { status, body } = await console.call<ShownRun>(`GET /v1/runs/${runId}`);
      assert.equal(status, 200);
      const { train } = body.progress;
      if (train === undefined) continue;
      assert.deepEqual(train, { ...TRAINING, attempt: 1 });
      break;
    }
    const cancelled = await console.call(`POST /v1/runs/${runId}/cancel`);
    assert.deepEqual([cancelled.status, cancelled.body], [202, { runId, cancelled: true }]);
    await console.until(runId, ({ state }) => state === 'cancelled');
    const late = await console.call<Problem>(`POST /v1/runs/${runId}/cancel`);
    assert.deepEqual([late.status, late.body.detail], [409, `run ${runId} has ended already (cancelled)`]);
  });

  it('retries a parked step with changed settings in the name of the token, and says why another answer does not count', async () => {
    const runId = await parked();
    const resolve = <Body>(step: string, body: object) =>
      console.call<Body>(`POST /v1/runs/${runId}/steps/${step}/resolve`, { body });
    const fixed = await resolve<Problem>('train', { action: 'retry', settings: { 'data.text': 'other' } });
    assert.deepEqual([fixed.status, fixed.body.mistakes?.[0]?.path], [422, 'data.text']);
    const elsewhere = await resolve<Problem>('train', {
      action: 'retry',
      settings: { 'training.launcher.image': 'x' },
    });
    assert.deepEqual([elsewhere.status, elsewhere.body.mistakes?.[0]?.path], [422, 'training.launcher.image']);
    const worse = await resolve<Problem>('train', { action: 'retry', settings: { 'training.learningRate': -1 } });
    assert.deepEqual([worse.status, worse.body.mistakes?.[0]?.path], [422, 'training.learningRate']);
    const skipped = await resolve<Problem>('train', { action: 'skip' });
    assert.equal(skipped.status, 409);
    assert.match(skipped.body.detail, /cannot be skipped/);
    const other = await resolve<Problem>('gates', { action: 'retry' });
    assert.equal(other.status, 409);
    assert.match(other.body.detail, /not parked/);
    const forged = await resolve<Problem>('train', { action: 'retry', by: 'somebody-else' });
    assert.equal(forged.status, 400, 'who decides is the token, not a field');

    const settings = { 'training.learningRate': 1e-6 };
    const { status, body } = await resolve<StepView>('train', { action: 'retry', settings, comment: 'too hot' });
    assert.equal(status, 200);
    const [resolution] = body.resolutions ?? [];
    assert.deepEqual(
      [resolution?.by, resolution?.comment, resolution?.settings, resolution?.action],
      ['olga', 'too hot', settings, 'retry'],
    );
    assert.match(resolution?.error ?? '', /loss is NaN/);
    await console.until(runId, ({ state }) => state === 'waiting-for-approval');
  });

  it('aborts a run at its parked step', async () => {
    const runId = await parked();
    const { status } = await console.call(`POST /v1/runs/${runId}/steps/train/resolve`, { body: { action: 'abort' } });
    assert.equal(status, 200);
    await console.until(runId, ({ state }) => state === 'failed');
  });

  it('says why a step was or was not reused', async () => {
    const runId = await parked();
    const { status, body } = await console.call<Explanation>(`GET /v1/runs/${runId}/steps/train/explain`);
    assert.deepEqual([status, body.verdict, body.state], [200, 'open', 'parked']);
    assert.match(body.reason, /waits for an operator: Diverged/);
    const none = await console.call<Problem>(`GET /v1/runs/${runId}/steps/trian/explain`);
    assert.deepEqual([none.status, none.body.kind], [404, 'NotFound']);
  });
});

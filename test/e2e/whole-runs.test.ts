import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import { evaluatedModel } from '../../artifacts/release.ts';
import { createS3Client } from '../../artifacts/settings.ts';
import { showModel } from '../../client/models.ts';
import { predict } from '../../client/predict.ts';
import { cancelRun, listRuns, runOutcome, showRun } from '../../client/runs.ts';
import { espalier, type Ended } from '../support/command.ts';
import {
  finishRun,
  smallCsv,
  smallPipeline,
  startSmallRun,
  startTestHost,
  stopTestHosts,
  type TestHost,
} from '../support/host.ts';

describe('whole runs on one machine', function () {
  this.timeout(1_500_000); // minutes of a machine at rest; the limit is for a busy one
  let host: TestHost;
  before(async () => {
    host = await startTestHost();
  });
  after(stopTestHosts);

  async function factsOf(runId: string): Promise<RunFacts> {
    const { report } = await runOutcome(host.temporal.client, runId);
    const facts = (await host.store.store.tree(report)).entries.find(({ path }) => path === 'facts.json');
    assert.ok(facts);
    return host.store.store.getJson<RunFacts>(facts.digest);
  }

  /** How often each step's activity completed, from the history: the server's word, not ours. */
  async function completions(runId: string): Promise<Map<string, number>> {
    const { events } = await host.temporal.client.workflow.getHandle(runId).fetchHistory();
    const scheduled = new Map<string, string>();
    const completed = new Map<string, number>();
    for (const event of events ?? []) {
      const { activityTaskScheduledEventAttributes: begin, activityTaskCompletedEventAttributes: end } = event;
      if (begin) scheduled.set(String(event.eventId), begin.activityId ?? '');
      if (!end) continue;
      const id = scheduled.get(String(end.scheduledEventId)) ?? '';
      completed.set(id, (completed.get(id) ?? 0) + 1);
    }
    return completed;
  }

  it('end in the same bytes wherever workers are killed, and no finished step is redone', async () => {
    const definition = await smallPipeline();
    await startSmallRun(host, 'undisturbed', definition, { reuse: false });
    assert.equal((await finishRun(host, 'undisturbed')).state, 'deployed');
    const expected = await factsOf('undisturbed');

    // A kill in every stage: the worker that has the step, in the middle of it where it lasts that long.
    const victims = new Map<string, 'worker-pipeline' | 'worker-gpu'>([
      ['data', 'worker-pipeline'],
      ['export:tiny', 'worker-pipeline'],
      ['privacy', 'worker-pipeline'],
      // The next worker shows the evidence before a workflow task has committed that it is there: a vote must wait for it.
      ['review-evidence', 'worker-pipeline'],
      ['train', 'worker-gpu'],
      ['export', 'worker-pipeline'],
      ['evaluate', 'worker-pipeline'],
      ['deploy', 'worker-pipeline'],
    ]);
    const killed: string[] = [];
    await startSmallRun(host, 'killed', definition, { reuse: false });
    const view = await finishRun(host, 'killed', async (run) => {
      for (const [step, victim] of victims) {
        const state = run.steps.find(({ id }) => id === step)?.state;
        if (state === undefined || state === 'pending') continue;
        victims.delete(step);
        process.kill(await host.pid(victim), 'SIGKILL');
        killed.push(step);
        return;
      }
    });
    assert.equal(view.state, 'deployed');
    assert.equal(killed.length, 8, `killed in ${killed.join(', ')}`);
    for (const [id, count] of await completions('killed')) assert.equal(count, 1, `${id} completed once`);

    const facts = await factsOf('killed');
    assert.equal(facts.training?.model.digest, expected.training?.model.digest, 'the tuned weights are the same bytes');
    assert.ok(facts.exported && expected.exported);
    assert.deepEqual(
      evaluatedModel({ exported: facts.exported }),
      evaluatedModel({ exported: expected.exported }),
      'so is the exported model',
    );
    assert.equal(facts.data?.dataset.digest, expected.data?.dataset.digest);
    await host.store.audit.verify();
  });

  it('are answered from finished steps for the same inputs, and say so', async () => {
    await startSmallRun(host, 'again', await smallPipeline());
    const view = await finishRun(host, 'again');
    assert.equal(view.state, 'deployed');
    const expensive = view.steps.filter(({ id }) => /^(data|import|export|probe|train|evaluate)/.test(id));
    for (const { id, state } of expensive) assert.equal(state, 'reused', id);
  });

  it('stop training at a cancellation, and keep the checkpoint', async () => {
    const definition = await smallPipeline({
      training: { epochs: 1000, batchSize: 2, checkpoints: { every: '1s' }, earlyStoppingPatience: 0 },
    });
    await startSmallRun(host, 'cancelled', definition);
    const trainers = async (): Promise<string> =>
      promisify(execFile)('pgrep', ['-P', String(await host.pid('worker-gpu')), '-f', 'espalier_trainer'])
        .then(({ stdout }) => stdout.trim())
        .catch(() => '');
    let key: string | undefined;
    let cancelledAt = 0;
    await finishRun(host, 'cancelled', async (run) => {
      const progress = run.progress['train'];
      if (cancelledAt !== 0 || (progress?.done ?? 0) < 20) return;
      key = (await host.store.pointers.list('checkpoints/'))[0];
      if (key === undefined) return;
      assert.notEqual(await trainers(), '');
      cancelledAt = Date.now();
      await cancelRun(host.temporal.client, 'cancelled');
    });
    while ((await trainers()) !== '') {
      // Five seconds on a machine at rest; it would train for many minutes.
      assert.ok(Date.now() - cancelledAt < 240_000, 'the training process is still there');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.equal((await showRun(host.temporal.client, 'cancelled')).state, 'cancelled');
    assert.ok(key !== undefined && (await host.store.pointers.read(key)) !== undefined, 'the checkpoint is kept');
  });

  it('are followed by a watch: drifted traffic shows in the registry and starts a new run where the policy says so', async () => {
    const monitor = { every: '1d', minRows: 100, windowRows: 100, falseAlarmRate: 0.01, onDrift: 'start-run' } as const;
    // In S3, where it can grow: a run on drift that could only repeat the last one is refused.
    const { settings } = host.store;
    const s3 = createS3Client(settings, { ...process.env, ...host.stack.env });
    await s3.send(new PutObjectCommand({ Bucket: settings.bucket, Key: 'incoming/data.csv', Body: smallCsv() }));
    s3.destroy();
    const definition = await smallPipeline({ monitor });
    const data = { ...definition.data, files: [`s3://${settings.bucket}/incoming/data.csv`] };
    await startSmallRun(host, 'watched', { ...definition, data });
    assert.equal((await finishRun(host, 'watched')).state, 'deployed');
    const { client } = host.temporal;
    const { bundle } = await showModel(host.store.store, host.store.pointers, 'small');

    const shifted = Array.from({ length: 120 }, (_, i) => `${'Z'.repeat(1 + (i % 40))} ??? ${'9'.repeat(i % 60)} %%%`);
    for (let i = 0; i < shifted.length; i += 20) await predict(host.servingUrl, 'small', shifted.slice(i, i + 20));
    const recorded = async (): Promise<number> =>
      (await readPredictions(host.store, 'small', bundle.digest, 1000)).length;
    while ((await recorded()) < 120) await new Promise((resolve) => setTimeout(resolve, 200));

    await client.schedule.getHandle('monitor-small-production').trigger();
    let drift = null;
    while (drift === null) {
      await new Promise((resolve) => setTimeout(resolve, 300));
      ({ drift } = await showModel(host.store.store, host.store.pointers, 'small'));
    }
    assert.equal(drift.verdict, 'drift', JSON.stringify(drift.tests));
    const started = async () =>
      (await listRuns(client, { pipeline: 'small' })).find(({ trigger }) => trigger === 'drift');
    while ((await started()) === undefined) await new Promise((resolve) => setTimeout(resolve, 300));
    const run = await started();
    assert.equal(run?.startedBy, 'monitor');
    await cancelRun(client, run?.runId ?? '');
  });

  it('are started, watched, decided on and asked from the command line alone', async () => {
    const env = { ...process.env, ESPALIER_STATE: host.stateDir, ESPALIER_USER: 'tester', NO_COLOR: '1' };
    const run = (...args: string[]): Promise<Ended> => espalier(args, env);
    const json = async <T>(...args: string[]): Promise<T> => JSON.parse((await run('--json', ...args)).stdout) as T;
    const file = join(host.folder, 'pipeline.json');
    await writeFile(join(host.folder, 'data.csv'), smallCsv());
    await writeFile(file, JSON.stringify(await smallPipeline({ deploy: { model: 'by-command' } })));

    const started = await run('run', file, '--id', 'by-command', '--watch');
    assert.equal(started.code, 3, `it waits for an approval\n${started.stderr}`);
    assert.equal((await run('run', file, '--id', 'by-command')).code, 4, 'the id is taken');

    const blind = await run('approvals', 'approve', 'by-command', '--as', 'lena-legal');
    assert.equal(blind.code, 2);
    assert.match(blind.stderr, /nobody looked at the evidence/);
    const inbox = await json<{ runId: string }[]>('approvals', 'list');
    assert.ok(inbox.some(({ runId }) => runId === 'by-command'));
    const shown = await json<{ evidencePath: string }>('approvals', 'show', 'by-command');
    assert.match(await readFile(shown.evidencePath, 'utf8'), /<!doctype html>/i);
    const wrong = await run('approvals', 'approve', 'by-command', '--as', 'omar-product');
    assert.equal(wrong.code, 4);
    assert.match(wrong.stderr, /needs legal/);
    const unexplained = await run('approvals', 'reject', 'by-command', '--as', 'lena-legal');
    assert.match(unexplained.stderr, /needs a comment/);
    assert.equal((await run('approvals', 'approve', 'by-command', '--as', 'lena-legal', '-m', 'fine')).code, 0);

    while (!(await run('approvals', 'show', 'by-command')).stdout.startsWith('release')) {
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    const watching = run('runs', 'watch', 'by-command');
    assert.equal((await run('approvals', 'approve', 'by-command', '--as', 'omar-product')).code, 0);
    const watched = await watching;
    assert.equal(watched.code, 0, watched.stderr);
    assert.match(watched.stderr, /deployed/);

    const late = await run('approvals', 'reject', 'by-command', '--as', 'omar-product', '-m', 'changed my mind');
    assert.equal(late.code, 4);
    assert.match(late.stderr, /closed: approved by omar-product/);
    assert.ok((await json<{ runId: string }[]>('runs', 'list')).some(({ runId }) => runId === 'by-command'));
    assert.equal((await json<{ state: string }>('runs', 'show', 'by-command')).state, 'deployed');
    assert.match(
      (await run('runs', 'show', 'by-command')).stdout,
      /approval release: approved \(product-owner: omar-product\)/,
    );
    assert.ok((await json<{ model: string }[]>('models', 'list')).some(({ model }) => model === 'by-command'));
    assert.match(
      (await run('models', 'show', 'by-command')).stdout,
      /approve: release +omar-product \(product-owner\)/,
    );
    const [prediction] = await json<{ label: string }[]>('predict', 'by-command', 'where is my parcel?');
    assert.ok(['billing', 'delivery', 'account'].includes(prediction?.label ?? ''));
    assert.equal((await run('models', 'show', 'nobody')).code, 5);
    assert.equal((await run('runs', 'show', 'nobody')).code, 5);

    const checks = await json<{ name: string; ok: boolean | 'warn' }[]>('doctor');
    assert.deepEqual(
      checks.filter(({ ok }) => ok === false),
      [],
    );
    assert.ok(
      checks.some(({ name }) => name === 'S3 write once'),
      JSON.stringify(checks.map(({ name }) => name)),
    );
  });
});

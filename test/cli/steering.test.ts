import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ErrorRecord } from '../../artifacts/errors.ts';
import type { Explanation } from '../../client/explain-step.ts';
import type { RunPlan } from '../../client/plan-run.ts';
import { cancelRun, listRuns, runOutcome, showRun, type ShownRun } from '../../client/runs.ts';
import { espalier, type Ended } from '../support/command.ts';
import { finishRun, smallCsv, smallPipeline, startTestHost, stopTestHosts, type TestHost } from '../support/host.ts';

describe('steering a run from the command line', function () {
  this.timeout(1_200_000); // runs on a stack of its own; the limit is for a busy machine
  let host: TestHost;
  let pipeline: string;
  /** A limit that no candidate keeps: `rank` fails, and needs nothing but another limit. */
  const TOO_FAST = 'selection.maxLatencyP95Ms=0.000001';

  before(async () => {
    host = await startTestHost();
    pipeline = join(host.folder, 'pipeline.json');
    const definition = await smallPipeline({
      // Long enough on a fast machine for a checkpoint to be heard of: the server hears once a second.
      training: { epochs: 200, batchSize: 8, checkpoints: { every: '1s' }, earlyStoppingPatience: 0 },
    });
    await writeFile(pipeline, JSON.stringify(definition));
    await writeFile(join(host.folder, 'data.csv'), smallCsv());
  });
  after(stopTestHosts);

  function run(...args: string[]): Promise<Ended> {
    const env = { ...process.env, ESPALIER_STATE: host.stateDir, ESPALIER_USER: 'tester', NO_COLOR: '1' };
    return espalier(args, env);
  }

  async function json<T>(...args: string[]): Promise<T> {
    const { stdout, stderr } = await run(...args, '--json');
    assert.notEqual(stdout, '', stderr);
    return JSON.parse(stdout) as T;
  }

  async function until(runId: string, when: (run: ShownRun) => boolean): Promise<ShownRun> {
    for (;;) {
      const seen = await showRun(host.temporal.client, runId);
      if (when(seen)) return seen;
      assert.notEqual(seen.state, 'failed');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  it('is shown the plan of a run and what it is over, of a prototype too, and nothing is started', async () => {
    const { code, stdout, stderr } = await run('run', pipeline, '--plan', '--set', 'budget.time=1s');
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^STEP +WHAT +TIME +BY$/m);
    assert.match(stdout, /^train +runs +\S+ /m);
    assert.match(stderr, /^budget: 1s$/m);
    assert.match(stderr, /^! .*budget is 1s/m);
    assert.match(stderr, /^nothing was started/m);
    const plan = await json<RunPlan>('run', pipeline, '--prototype', '--plan');
    assert.deepEqual([plan.prototype, plan.over], [true, []]);
    assert.ok(plan.steps.some(({ id, what }) => id === 'subset' && what === 'run'));
    const { stdout: none } = await run('run', pipeline, '--plan', '--set', 'budget.time=0s');
    assert.equal(none, '');
    assert.deepEqual(await listRuns(host.temporal.client), []);
  });

  it('says of a parked step what failed, what to do and how, and ends a watch without a terminal with exit code 7', async () => {
    const { code, stderr, stdout } = await run('run', pipeline, '--id', 'first', '--watch', '--set', TOO_FAST);
    assert.equal(code, 7, stderr);
    assert.match(stderr, /^‖ choose the candidate is parked {2}NoCandidate: /m);
    assert.match(stderr, /^ {2}retry: espalier runs retry first rank/m);
    assert.match(stderr, /^ {2}abort: espalier runs abort first rank$/m);
    assert.equal(stdout, '');
    const watched = await run('runs', 'watch', 'first', '--json');
    assert.equal(watched.code, 7);
    assert.equal((JSON.parse(watched.stdout) as ShownRun).state, 'parked');
    assert.match((await run('runs', 'show', 'first')).stdout, /espalier runs retry first rank/);
    assert.match((await run('runs', 'list')).stdout, /^first +parked /m);
  });

  it('refuses a decision that cannot count, with every mistake or the reason', async () => {
    const wrong = await run(
      'runs',
      'retry',
      'first',
      'rank',
      '--set',
      'data.text=other',
      '--set',
      'training.epochs=-1',
    );
    assert.equal(wrong.code, 2, wrong.stderr);
    assert.match(wrong.stderr, /data\.text: cannot change while a run is under way/);
    const typo = await run('runs', 'retry', 'first', 'rank', '--set', 'selection.maxLatency=5', '--json');
    assert.equal(typo.code, 2);
    const { problems } = JSON.parse(typo.stdout) as { problems: { path: string }[] };
    assert.deepEqual(
      problems.map(({ path }) => path),
      ['selection.maxLatency'],
    );
    const skipped = await run('runs', 'skip', 'first', 'rank');
    assert.equal(skipped.code, 4);
    assert.match(skipped.stderr, /cannot be skipped/);
    const other = await run('runs', 'retry', 'first', 'train');
    assert.equal(other.code, 4);
    assert.match(other.stderr, /'train' is not parked: pending/);
    assert.equal((await run('runs', 'retry', 'nobody', 'rank')).code, 5);
    const alive = await run('runs', 'resume', 'first');
    assert.equal(alive.code, 4);
    assert.match(alive.stderr, /is alive \(parked\)[^]*espalier runs retry first/);
  });

  it('says why a step that has not finished cannot be explained yet', async () => {
    const parked = await json<Explanation>('runs', 'explain', 'first', 'rank');
    assert.deepEqual([parked.verdict, parked.state, parked.differences], ['open', 'parked', []]);
    assert.match(parked.reason, /waits for an operator: NoCandidate/);
    assert.match((await json<Explanation>('runs', 'explain', 'first', 'train')).reason, /needs approve-review/);
    assert.match((await json<Explanation>('runs', 'explain', 'first', 'snapshot')).reason, /never reused/);
    assert.match((await json<Explanation>('runs', 'explain', 'first', 'data')).reason, /no earlier run/);
    const { code, stderr } = await run('runs', 'explain', 'first', 'trian');
    assert.equal(code, 5);
    assert.match(stderr, /its steps are snapshot, data/);
  });

  it('retries with a changed setting, and a cancelled run is resumed with what was changed and what was finished', async () => {
    const set = ['--set', 'selection.maxLatencyP95Ms=60000'];
    const retried = await run('runs', 'retry', 'first', 'rank', ...set, '-m', 'the limit was a typo');
    assert.equal(retried.code, 0, retried.stderr);
    await until('first', ({ state }) => state === 'waiting-for-approval');
    assert.match(
      (await run('runs', 'show', 'first')).stdout,
      /rank: retry selection\.maxLatencyP95Ms=60000 by tester at .*: the limit was a typo/,
    );
    assert.equal((await run('runs', 'cancel', 'first')).code, 0);
    await until('first', ({ state }) => state === 'cancelled');
    const again = await run('runs', 'cancel', 'first');
    assert.equal(again.code, 4);
    const late = await run('runs', 'retry', 'first', 'rank');
    assert.equal(late.code, 4);
    assert.match(late.stderr, /has ended \(cancelled\)[^]*espalier runs resume first/);

    const resumed = await run('runs', 'resume', 'first', '--id', 'second', '--watch');
    assert.equal(resumed.code, 3, resumed.stderr);
    const { steps } = await showRun(host.temporal.client, 'second');
    const selected = steps.filter(({ id }) => /^(data|resolve:|import:|export:|probe:|rank)/.test(id));
    assert.deepEqual(
      selected.filter(({ state }) => state !== 'reused').map(({ id }) => id),
      [],
    );
    const rank = await json<Explanation>('runs', 'explain', 'second', 'rank');
    assert.deepEqual([rank.verdict, rank.computedBy], ['reused', 'first']);
    assert.match(rank.reason, /^reused from run first, computed at 20/);
  });

  it('goes on training from the last checkpoint of the cancelled run', async () => {
    let cancelled = false;
    const view = await finishRun(host, 'second', async ({ progress }) => {
      if (cancelled || progress['train']?.lastCheckpointStep === undefined) return;
      cancelled = true;
      await cancelRun(host.temporal.client, 'second');
    });
    assert.deepEqual([view.state, cancelled], ['cancelled', true]);
    const { runId, resumes } = await json<{ runId: string; resumes: string }>('runs', 'resume', 'second');
    assert.equal(resumes, 'second');
    assert.equal((await finishRun(host, runId)).state, 'deployed');
    const { report } = await runOutcome(host.temporal.client, runId);
    const file = (await host.store.store.tree(report)).entries.find(({ path }) => path === 'facts.json');
    assert.ok(file);
    const { training } = await host.store.store.getJson<RunFacts>(file.digest);
    assert.ok((training?.resumedAtSteps.at(-1) ?? 0) > 0, `resumed at ${training?.resumedAtSteps.join(', ')}`);
    const refused = await json<{ error: ErrorRecord }>('runs', 'resume', runId);
    assert.match(refused.error.message, /has ended with a result \(deployed\)/);
  });

  it('explains which inputs made a step run anew, and where they came from', async () => {
    await writeFile(join(host.folder, 'data.csv'), smallCsv().replace('message 1 ', 'message one '));
    const third = await run('run', pipeline, '--id', 'third', '--watch', '--set', 'selection.neighbours=3');
    assert.equal(third.code, 3, third.stderr);
    const data = await json<Explanation>('runs', 'explain', 'third', 'data');
    assert.equal(data.verdict, 'computed');
    assert.deepEqual(
      data.differences.map(({ path, origin }) => [path, origin]),
      [['input.files[0].ref', 'file data.csv']],
    );
    const probe = await json<Explanation>('runs', 'explain', 'third', 'probe:tiny');
    const found = new Map(probe.differences.map((one) => [one.path, one]));
    assert.deepEqual([...found.keys()].toSorted(), ['input.dataset', 'input.neighbours']);
    assert.equal(found.get('input.dataset')?.origin, 'step data');
    assert.deepEqual([found.get('input.neighbours')?.from, found.get('input.neighbours')?.to], [5, 3]);
    const { stdout } = await run('runs', 'explain', 'third', 'probe:tiny');
    assert.match(stdout, /^ {2}input\.neighbours: 5 → 3$/m);
    assert.match(stdout, /^ {2}input\.dataset: [0-9a-f]{12} → [0-9a-f]{12} {2}\(from step data\)$/m);
    assert.equal((await json<Explanation>('runs', 'explain', 'third', 'export:tiny')).verdict, 'reused');
  });

  it('ends a run by abort, and parks nothing with --on-failure fail', async () => {
    const parked = await run('run', pipeline, '--id', 'fourth', '--watch', '--set', TOO_FAST);
    assert.equal(parked.code, 7);
    assert.equal((await run('runs', 'abort', 'fourth', 'rank', '-m', 'no')).code, 0);
    const ended = await run('runs', 'watch', 'fourth');
    assert.equal(ended.code, 1, ended.stderr);
    assert.match(ended.stderr, /NoCandidate[^]*espalier runs resume fourth/);
    const failed = await run('run', pipeline, '--id', 'fifth', '--watch', '--set', TOO_FAST, '--on-failure', 'fail');
    assert.equal(failed.code, 1, failed.stderr);
    assert.doesNotMatch(failed.stderr, /is parked/);
  });
});

import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { TrainedModel } from '../../activities/contract/training.ts';
import { deployModel } from '../../activities/deployment/deploy-model.ts';
import type { ReportMaterial } from '../../activities/report/material.ts';
import type { StepRecord } from '../../activities/step.ts';
import { channelKey, type ChannelPointer, type ReleaseRecord } from '../../artifacts/bundle.ts';
import { openSigner } from '../../artifacts/open-signer.ts';
import { PROTOTYPE_FILE } from '../../artifacts/prototype.ts';
import { readTrustedKeys } from '../../artifacts/signing-keys.ts';
import { stepRecordKey } from '../../artifacts/step-records.ts';
import { predict } from '../../client/predict.ts';
import { runOutcome } from '../../client/runs.ts';
import { keyEnvironment } from '../../infra/embedded/signing.ts';
import { espalier, type Ended } from '../support/command.ts';
import { finishRun, smallCsv, smallPipeline, startTestHost, stopTestHosts, type TestHost } from '../support/host.ts';
import { pythonForTests } from '../support/python.ts';

/** Of 126 training rows; rungs are at a third and at all of these. */
const FEWER_ROWS = ['--set', 'prototype.trainRows=60', '--set', 'prototype.measuredRows=20'];
/** One unit an hour, so that money is hours. */
const PRICES = { version: 1, currency: 'EUR', source: 'made up for this test', perHour: { 'espalier-gpu': 1 } };

interface Finished {
  readonly facts: RunFacts;
  readonly evidence: ReportMaterial;
  readonly html: string;
}

describe('a prototype of a run, from the command line', function () {
  this.timeout(1_500_000); // less than a minute of a machine at rest; the limit is for a busy one
  let host: TestHost;
  let file: string;
  let prices: string;
  let whole: Finished;
  let prototype: Finished;

  const command = (...args: string[]): Promise<Ended> =>
    espalier(args, { ...process.env, ESPALIER_STATE: host.stateDir, ESPALIER_USER: 'tester', NO_COLOR: '1' });

  /** Starts it as a user does, approves what it asks, and reads what it left. */
  async function finished(id: string, ...flags: string[]): Promise<Finished> {
    const started = await command('run', file, '--id', id, ...flags);
    equal(started.code, 0, started.stderr);
    await finishRun(host, id);
    const { state, report, reportHtml, reason } = await runOutcome(host.temporal.client, id);
    equal(state, 'deployed', reason);
    const { store } = host.store;
    const { entries } = await store.tree(report);
    const read = async <Value>(path: string): Promise<Value> =>
      store.getJson<Value>(entries.find((entry) => entry.path === path)!.digest);
    return {
      facts: await read<RunFacts>('facts.json'),
      evidence: await read<ReportMaterial>('evidence.json'),
      html: (await store.getBytes(reportHtml)).toString('utf8').replaceAll(/\s+/g, ' '),
    };
  }

  const pointerOf = async (channel: string) =>
    (await host.store.pointers.read<ChannelPointer>(channelKey('small', channel)))!;

  const { ESPALIER_PRICES: pricesBefore } = process.env;
  before(async () => {
    const definition = await smallPipeline();
    prices = await mkdtemp(join(tmpdir(), 'espalier-prices-'));
    process.env['ESPALIER_PRICES'] = join(prices, 'prices.json');
    await writeFile(process.env['ESPALIER_PRICES'], JSON.stringify(PRICES));
    host = await startTestHost();
    file = join(host.folder, 'pipeline.json');
    await writeFile(join(host.folder, 'data.csv'), smallCsv());
    await writeFile(file, JSON.stringify(definition));
    whole = await finished('whole');
    prototype = await finished('prototype', '--prototype', ...FEWER_ROWS);
  });
  after(async () => {
    await stopTestHosts();
    await rm(prices, { recursive: true, force: true });
    if (pricesBefore === undefined) delete process.env['ESPALIER_PRICES'];
    else process.env['ESPALIER_PRICES'] = pricesBefore;
  });

  it('ends in staging, on fewer rows, marked in its evidence, its report and its bundle', async () => {
    const { facts, html } = prototype;
    deepEqual(facts.pipeline.prototype, { trainRows: 60, measuredRows: 20, seed: 7 });
    equal(facts.data?.rows.train, 60);
    ok((whole.facts.data?.rows.train ?? 0) > 100);
    equal((await pointerOf('staging')).value.bundle.digest, facts.bundle?.digest);
    equal((await pointerOf('production')).value.bundle.digest, whole.facts.bundle?.digest);
    match(html, /Made from a small part of the data: no channel called production takes it/);
    const { store } = host.store;
    const text = await readFile(await store.fileInTree(facts.bundle!, PROTOTYPE_FILE), 'utf8');
    match(text, /This is a prototype: made from a small part of the data \(60 training/);
  });

  it('is judged by the gates of the whole run, and goes through its steps and approvals', () => {
    const gates = ({ facts }: Finished) => facts.gates!.gates.map(({ name, threshold }) => [name, threshold]);
    deepEqual(gates(prototype), gates(whole));
    ok(gates(prototype).length > 5);
    // A run of one candidate tries nobody on a part of the rows, unless it is to predict.
    const steps = ({ facts }: Finished) =>
      facts.steps.map(({ id }) => id).filter((id) => !/^(subset|prototype|halve|choose)/.test(id));
    deepEqual(steps(prototype), steps(whole));
    deepEqual(
      prototype.facts.approvals.map(({ approval }) => approval),
      whole.facts.approvals.map(({ approval }) => approval),
    );
  });

  it('predicts what all rows bring and cost, from trainings that are in the store', async () => {
    const { facts, evidence, html } = prototype;
    const [curve] = facts.prototyped!.curves;
    equal(facts.prototyped?.fullRows, whole.facts.data?.rows.train);
    deepEqual(
      curve?.points.map(({ trainRows }) => trainRows),
      [20, 60],
    );
    ok(curve !== undefined);
    for (const { rung, accuracy, seconds } of curve.points) {
      const { key } = facts.steps.find(({ id }) => id === `prototype:tiny:${rung}`)!;
      const record = await host.store.pointers.read<StepRecord<TrainedModel>>(stepRecordKey(key!));
      const { output, startedAt, finishedAt } = record!.value;
      equal(accuracy, output.validationAccuracy);
      equal(seconds, (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000);
    }
    const { trainings, verdict, currency } = evidence.worth!;
    const training = trainings['tiny']!;
    equal(training.seconds, curve.predictedSeconds);
    ok(training.seconds > 0);
    equal(currency, PRICES.currency);
    equal(training.money, training.seconds / 3600);
    ok(verdict !== 'no-curve', 'two rungs are a curve');
    match(html, /Whether (all 1\d\d training rows are|the whole run is) worth|The whole run is (not )?worth its cost/);
  });

  it('is refused for production before it starts, and nothing is started', async () => {
    const refused = await command(
      'run',
      file,
      '--id',
      'to-production',
      '--prototype',
      '--set',
      'deploy.channel=production',
    );
    equal(refused.code, 2, refused.stderr);
    match(refused.stderr, /deploy\.channel: is 'production', and a prototype is never deployed there/);
    equal((await command('runs', 'show', 'to-production')).code, 5);
  });

  it('is refused for production with every approval given', async () => {
    const { store, pointers } = host.store;
    const { release, bundle } = (await pointerOf('staging')).value;
    const record = await store.getJson<ReleaseRecord>(release);
    const asked = { ...record, bundle } as unknown as DeployModelInput;
    const env = { ...process.env, ...keyEnvironment(host.stateDir, process.env).signing };
    const python = { executable: pythonForTests().executable, packages: '' };
    const services = { store, pointers, python, signer: await openSigner(env), trusted: readTrustedKeys(env) };
    const before = await pointerOf('production');
    const deploy = (channel: string) =>
      deployModel({ runId: 'prototype', stepId: 'deploy', input: { ...asked, channel }, reuse: true }, services, {
        signal: new AbortController().signal,
        progress: () => undefined,
      });
    await rejects(deploy('production'), /is a prototype, by the evidence's definition: production takes none/);
    deepEqual(await pointerOf('production'), before);
    // The same votes are good for what they were given on.
    equal((await deploy('staging')).bundle.digest, bundle.digest);
  });

  it('is not served where somebody moves the pointer of production to it', async () => {
    const { pointers } = host.store;
    const texts = ['where is my parcel?'];
    const before = await predict(host.servingUrl, 'small', texts);
    const [staged, produced] = [await pointerOf('staging'), await pointerOf('production')];
    const moved = { ...staged.value, channel: 'production', revision: produced.value.revision + 1 };
    ok(await pointers.replace(channelKey('small', 'production'), moved, produced.version));
    const log = () => readFile(join(host.stateDir, 'logs', 'model-server.log'), 'utf8');
    while (!(await log()).includes('release-refused')) await new Promise((resolve) => setTimeout(resolve, 200));
    match(await log(), /it is a prototype, by the evidence's definition/);
    deepEqual(await predict(host.servingUrl, 'small', texts), before);
  });
});

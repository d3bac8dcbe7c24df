import assert from 'node:assert/strict';
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CheckDriftInput, DriftReport } from '../../activities/contract/monitoring.ts';
import type { SettingChange } from '../../activities/contract/evidence.ts';
import { checkDrift, checkFailed, driftKey, type DriftPointer } from '../../activities/monitoring/check-drift.ts';
import type { ModelOutputs } from '../../activities/monitoring/drift.ts';
import { float32ToBytes } from '../../activities/validation/float32.ts';
import { seededRandom, type Random } from '../../activities/validation/random.ts';
import {
  channelKey,
  type ChannelPointer,
  type PredictionRecord,
  type ReleaseRecord,
  type WithdrawnChannel,
} from '../../artifacts/bundle.ts';
import { writePredictions } from '../../artifacts/predictions.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { MonitorSchema } from '../../pipelines/definition/monitor.ts';
import { TASK_QUEUES } from '../../workflows/messages.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import { fakeActivities, withWorkers } from '../support/workflow.ts';
import { drawTraffic } from './traffic.ts';

const LABELS = ['a', 'b', 'c', 'd'];

describe('a drift check', () => {
  let services: TestStore;
  let bundle: ArtifactRef;
  let runInput: ArtifactRef;
  let minute = 0;
  let random: Random;
  const failed = new Set<string>();
  const watching = {
    signal: new AbortController().signal,
    progress: () => undefined,
    failed: (check: string) => Promise.resolve(failed.has(check)),
  };

  /** A channel of its own for every test: a bundle with reference statistics, and its release. */
  async function deploy(reference: ModelOutputs, changes?: readonly SettingChange[]): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-bundle-'));
    await mkdir(join(folder, 'reference'));
    const { rows, dimension, textLengths } = reference;
    const statistics = {
      version: 1,
      rows,
      dimension,
      labels: LABELS,
      embeddings: 'embeddings.f32',
      probabilities: 'probabilities.f32',
      textLengths,
    };
    await writeFile(join(folder, 'reference/reference.json'), JSON.stringify(statistics));
    await writeFile(join(folder, 'reference/embeddings.f32'), float32ToBytes(reference.embeddings));
    await writeFile(join(folder, 'reference/probabilities.f32'), float32ToBytes(reference.probabilities));
    bundle = await services.store.putTree(folder, 'bundle');
    await rm(folder, { recursive: true });
    runInput = await services.store.putJson({ pipeline: 'intents' }, 'run-input.json');
    const facts = await services.store.putJson(changes === undefined ? {} : { changes }, 'facts.json');
    const release: ReleaseRecord = {
      version: 1,
      model: 'intents',
      channel: 'production',
      runId: 'run-1',
      bundle: bundle.digest,
      previousBundle: null,
      evidence: await services.store.putManifest([{ path: 'facts.json', ref: facts }], 'evidence'),
      approvals: [],
      monitor: {},
      recordText: false,
      runInput,
    };
    const pointer: ChannelPointer = {
      version: 1,
      model: 'intents',
      channel: 'production',
      bundle,
      release: await services.store.putJson(release, 'release.json'),
      revision: 1,
      updatedAt: '2026-01-01T00:00:00.000Z',
    };
    const key = channelKey('intents', 'production');
    await services.pointers.replace(key, pointer, (await services.pointers.read(key))?.version);
  }

  async function serve(
    traffic: ModelOutputs,
    change: (record: PredictionRecord) => PredictionRecord = (record) => record,
  ): Promise<void> {
    const at = new Date(Date.UTC(2026, 0, 2, 0, minute++)).toISOString();
    const records = Array.from({ length: traffic.rows }, (_, row) => {
      const probabilities = [...traffic.probabilities.subarray(row * 4, row * 4 + 4)];
      const embedding = traffic.embeddings.subarray(row * traffic.dimension, (row + 1) * traffic.dimension);
      return change({
        id: `${at}/${row}`,
        at,
        bundle: bundle.digest,
        label: LABELS[probabilities.indexOf(Math.max(...probabilities))]!,
        probabilities,
        embedding: float32ToBytes(embedding).toString('base64'),
        textLength: traffic.textLengths[row]!,
      });
    });
    const [first, ...rest] = records;
    await writePredictions(services, { model: 'intents', bundle: bundle.digest, server: 'test' }, [first!, ...rest]);
  }

  function check(monitor: Partial<CheckDriftInput['monitor']> = {}, runId = 'check-1'): Promise<DriftReport> {
    const settings = MonitorSchema.parse({ minRows: 50, windowRows: 200, falseAlarmRate: 0.02, ...monitor });
    const input = { model: 'intents', channel: 'production', monitor: settings };
    const call = { runId, stepId: 'check-drift', reuse: false, input };
    return checkDrift(call, services, watching);
  }

  beforeEach(async () => {
    failed.clear();
    services = await withStore();
    random = seededRandom(1);
    await deploy(drawTraffic(150, random));
  });

  it('finds no drift in usual traffic, and keeps a report that says how it was judged', async () => {
    await serve(drawTraffic(120, random));
    const report = await check();
    assert.equal(report.verdict, 'no-drift');
    assert.deepEqual(
      report.tests.map(({ name }) => name),
      ['embedding', 'class-probabilities', 'predicted-labels', 'text-length'],
    );
    assert.equal(report.rows, 120);
    assert.equal(report.startRun, null);
    const kept = await services.store.getJson<Record<string, unknown>>(report.report);
    assert.deepEqual(kept['tests'], report.tests);
    assert.deepEqual(kept['comparedRows'], { reference: 150, window: 120 });
    assert.deepEqual([kept['permutations'], kept['unusableRows'], kept['falseAlarmRate']], [999, 0, 0.02]);
    const pointer = await services.pointers.read<DriftPointer>(driftKey('intents', 'production'));
    assert.deepEqual(pointer?.value, { version: 1, ...report, started: null });
  });

  it('finds drift in the newest window although older traffic was usual', async () => {
    await serve(drawTraffic(300, random));
    await serve(drawTraffic(200, random, { shift: 1.5 }));
    const report = await check();
    assert.equal(report.verdict, 'drift');
    assert.equal(report.rows, 200);
    assert.equal(report.windowFrom, report.windowTo);
    assert.ok(report.tests.find(({ name }) => name === 'embedding')?.alarm);
    assert.equal(report.startRun, null, 'the policy is to report');
  });

  it('decides nothing on too few predictions', async () => {
    const empty = await check();
    assert.deepEqual([empty.verdict, empty.rows, empty.windowFrom, empty.tests], ['not-enough-data', 0, null, []]);
    await serve(drawTraffic(49, random, { shift: 3 }));
    const report = await check({ onDrift: 'start-run' });
    assert.deepEqual([report.verdict, report.rows, report.startRun], ['not-enough-data', 49, null]);
  });

  it('leaves out predictions that are no numbers or of another shape, and says how many', async () => {
    await serve(drawTraffic(60, random));
    const broken: ((record: PredictionRecord) => PredictionRecord)[] = [
      (record) => ({ ...record, embedding: record.embedding.slice(8) }),
      (record) => ({ ...record, probabilities: [1] }),
      (record) => ({ ...record, probabilities: [Number.NaN, 0, 0, 1] }), // null in JSON
      (record) => ({ ...record, embedding: float32ToBytes(new Float32Array(16).fill(Number.NaN)).toString('base64') }),
    ];
    for (const change of broken) await serve(drawTraffic(1, random), change);
    const report = await check();
    assert.equal(report.rows, 60);
    assert.equal((await services.store.getJson<{ unusableRows: number }>(report.report)).unusableRows, 4);
  });

  it('starts one run a bundle where the policy says so, and hands it out again only to a retry of the same check', async () => {
    await serve(drawTraffic(200, random, { shift: 1.5 }));
    const policy = { onDrift: 'start-run' } as const;
    assert.deepEqual((await check(policy, 'check-1')).startRun, runInput);
    assert.deepEqual((await check(policy, 'check-1')).startRun, runInput, 'a retry');
    const second = await check(policy, 'check-2');
    assert.deepEqual([second.verdict, second.startRun], ['drift', null]);
    await deploy(drawTraffic(151, random));
    await serve(drawTraffic(200, random, { shift: 1.5 }));
    assert.deepEqual((await check(policy, 'check-3')).startRun, runInput, 'another bundle');
  });

  it('starts it with the settings that operators changed in the run of the model that drifted', async () => {
    const at = '2026-01-01T00:00:00.000Z';
    const change = { path: 'training.learningRate', from: 5e-5, to: 1e-5, step: 'train', by: 'olga', at };
    const older = { path: 'training.epochs', from: 3, to: 5, step: 'train', by: 'omar', at, run: 'run-0' };
    await deploy(drawTraffic(150, random), [older, change]);
    await serve(drawTraffic(200, random, { shift: 1.5 }));
    const { startRun } = await check({ onDrift: 'start-run' });
    assert.ok(startRun !== null);
    assert.deepEqual(await services.store.getJson(startRun), {
      ...(await services.store.getJson<object>(runInput)),
      changes: [older, { ...change, run: 'run-1' }],
    });
  });

  it('hands the run out again when the check that claimed it failed before starting it, and then only once', async () => {
    await serve(drawTraffic(200, random, { shift: 1.5 }));
    const policy = { onDrift: 'start-run' } as const;
    assert.deepEqual((await check(policy, 'check-1')).startRun, runInput);
    assert.equal((await check(policy, 'check-2')).startRun, null, 'check-1 is at it');
    failed.add('check-1');
    assert.deepEqual((await check(policy, 'check-3')).startRun, runInput, 'check-1 has failed');
    assert.equal((await check(policy, 'check-4')).startRun, null, 'check-3 is at it');
    const pointer = await services.pointers.read<DriftPointer>(driftKey('intents', 'production'));
    assert.deepEqual(pointer?.value.started, { bundle: bundle.digest, by: 'check-3' });
  });

  it('lets only one of two simultaneous checks start the run', async () => {
    await serve(drawTraffic(200, random, { shift: 1.5 }));
    const reports = await Promise.all(['check-1', 'check-2'].map((runId) => check({ onDrift: 'start-run' }, runId)));
    assert.equal(reports.filter(({ startRun }) => startRun !== null).length, 1);
  });

  it('says that nothing is deployed where the only release was taken back, and why', async () => {
    const key = channelKey('intents', 'production');
    const found = await services.pointers.read<ChannelPointer>(key);
    assert.ok(found !== undefined);
    const { bundle: _, release, ...rest } = found.value;
    const withdrawn: WithdrawnChannel = { ...rest, undid: release, withdrawn: 'the server refused it' };
    await services.pointers.replace(key, withdrawn, found.version);
    await assert.rejects(check(), {
      kind: 'NotFound',
      where: key,
      message: /nothing is deployed as 'intents' in channel 'production': it was withdrawn \(the server refused it\)/,
    });
  });

  it('says what is wrong when nothing is deployed, or the reference contradicts itself', async () => {
    const missing = checkDrift(
      {
        runId: 'r',
        stepId: 's',
        reuse: false,
        input: { model: 'nobody', channel: 'production', monitor: MonitorSchema.parse({}) },
      },
      services,
      watching,
    );
    await assert.rejects(missing, { kind: 'NotFound', where: channelKey('nobody', 'production') });
    await deploy({ ...drawTraffic(20, random), rows: 21 });
    await assert.rejects(check(), { kind: 'Corrupt', where: 'reference/embeddings.f32' });
  });
});

describe('a check that claimed a run', () => {
  it('has failed when its workflow ended otherwise than by completing; one that runs or is unknown has not', async () => {
    const server = await temporalForTests();
    const { client, close } = await server.connect();
    try {
      const input = { model: 'intents', channel: 'production', monitor: MonitorSchema.parse({}) };
      const start = (workflowId: string) =>
        client.workflow.start('watchModel', { workflowId, taskQueue: TASK_QUEUES.orchestration, args: [input] });
      const [running, terminated] = [await start('check-running'), await start('check-terminated')];
      await terminated.terminate('test');
      assert.equal(await checkFailed(client, running.workflowId), false);
      assert.equal(await checkFailed(client, terminated.workflowId), true);
      assert.equal(await checkFailed(client, 'check-unknown'), false);
      const report = { startRun: null, model: 'intents' } as DriftReport;
      const { activities } = fakeActivities({ checkDrift: () => Promise.resolve(report) });
      await withWorkers(server.address, activities, () => running.result());
      assert.equal(await checkFailed(client, running.workflowId), false, 'it has completed');
    } finally {
      await close();
    }
  });
});

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { probeEncoder } from '../../activities/selection/probe-encoder.ts';
import { hardware, machine, profileEncoder } from '../../activities/selection/profile-encoder.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';

interface Row {
  readonly text: string;
  readonly label: string;
}

describe('measuring an encoder', function () {
  this.timeout(120_000);
  let root: string;
  let services: ActivityServices;
  let encoder: ArtifactRef;
  let dataset: ArtifactRef;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'espalier-measures-'));
    const { store, pointers } = await withStore();
    services = { store, pointers, python: pythonForTests() };
    await writeTinyOnnx(join(root, 'encoder'), 'encoder');
    encoder = await store.putTree(join(root, 'encoder'), 'encoder');
    // The tiny graph's embedding holds the mean token id: 'i' and 'store' lie far apart, so the labels can be told.
    const rows = Array.from({ length: 40 }, (_, at): Row =>
      at % 2 === 0
        ? { text: 'i '.repeat(1 + (at % 7)), label: 'low' }
        : { text: 'stock sold out '.repeat(1 + (at % 5)), label: 'high' },
    );
    dataset = await datasetOf(rows.slice(0, 30), rows.slice(30), ['low', 'high']);
  });
  after(() => rm(root, { recursive: true, force: true }));

  async function datasetOf(
    train: readonly Row[],
    validation: readonly Row[],
    labels: readonly string[],
  ): Promise<ArtifactRef> {
    const folder = await mkdtemp(join(root, 'dataset-'));
    const lines = (rows: readonly Row[]): string =>
      rows.map((row, at) => `${JSON.stringify({ id: `${at}`.padStart(16, '0'), ...row })}\n`).join('');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'labels.json'), JSON.stringify(labels));
    await writeFile(join(folder, 'train.jsonl'), lines(train));
    await writeFile(join(folder, 'validation.jsonl'), lines(validation));
    await writeFile(join(folder, 'test.jsonl'), '');
    return services.store.putTree(folder, 'dataset');
  }

  it('scores kNN and linear probe on validation, with intervals, and keeps the probe', async () => {
    const input = { encoder, dataset, neighbours: 3, seed: 7 };
    const probed = await runStep(probeEncoder, input, services);
    assert.equal(probed.linearAccuracy.value, 1);
    assert.equal(probed.knnAccuracy.value, 1);
    assert.equal(probed.linearMacroF1.value, 1);
    assert.equal(probed.linearAccuracy.rows, 10);
    // Wilson's interval of 10 of 10 at 95 %: scipy.stats.binomtest(10, 10).proportion_ci(method='wilson').
    assert.ok(Math.abs((probed.linearAccuracy.interval?.low ?? NaN) - 0.722467) < 1e-5);
    const kept = await services.store.getJson<{ labels: string[]; weights: number[][]; bias: number[]; l2: number }>(
      probed.probe,
    );
    assert.deepEqual(kept.labels, ['low', 'high']);
    assert.deepEqual([kept.weights.length, kept.weights[0]?.length, kept.bias.length], [2, 3, 2]);
    assert.equal((await runStep(probeEncoder, input, services)).probe.digest, probed.probe.digest);
  });

  it('says of the training rows what folds, LogME and the tokenizer say, the same each time', async () => {
    const input = { encoder, dataset, neighbours: 3, seed: 7 };
    const { crossValidated, logme, domain } = await runStep(probeEncoder, input, services);
    assert.deepEqual([crossValidated?.value, crossValidated?.rows, crossValidated?.folds], [1, 30, 3]);
    assert.ok(logme?.interval != null && logme.interval.low < logme.interval.high);
    assert.ok(domain?.input === 'text' && domain.rows === 30);
    assert.ok(domain.distance !== null && domain.tokensPerWord !== null && domain.tokensPerWord >= 1);
    const again = await runStep(probeEncoder, input, services);
    assert.deepEqual([again.logme, again.domain], [logme, domain]);
  });

  it('asks training rows of the others where what neighbours find decides, and nowhere else', async () => {
    const input = { encoder, dataset, neighbours: 3, seed: 7 };
    const { knnLeaveOneOut } = await runStep(probeEncoder, { ...input, leaveOneOut: true } as const, services);
    assert.deepEqual([knnLeaveOneOut?.value, knnLeaveOneOut?.rows], [1, 30]);
    assert.equal((await runStep(probeEncoder, input, services)).knnLeaveOneOut, undefined);
  });

  it('embeds a draw of many training rows, and says of how many', async () => {
    const many = Array.from({ length: 700 }, (_, at): Row =>
      at % 2 === 0
        ? { text: 'i '.repeat(1 + (at % 7)), label: 'low' }
        : { text: 'stock sold out '.repeat(1 + (at % 5)), label: 'high' },
    );
    const large = await datasetOf(many, many.slice(0, 20), ['low', 'high']);
    const asked = { encoder, dataset: large, neighbours: 3, seed: 7, draw: true } as const;
    const probed = await runStep(probeEncoder, asked, services);
    const { fittedOn, crossValidated, domain, linearAccuracy } = probed;
    assert.deepEqual(fittedOn, { rows: 500, of: 700 });
    assert.deepEqual([crossValidated?.rows, domain?.rows, linearAccuracy.rows], [500, 500, 20]);
    assert.deepEqual((await services.store.getJson<typeof probed>(probed.probe)).fittedOn, fittedOn);
    // All of them where nobody asks for a draw, and where there are few.
    const { draw: _, ...whole } = asked;
    for (const [input, rows] of [
      [whole, 700],
      [{ ...asked, dataset }, 30],
    ] as const) {
      const all = await runStep(probeEncoder, input, services);
      assert.deepEqual([all.fittedOn, all.domain?.rows], [undefined, rows]);
    }
  });

  it('measures latency, size and memory in a process of its own', async () => {
    const profile = await runStep(profileEncoder, { encoder, dataset, maxLength: 32 }, services);
    const { latency } = profile;
    assert.ok(latency.runs >= 100 && latency.warmupRuns === 20, JSON.stringify(latency));
    assert.ok(latency.p50Ms > 0 && latency.p50Ms <= latency.p95Ms && latency.p95Ms < 60_000, JSON.stringify(latency));
    assert.ok(profile.memoryMb > 0 && profile.memoryMb < 500, `${profile.memoryMb} MB`);
    const sizes = (await services.store.tree(encoder)).entries.map((entry) => entry.size);
    assert.equal(profile.sizeMb, sizes.reduce((sum, size) => sum + size, 0) / 1e6);
    assert.deepEqual(profile.hardware, machine());
    assert.deepEqual({ ...profile.hardware, memoryMb: undefined }, { ...hardware(), memoryMb: undefined });
    assert.match(profile.hardware.runtime, /^onnxruntime-node 1\.\d+\.\d+$/);
  });

  it('reports what the measuring process found wrong, by its kind', async () => {
    const broken = join(root, 'broken');
    await writeTinyOnnx(broken, 'encoder');
    await writeFile(join(broken, 'model.onnx'), 'no graph');
    const tree = await services.store.putTree(broken, 'broken');
    await assert.rejects(runStep(profileEncoder, { encoder: tree, dataset, maxLength: 32 }, services), {
      kind: 'BadModel',
      message: /model\.onnx/,
    });
    await assert.rejects(runStep(profileEncoder, { encoder, dataset, maxLength: 64 }, services), {
      kind: 'BadModel',
      message: /32 tokens, not for 64/,
    });
  });

  it('ends the measuring process at an abort', async () => {
    const abort = new AbortController();
    const stopped = runStep(profileEncoder, { encoder, dataset, maxLength: 32 }, services, {
      signal: abort.signal,
      // Its process begins then; loading its libraries alone takes longer than this, on any machine.
      onProgress: ({ phase }) => phase === 'measuring' && setTimeout(() => abort.abort(), 30),
    });
    await assert.rejects(stopped, /abort|timeout/i);
  });

  it('[real-data] finds in a real encoder about the accuracy that was found by hand', async function () {
    const data = process.env['ESPALIER_TEST_DATA'] ?? this.skip();
    const lines = (await readFile(join(data, 'datasets/trec6/train.jsonl'), 'utf8')).trim().split('\n');
    const all = lines.map((line) => JSON.parse(line) as { text: string; label: unknown });
    const rows = all.map(({ text, label }): Row => ({ text, label: JSON.stringify(label) })).slice(0, 1400);
    const labels = [...new Set(rows.map((row) => row.label))].toSorted();
    const trec = await datasetOf(rows.slice(0, 1000), rows.slice(1000), labels);
    const model = await services.store.putTree(join(data, 'models/derived/minilm-tiny-l4-h128-v8k'), 'tiny');
    const exported = await runStep(exportEncoder, { model, layers: null, pooling: 'mean', maxLength: 64 }, services);
    const probed = await runStep(
      probeEncoder,
      { encoder: exported.encoder, dataset: trec, neighbours: 5, seed: 7 },
      services,
    );
    // By hand (facts: 1000–2000 training texts, another 400 held out): 0.735, noise ±0.02; chance is about 0.2.
    const accuracy = probed.linearAccuracy.value ?? 0;
    assert.ok(accuracy > 0.66 && accuracy < 0.83, `${accuracy}`);
    assert.ok((probed.knnAccuracy.value ?? 0) > 0.5, `${probed.knnAccuracy.value}`);
  });
});

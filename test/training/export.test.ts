import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ExportedEncoder } from '../../activities/contract/selection.ts';
import { exportClassifier } from '../../activities/training/export-classifier.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { maxAbsoluteDifference, requireSameClasses } from '../../activities/training/parity.ts';
import { argmaxRows } from '../../activities/validation/metrics.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { TextModel } from '../../inference/text-model.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { tinyModel } from '../support/tiny-model.ts';
import { LABELS, runTasks, temporaryFolder, trainTask } from './fixtures.ts';

describe('the export steps', function () {
  this.timeout(180_000);
  let storage: TestStore;
  let services: ActivityServices;
  let tiny: ArtifactRef;
  let encoder: ExportedEncoder;

  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
    tiny = await storage.store.putTree(await tinyModel(), 'tiny');
    encoder = await runStep(exportEncoder, { model: tiny, layers: null, pooling: 'mean', maxLength: 64 }, services);
  });
  after(() => storage.close());

  it('give an encoder that says in Node what it said in PyTorch', () => {
    assert.ok(encoder.parityMaxAbs < 1e-4, `differs by ${encoder.parityMaxAbs}`);
    assert.equal(encoder.dimension, 32);
    assert.deepEqual([encoder.layers, encoder.modelType], [2, 'bert']);
    assert.ok(encoder.sizeBytes > encoder.parameters * 4);
  });

  it('give the same bytes again, and no path of the machine in them', async () => {
    const again = await runStep(exportEncoder, { model: tiny, layers: null, pooling: 'mean', maxLength: 64 }, services);
    assert.deepEqual([again.encoder.digest, again.weights.digest], [encoder.encoder.digest, encoder.weights.digest]);
    const onnx = await readFile(await storage.store.fileInTree(encoder.encoder, 'model.onnx'), 'latin1');
    const config = await readFile(await storage.store.fileInTree(encoder.weights, 'config.json'), 'latin1');
    assert.doesNotMatch(onnx + config, /site-packages|espalier-test-|\.py\b/);
  });

  it('keep the first layers only when asked to, in the graph and in the weights', async () => {
    const short = await runStep(exportEncoder, { model: tiny, layers: 1, pooling: 'cls', maxLength: 64 }, services);
    assert.ok(short.parityMaxAbs < 1e-4);
    assert.equal(short.layers, 1);
    assert.ok(short.parameters < encoder.parameters && short.sizeBytes < encoder.sizeBytes);
    const weights = await readFile(await storage.store.fileInTree(short.weights, 'model.safetensors'), 'latin1');
    assert.match(weights, /encoder\.layer\.0\./);
    assert.doesNotMatch(weights, /encoder\.layer\.1\.|pooler/);
  });

  it('refuse more layers than the model has', () =>
    assert.rejects(runStep(exportEncoder, { model: tiny, layers: 3, pooling: 'cls', maxLength: 64 }, services), {
      name: 'BadModel',
      message: /layers is 3, but the model has 2/,
    }));

  const METHODS = ['full', 'lora'] as const;
  const trained: Partial<Record<(typeof METHODS)[number], string>> = {};
  before(async () => {
    const tasks = await Promise.all(
      METHODS.map(async (method) => trainTask(await temporaryFolder(), { method, epochs: 1 })),
    );
    await runTasks(tasks);
    for (const [index, method] of METHODS.entries()) trained[method] = join(tasks[index]?.out ?? '', 'model');
  });
  for (const method of METHODS) {
    it(`give a classifier with probabilities, logits and embedding (${method})`, async () => {
      const model = await storage.store.putTree(trained[method] ?? '', 'trained');
      const { classifier, parityMaxAbs } = await runStep(exportClassifier, { model }, services);
      assert.ok(parityMaxAbs < 1e-4, `differs by ${parityMaxAbs}`);
      const folder = join(await temporaryFolder(), 'classifier');
      await storage.store.checkout(classifier, folder);
      const loaded = await TextModel.load(folder);
      try {
        assert.ok(loaded.config.kind === 'classifier');
        assert.deepEqual(loaded.config.labels, LABELS);
        const { probabilities, embeddings } = await loaded.run(['where is my parcel', '', 'x'.repeat(10_000)]);
        assert.equal(embeddings.length, 3 * 32);
        for (let row = 0; row < 3; row++) {
          const sum = probabilities?.subarray(row * 3, row * 3 + 3).reduce((total, value) => total + value, 0);
          assert.ok(Math.abs((sum ?? 0) - 1) < 1e-5);
        }
      } finally {
        await loaded.release();
      }
    });
  }

  it('calibrate a classifier on validation rows: the same labels, other probabilities, still PyTorch’s', async () => {
    const model = await storage.store.putTree(trained.full ?? '', 'trained');
    const folder = await temporaryFolder();
    const rows = Array.from({ length: 60 }, (_, row) =>
      JSON.stringify({ id: String(row), text: `message ${row} about my parcel`, label: LABELS[row % 3] }),
    );
    await writeFile(join(folder, 'validation.jsonl'), `${rows.join('\n')}\n`);
    const dataset = await storage.store.putTree(folder, 'dataset');
    const plain = await runStep(exportClassifier, { model }, services);
    const calibrated = await runStep(exportClassifier, { model, dataset }, services);
    assert.equal(plain.temperature, 1);
    assert.ok(calibrated.temperature !== 1 && calibrated.parityMaxAbs < 1e-4, JSON.stringify(calibrated));
    const answers = await Promise.all(
      [plain, calibrated].map(async ({ classifier }, index) => {
        const at = join(folder, String(index));
        await storage.store.checkout(classifier, at);
        const loaded = await TextModel.load(at);
        const { probabilities } = await loaded.run(['where is my parcel', 'hello']);
        await loaded.release();
        return probabilities!;
      }),
    );
    assert.notDeepEqual(answers[0], answers[1]);
    assert.deepEqual(argmaxRows(answers[0]!, 3), argmaxRows(answers[1]!, 3));
  });

  it('refuse a classifier whose weights are not all there', async () => {
    await assert.rejects(runStep(exportClassifier, { model: encoder.weights }, services), {
      name: 'BadModel',
      message: /espalier\.json is unusable/,
    });
  });
});

describe('the parity measure', () => {
  for (const [title, expected, actual, difference] of [
    [
      'is the largest absolute difference',
      [
        [1, 2],
        [3, 4],
      ],
      [1, 2.5, 3, 3.75],
      0.5,
    ],
    ['is infinite when a number is missing', [[1, 2]], [1, NaN], Infinity],
    ['is infinite when the shapes differ', [[1, 2]], [1], Infinity],
    ['is infinite when there is nothing to compare', [], [], Infinity],
  ] as const) {
    it(title, () => assert.equal(maxAbsoluteDifference(expected, Float32Array.from(actual)), difference));
  }

  it('refuses numbers that are near where another class is the highest, and calls equals equal', () => {
    const expected = [
      [0.5, 0.4996, 0.0004],
      [0.1, 0.2, 0.7],
    ];
    const near = Float32Array.of(0.4996, 0.5, 0.0004, 0.1, 0.2, 0.7);
    assert.ok(maxAbsoluteDifference(expected, near) < 1e-3);
    assert.throws(() => requireSameClasses(expected, near), {
      kind: 'BadModel',
      message: /gives 1 of 2 examples another class/,
    });
    requireSameClasses(expected, Float32Array.from(expected.flat()));
    requireSameClasses([[0.5, 0.5]], Float32Array.of(0.4999999, 0.5000001));
  });
});

describe('the trainer package', () => {
  it('passes its own unit tests', async function () {
    this.timeout(900_000); // 80 s of one core; the limit is for a busy machine
    const { executable, packages } = pythonForTests();
    const env = { ...process.env, TINY_MODEL: await tinyModel(), OMP_NUM_THREADS: '1', PYTHONDONTWRITEBYTECODE: '1' };
    const { stderr } = await promisify(execFile)(executable, ['-m', 'unittest', 'discover', '-s', 'tests', '-t', '.'], {
      cwd: packages,
      env,
    });
    assert.match(stderr, /Ran (?:[5-9]\d|\d{3}) tests[^]*\nOK\n/);
  });
});

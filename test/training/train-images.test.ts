import assert from 'node:assert/strict';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';
import type { TrainImageInput } from '../../activities/contract/training.ts';
import { probeEncoder } from '../../activities/selection/probe-encoder.ts';
import { profileEncoder } from '../../activities/selection/profile-encoder.ts';
import { compareModels } from '../../activities/validation/compare-models.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { buildIndex } from '../../activities/retrieval/build-index.ts';
import { attackBySquares } from '../../activities/validation/attack-by-squares.ts';
import { attackGradients } from '../../activities/validation/attack-gradients.ts';
import { judgeGates } from '../../activities/validation/gates.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { exportClassifier } from '../../activities/training/export-classifier.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { trainModel } from '../../activities/training/train-model.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { PICTURE_LABELS, tinyImages } from '../support/tiny-image.ts';
import { writeTinyOnnx } from '../support/tiny-onnx.ts';
import { temporaryFolder, trainingSpec } from './fixtures.ts';

describe('the steps that train on pictures', function () {
  this.timeout(240_000);
  let storage: TestStore;
  let services: ActivityServices;
  let dataset: ArtifactRef;
  let model: string;

  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
    const made = await tinyImages();
    model = made.model;
    dataset = await storage.store.putTree(await datasetOf(made.data), 'dataset');
  });
  after(() => storage.close());

  const input = (weights: ArtifactRef, method: 'full' | 'head'): TrainImageInput => {
    const rates = { learningRate: 5e-5, headLearningRate: 1e-3 };
    const training = trainingSpec({ method, epochs: 1, batchSize: 8, earlyStoppingPatience: 2, ...rates });
    return { task: 'image-classification', weights, dataset, labels: PICTURE_LABELS, augmentation: null, training };
  };

  it('tune a stock model whole, calibrate what comes of it and evaluate it as it will be served', async () => {
    const encode = {
      task: 'image-classification',
      model: await storage.store.putTree(model, 'm'),
      frozen: false,
    } as const;
    const { encoder, weights } = await runStep(exportEncoder, encode, services);
    const profile = await runStep(profileEncoder, { encoder, dataset }, services);
    assert.ok(profile.latency.p50Ms > 0 && profile.latency.runs >= 1 && profile.sizeMb > 0);
    const probe = await runStep(probeEncoder, { encoder, dataset, neighbours: 3, seed: 7 }, services);
    assert.equal(probe.linearAccuracy.rows, 15);
    const trained = await runStep(trainModel, input(weights, 'full'), services);
    assert.ok(trained.steps >= 5 && trained.validationAccuracy !== null);
    const made = await runStep(
      exportClassifier,
      { task: 'image-classification', model: trained.model, dataset },
      services,
    );
    assert.ok(made.parityMaxAbs < 1e-4, `differs by ${made.parityMaxAbs}`);
    const evaluated = await runStep(
      evaluateModel,
      {
        classifier: made.classifier,
        dataset,
        baseline: { encoder, probe: probe.probe },
        exportParityMaxAbs: made.parityMaxAbs,
        seed: 7,
      },
      services,
    );
    const { measures, edgeInputs, diagnosis } = evaluated;
    assert.deepEqual(
      edgeInputs.filter(({ ok }) => !ok),
      [],
    );
    // The test split is the validation split, and the probe was scored on it: in Node as in training.
    assert.equal(measures.accuracy.value, trained.validationAccuracy);
    assert.equal(evaluated.baselineAccuracy.value, probe.linearAccuracy.value);
    assert.equal(measures.validationTestGap?.value, 0);
    assert.equal(evaluated.trivial?.map(({ kind }) => kind).join(), 'nearest neighbours by pixels,most frequent label');
    assert.equal(measures.flipRate.rows, 15);
    assert.equal(measures.corruptionDrop?.rows, 15);
    assert.ok((measures.patchFlips?.rows ?? 0) >= 3, JSON.stringify(measures.patchFlips));
    assert.equal(diagnosis?.corruptions?.length, 10);
    assert.ok(measures.latencyP95Ms.value !== null && measures.sizeMb.value !== null);
    assert.match(measures.giveawayWord?.notApplicable ?? '', /no texts/);
    assert.equal(diagnosis?.giveaway, undefined);
    const { predictions } = await storage.store.getJson<{ predictions: readonly object[] }>(evaluated.details);
    assert.deepEqual([predictions.length, predictions.some((row) => 'text' in row)], [15, false]);
    const { gates } = judgeGates(measures, GatesSchema.parse({}));
    assert.equal(gates.find(({ name }) => name === 'giveawayWord')?.verdict, 'off');

    // As it was trained, attacked through its gradients: without an attack right as often as the exported one.
    const spec = { epsilonLevels: 128, steps: 4, pictures: 20 };
    const asked = { model: trained.model, dataset, attack: spec, seed: 7, threads: 1 };
    const attacked = await runStep(attackGradients, asked, services);
    assert.deepEqual([attacked.accuracy.value, attacked.accuracy.rows], [measures.accuracy.value, 15]);
    assert.deepEqual(attacked.attack, { ...spec, stepLevels: 80 });
    const right = Math.round(15 * (measures.accuracy.value ?? 0));
    assert.deepEqual([attacked.measures.fgsmRobustness.rows, attacked.measures.pgdRobustness.rows], [right, right]);
    const told = (await storage.store.getBytes(attacked.details)).toString().trim().split('\n');
    const answers = told.map((line) => JSON.parse(line) as { rowId: string; clean: string; pgd: string });
    assert.deepEqual(
      answers.map(({ rowId }) => rowId),
      Array.from({ length: 15 }, (_, row) => `test-${row}`),
    );
    assert.ok(
      answers.some(({ clean, pgd }) => clean !== pgd),
      told.join('\n'),
    );

    // As finders, the stock encoder and the tuned one: through the weights as many find their label first as through the graph.
    for (const [loaded, served] of [
      [weights, encoder],
      [trained.model, made.classifier],
    ] as const) {
      const { index } = await runStep(buildIndex, { model: served, dataset, seed: 3 }, services);
      const found = await runStep(attackGradients, { ...asked, model: loaded, index }, services);
      const questions = { epsilonLevels: 128, pictures: 20, queries: 10 };
      const bySquares = { model: served, index, dataset, attack: questions, seed: 7, threads: 1 };
      const { accuracy } = await runStep(attackBySquares, bySquares, services);
      assert.deepEqual([found.accuracy.value, found.accuracy.rows], [accuracy.value, 15]);
      assert.ok((accuracy.value ?? 0) > 0.5 && (found.measures.pgdRobustness.value ?? 1) < 1);
      assert.equal(found.withoutGradient, 0);
    }
    // In production: the same model in other bytes, and one of texts.
    const folder = join(await temporaryFolder(), 'production');
    await storage.store.checkout(made.classifier, folder);
    const file = join(folder, 'classifier.json');
    await writeFile(file, `${await readFile(file, 'utf8')} `);
    const words = join(await temporaryFolder(), 'words');
    await writeTinyOnnx(words, 'classifier');
    const compare = async (production: string) => {
      const classifier = await storage.store.putTree(production, 'production');
      const candidate = { classifier: made.classifier, evaluation: evaluated.details };
      const asked = { production: { bundle, classifier, dataset }, candidate, dataset, seed: 7 };
      return runStep(compareModels, asked, services);
    };
    const bundle = made.classifier.digest;
    const same = await compare(folder);
    assert.ok(same.comparable, 'they can be compared');
    assert.deepEqual([same.rows, same.won, same.lost, same.accuracy.difference.value], [15, 0, 0, 0]);
    assert.ok(same.latency.production.p50Ms > 0 && same.latency.candidate.p50Ms > 0);
    const other = await compare(words);
    assert.ok(!other.comparable && other.reason.includes('takes texts'), JSON.stringify(other));
  });

  it('fit a head, the same again, for a backbone that is a graph, and refuse to train that', async () => {
    // The tiny model as others would hand it over: a graph and its preprocessing.
    const encode = {
      task: 'image-classification',
      model: await storage.store.putTree(model, 'm'),
      frozen: true,
    } as const;
    const stock = await runStep(exportEncoder, encode, services);
    const folder = join(await temporaryFolder(), 'graph');
    await storage.store.checkout(stock.encoder, folder);
    const graph = await storage.store.putTree(await onlyGraph(folder), 'graph');
    const { weights, backbone } = await runStep(exportEncoder, { ...encode, model: graph }, services);
    assert.equal(backbone, 'onnx');
    await assert.rejects(runStep(exportEncoder, { ...encode, model: graph, attacked: true as const }, services), {
      name: 'BadModel',
      message: /a graph has no gradients to attack by/,
    });
    await assert.rejects(runStep(trainModel, input(weights, 'full'), services), {
      name: 'BadConfig',
      message: /cannot be trained by method 'full'/,
    });
    const [first, again] = [
      await runStep(trainModel, input(weights, 'head'), services),
      await runStep(trainModel, input(weights, 'head'), services),
    ];
    assert.deepEqual([again.model.digest, again.history.digest], [first.model.digest, first.history.digest]);
    assert.deepEqual([first.exact, first.resumedAtSteps], [{ value: true, reasons: [] }, []]);
    const made = await runStep(
      exportClassifier,
      { task: 'image-classification', model: first.model, dataset },
      services,
    );
    assert.ok(made.parityMaxAbs < 1e-5, `differs by ${made.parityMaxAbs}`);
  });
});

/** The tiny pictures as data preparation leaves them: rows, and a pack a split. */
async function datasetOf(pictures: string): Promise<string> {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'labels.json'), JSON.stringify(PICTURE_LABELS));
  for (const split of ['train', 'validation', 'test']) {
    // There is no third file: what is measured on it here is what the model was chosen by.
    const file = split === 'train' ? split : 'validation';
    const rows = (await readFile(join(pictures, `${file}.jsonl`), 'utf8')).trim().split('\n');
    const archive = pack();
    const writing = pipeline(archive, createWriteStream(join(folder, `${split}.tar`)));
    const lines: string[] = [];
    for (const [index, row] of rows.entries()) {
      const { image, label } = JSON.parse(row) as { image: string; label: string };
      const name = `${split}/${index}${image.slice(-4)}`;
      archive.entry({ name }, await readFile(join(pictures, image)));
      lines.push(JSON.stringify({ id: `${split}-${index}`, image: name, label }));
    }
    archive.finalize();
    await writing;
    await writeFile(join(folder, `${split}.jsonl`), `${lines.join('\n')}\n`);
  }
  return folder;
}

async function onlyGraph(encoder: string): Promise<string> {
  const folder = join(await temporaryFolder(), 'only-graph');
  await mkdir(folder);
  for (const name of ['model.onnx', 'preprocessor_config.json']) await cp(join(encoder, name), join(folder, name));
  return folder;
}

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { probeEncoder } from '../../activities/selection/probe-encoder.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { exportClassifier } from '../../activities/training/export-classifier.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { trainModel } from '../../activities/training/train-model.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { jsonl, prepare } from '../data/fixtures.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { tinyModel } from '../support/tiny-model.ts';
import { runTasks, temporaryFolder, toyRows, trainingSpec, trainTask } from './fixtures.ts';

/** Only the second text says the label; the first is of any label's words. */
const ROWS = toyRows(150, 5).map(({ text, label }, index) => ({
  text: toyRows(150, 9)[(index * 7) % 150]!.text,
  pair: `${text} ${index}`,
  label,
}));

describe('pairs of texts', function () {
  this.timeout(180_000);
  let storage: TestStore;
  let services: ActivityServices;
  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
  });
  after(() => storage.close());

  it('are learnt, calibrated, exported and evaluated through the real steps', async () => {
    const { store } = services;
    const data = await prepare(services, [{ path: 'pairs.jsonl', content: jsonl(ROWS) }], { pair: 'pair' });
    const { dataset, labels } = data;
    const made = { pooling: 'mean', maxLength: 31 } as const;
    const encoder = await runStep(
      exportEncoder,
      { model: await store.putTree(await tinyModel(), 'tiny'), layers: null, ...made },
      services,
    );
    const probed = await runStep(probeEncoder, { encoder: encoder.encoder, dataset, neighbours: 5, seed: 1 }, services);
    const training = trainingSpec({ epochs: 12, learningRate: 3e-3, earlyStoppingPatience: 0 });
    const trained = await runStep(
      trainModel,
      { weights: encoder.weights, dataset, labels, ...made, training },
      services,
    );
    const exported = await runStep(exportClassifier, { model: trained.model, dataset }, services);
    // Pairs are among the texts that Node is held to PyTorch on.
    ok(exported.parityMaxAbs < 1e-4, `differs by ${exported.parityMaxAbs}`);
    const config = await readFile(await store.fileInTree(exported.classifier, 'classifier.json'), 'utf8');
    equal((JSON.parse(config) as { pairs?: boolean }).pairs, true);

    const evaluation = await runStep(
      evaluateModel,
      {
        classifier: exported.classifier,
        dataset,
        baseline: { encoder: encoder.encoder, probe: probed.probe },
        exportParityMaxAbs: exported.parityMaxAbs,
        seed: 3,
      },
      services,
    );
    ok((evaluation.measures.accuracy.value ?? 0) > 0.7, `accuracy ${evaluation.measures.accuracy.value}`);
    const words = evaluation.trivial?.find(({ kind }) => kind.startsWith('TF-IDF'));
    ok((words?.accuracy.value ?? 0) > 0.5, 'the baseline reads the second text, too');
    deepEqual(
      evaluation.edgeInputs.filter(({ ok: answered }) => !answered),
      [],
    );
    const details = await store.getJson<{ predictions: { text?: string; expected: string; predicted: string }[] }>(
      evaluation.details,
    );
    for (const { text, expected, predicted } of details.predictions) {
      equal(text?.split('\n').length, expected === predicted ? undefined : 2);
    }
  });

  it('are refused by the trainer where only some rows have a second text', async () => {
    const task = await trainTask(await temporaryFolder(), { epochs: 1 });
    const mixed = join(await temporaryFolder(), 'train.jsonl');
    const [first, second] = toyRows(2, 1);
    await writeFile(mixed, jsonl([first, { ...second, pair: 'more' }]));
    await rejects(runTasks([{ ...task, train: mixed }]), /train\.jsonl:2 has two texts, the rows before it one/);
  });
});

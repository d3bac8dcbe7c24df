import { deepEqual, equal, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { probeEncoder } from '../../activities/selection/probe-encoder.ts';
import { profileEncoder } from '../../activities/selection/profile-encoder.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { exportClassifier } from '../../activities/training/export-classifier.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { trainModel } from '../../activities/training/train-model.ts';
import { evaluateModel } from '../../activities/validation/evaluate-model.ts';
import { textInput } from '../../inference/texts.ts';
import { ModelPool } from '../../serving/pool.ts';
import { folderSource } from '../support/model-source.ts';
import { jsonl, prepare } from '../data/fixtures.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { temporaryFolder, toyRows, trainingSpec } from './fixtures.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { tinyModel } from '../support/tiny-model.ts';

const FILLER = 'again still please help my is not when why the '.repeat(2);
/** What says the label comes after twenty words that say nothing: beyond what the model reads at once. */
const ROWS = toyRows(150, 5).map(({ text, label }, index) => ({
  text: index % 5 === 0 ? text : `${FILLER}${text} ${text} ${index}`,
  label,
}));

describe('long texts read in windows', function () {
  this.timeout(180_000);
  let storage: TestStore;
  let services: ActivityServices;
  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
  });
  after(() => storage.close());

  for (const pairs of [false, true]) {
    it(`are learnt, exported, evaluated and served alike${pairs ? ', as the second of two' : ''}`, async () => {
      const { store } = services;
      const rows = pairs ? ROWS.map((row, at) => ({ ...row, pair: row.text, text: `why ${at % 7}` })) : ROWS;
      const data = await prepare(
        services,
        [{ path: 'long.jsonl', content: jsonl(rows) }],
        pairs ? { pair: 'pair' } : {},
      );
      const { dataset, labels } = data;
      const made = { pooling: 'mean', maxLength: 16, windows: { overlap: 0.25, most: 10 } } as const;
      const model = await store.putTree(await tinyModel(), 'tiny');
      const encoder = await runStep(exportEncoder, { model, layers: null, ...made }, services);
      ok(encoder.parityMaxAbs < 1e-4, `the encoder differs by ${encoder.parityMaxAbs}`);
      const probed = await runStep(
        probeEncoder,
        { encoder: encoder.encoder, dataset, neighbours: 5, seed: 1 },
        services,
      );
      ok(probed.domain?.input === 'text' && probed.domain.cutTexts === 0);
      ok((probed.domain.windowedTexts ?? 0) > 0.7, `${probed.domain.windowedTexts} read in windows`);
      const training = trainingSpec({ epochs: 20, learningRate: 3e-3, earlyStoppingPatience: 0 });
      const trained = await runStep(
        trainModel,
        { weights: encoder.weights, dataset, labels, ...made, training },
        services,
      );
      const exported = await runStep(exportClassifier, { model: trained.model, dataset }, services);
      // Among the parity texts are some of several hundred tokens.
      ok(exported.parityMaxAbs < 1e-4, `differs by ${exported.parityMaxAbs}`);
      const config = JSON.parse(
        await readFile(await store.fileInTree(exported.classifier, 'classifier.json'), 'utf8'),
      ) as Record<string, unknown>;
      deepEqual(config['windows'], made.windows);

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
      ok((evaluation.measures.accuracy.value ?? 0) > 0.8, `accuracy ${evaluation.measures.accuracy.value}`);
      deepEqual(
        evaluation.edgeInputs.filter(({ ok: answered }) => !answered),
        [],
      );
      if (pairs) return;
      await assertLatencyOfWindows(encoder.encoder, model, dataset);
      const folder = await temporaryFolder();
      await store.checkout(exported.classifier, folder, {});
      const pool = await ModelPool.start(folderSource(folder), {
        workers: 1,
        dimension: encoder.dimension,
        classes: labels.length,
      });
      const { predictions } = await store.getJson<{ predictions: { rowId: string; probability: number }[] }>(
        evaluation.details,
      );
      const asked = (await readFile(await store.fileInTree(dataset, 'test.jsonl'), 'utf8')).trim().split('\n');
      const texts = asked
        .map((line) => (JSON.parse(line) as { text: string }).text)
        .map((text) => textInput(text, undefined));
      const { probabilities } = await pool.run(texts);
      await pool.drain();
      for (const [row, { probability }] of predictions.entries()) {
        const served = Math.max(...probabilities.subarray(row * labels.length, (row + 1) * labels.length));
        ok(Math.abs(served - probability) < 1e-5, `${row}: served ${served}, evaluated ${probability}`);
      }
    });
  }

  /** A candidate's latency is that of its windows. */
  async function assertLatencyOfWindows(
    windowed: Awaited<ReturnType<typeof exportEncoder.run>>['encoder'],
    model: Parameters<typeof exportEncoder.run>[0]['model'],
    dataset: Parameters<typeof profileEncoder.run>[0]['dataset'],
  ): Promise<void> {
    const cut = await runStep(exportEncoder, { model, layers: null, pooling: 'mean', maxLength: 16 }, services);
    const measured = await Promise.all(
      [windowed, cut.encoder].map((encoder) => runStep(profileEncoder, { encoder, dataset, maxLength: 16 }, services)),
    );
    const [slow, fast] = measured.map(({ latency }) => latency.p50Ms);
    ok(slow! > fast!, `${slow} ms in windows, ${fast} ms cut`);
    equal(measured.length, 2);
  }
});

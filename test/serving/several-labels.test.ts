import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { readPredictions } from '../../artifacts/predictions.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { predict } from '../../client/predict.ts';
import { labelsAbove } from '../../inference/labels-above.ts';
import { TextModel } from '../../inference/text-model.ts';
import { MODEL, packageInput, TEXTS, tinyClassifier, withServices } from '../support/bundle.ts';
import { inferBody, startTestServer, until, type TestServer } from '../support/model-server.ts';
import { approvedRelease, deploy } from '../support/release.ts';

describe('a served model of several labels a text', () => {
  const path = `/v2/models/${MODEL}/infer`;
  let thresholds: readonly [number, number];
  let services: ActivityServices;
  let server: TestServer;
  let labels: readonly string[];
  let expected: Float32Array;
  let release: Awaited<ReturnType<typeof approvedRelease>>;

  before(async () => {
    services = await withServices();
    const model = await TextModel.load(await tinyClassifier());
    expected = (await model.runAll(TEXTS)).probabilities!;
    labels = model.config.kind === 'classifier' ? model.config.labels : [];
    await model.release();
    // Some texts get both labels, some the first, some none.
    const sorted = Array.from({ length: TEXTS.length }, (_, row) => expected[row * labels.length]!).toSorted(
      (a, b) => a - b,
    );
    thresholds = [sorted[8]!, 0.999];
    server = await startTestServer(services, { recorder: { flushMs: 50 } });
    const all = labels.map((_, label) => (label === 0 ? thresholds[0] : thresholds[1]));
    release = await approvedRelease(services, { thresholds: all });
    const { serving } = await deploy({ ...services, servingUrl: server.url }, release);
    deepEqual([serving?.checkedRows, serving?.agreement], [16, 1]);
  });
  after(() => server.drain());

  it('says that it gives labels, and from which probability on each applies', async () => {
    const { outputs, parameters } = (await server.get(`/v2/models/${MODEL}`)).json;
    deepEqual(
      outputs.map(({ name }: { name: string }) => name),
      ['labels', 'probabilities'],
    );
    equal((JSON.parse(parameters.thresholds as string) as number[])[0], thresholds[0]);
  });

  it('answers every label that reaches its threshold, and none where none does, with all probabilities', async () => {
    const all = labels.map((_, label) => (label === 0 ? thresholds[0] : thresholds[1]));
    const predictions = await predict(server.url, MODEL, TEXTS);
    for (const [row, { labels: own, probabilities }] of predictions.entries()) {
      const chances = expected.subarray(row * labels.length, (row + 1) * labels.length);
      deepEqual(
        own,
        labelsAbove(chances, all).map((at) => labels[at]),
        `row ${row}`,
      );
      deepEqual(Object.keys(probabilities), labels);
    }
    ok(predictions.some(({ labels: own }) => own?.length === 0));
    ok(predictions.some(({ labels: own }) => own?.length === 1));
  });

  it('refuses to be asked for its one label', async () => {
    const refused = await server.post(path, { ...inferBody(['a']), outputs: [{ name: 'label' }] });
    equal(refused.status, 400);
    match(refused.json.error, /unexpected output 'label': this model gives labels and probabilities/);
  });

  it('records the list of labels', async () => {
    const recorded = () => readPredictions(services, MODEL, release.bundle.digest, 100);
    await until('the predictions are recorded', async () => (await recorded()).length >= TEXTS.length);
    const records = await recorded();
    ok(records.every(({ label }) => Array.isArray(JSON.parse(label))));
  });

  it('is taken back where its probabilities are those of the evaluation, and the labels that apply are not', async () => {
    const all = labels.map((_, label) => (label === 0 ? thresholds[0] : thresholds[1]));
    const { evaluation } = await packageInput(services, { thresholds: all });
    const file = 'reference.json';
    const said = JSON.parse(
      await readFile(await services.store.fileInTree(evaluation.reference, file), 'utf8'),
    ) as object;
    const other = JSON.stringify({ ...said, thresholds: labels.map(() => 0) });
    const otherwise = await approvedRelease(services, {
      thresholds: all,
      bundleFiles: { [`reference/${file}`]: other },
    });
    await rejects(deploy({ ...services, servingUrl: server.url }, otherwise, 'otherwise'), {
      kind: 'BadModel',
      message: /answers 16 of 16 test rows otherwise than was evaluated.*or in a label that applies/,
    });
  });
});

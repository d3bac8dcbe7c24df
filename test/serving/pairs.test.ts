import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import type { PredictionRecord } from '../../artifacts/bundle.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { predict } from '../../client/predict.ts';
import { TextModel } from '../../inference/text-model.ts';
import { encodeBytesTensor } from '../../serving/tensors.ts';
import { MODEL, secondOf, TEXTS, tinyClassifier, withServices } from '../support/bundle.ts';
import { inferBody, startTestServer, until, type TestServer } from '../support/model-server.ts';
import { approvedRelease, deploy } from '../support/release.ts';

describe('a served model of pairs', () => {
  const path = `/v2/models/${MODEL}/infer`;
  const seconds = TEXTS.map(secondOf);
  let services: ActivityServices;
  let server: TestServer;
  let expected: Float32Array;

  before(async () => {
    services = await withServices();
    server = await startTestServer(services, { recorder: { flushMs: 50 } });
    // The deployment itself asks the server about the first test rows, and compares.
    const release = await approvedRelease(services, { pairs: true, recordText: true });
    const { serving } = await deploy({ ...services, servingUrl: server.url }, release);
    deepEqual([serving?.checkedRows, serving?.agreement], [16, 1]);
    const model = await TextModel.load(await tinyClassifier());
    expected = (await model.runAll(TEXTS.map((text, row) => [text, seconds[row]!]))).probabilities!;
    await model.release();
  });
  after(() => server.drain());

  it('is asked for `text` and `pair`, and says so', async () => {
    const { inputs } = (await server.get(`/v2/models/${MODEL}`)).json;
    deepEqual(
      inputs,
      ['text', 'pair'].map((name) => ({ name, datatype: 'BYTES', shape: [-1] })),
    );
    const refused = await server.post(path, inferBody(['alone']));
    equal(refused.status, 400);
    match(refused.json.error, /input 'pair' is missing/);
  });

  it('answers as the model itself does, in JSON and in binary, whichever input comes first', async () => {
    const predictions = await predict(server.url, MODEL, TEXTS, seconds);
    deepEqual([predictions.length, predictions[3]?.text, predictions[3]?.pair], [24, TEXTS[3], seconds[3]]);
    for (const [row, { probabilities }] of predictions.entries()) {
      ok(Math.abs(Object.values(probabilities)[0]! - expected[2 * row]!) < 1e-5, `row ${row}`);
    }
    const [texts, pairs] = [encodeBytesTensor(TEXTS), encodeBytesTensor(seconds)];
    const tensor = (name: string, bytes: Buffer) => {
      return { name, datatype: 'BYTES', shape: [24, 1], parameters: { binary_data_size: bytes.length } };
    };
    const json = Buffer.from(JSON.stringify({ inputs: [tensor('pair', pairs), tensor('text', texts)] }));
    const answer = await server.post(path, Buffer.concat([json, pairs, texts]), {
      'inference-header-content-length': String(json.length),
    });
    equal(answer.status, 200);
    for (const [at, value] of (answer.json.outputs[1].data as number[]).entries()) {
      ok(Math.abs(value - expected[at]!) < 1e-5);
    }
  });

  it('is not asked where the texts make no pairs', () =>
    rejects(predict(server.url, MODEL, ['a', 'b'], ['c']), { kind: 'BadConfig', where: '--pair' }));

  it('has its predictions recorded with the length of both texts, and both where texts are', async () => {
    await predict(server.url, MODEL, ['one more'], ['and 🙂 its second']);
    const bundle = (await server.get(`/v2/models/${MODEL}`)).json.parameters.bundle;
    const find = async (): Promise<PredictionRecord | undefined> =>
      (await readPredictions(services, MODEL, bundle, 1000)).find(({ text }) => text === 'one more');
    await until('the prediction is recorded', async () => (await find()) !== undefined);
    const record = await find();
    deepEqual([record?.pair, record?.textLength], ['and 🙂 its second', 8 + 16]);
  });
});

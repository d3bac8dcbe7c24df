import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import type { PredictionRecord } from '../../artifacts/bundle.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import type { CheckDriftInput, DriftReport } from '../../activities/contract/monitoring.ts';
import { checkDrift } from '../../activities/monitoring/check-drift.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { predict } from '../../client/predict.ts';
import { TextModel } from '../../inference/text-model.ts';
import { MonitorSchema } from '../../pipelines/definition/monitor.ts';
import { encodeBytesTensor } from '../../serving/tensors.ts';
import { MODEL, secondOf, TEXTS, tinyClassifier, withServices } from '../support/bundle.ts';
import { espalier } from '../support/command.ts';
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

  it('is asked on the command line, a --pair a text, and told where one is missing', async () => {
    const ask = (...args: string[]) =>
      espalier(['predict', MODEL, ...args, '--url', server.url], { ...process.env, NO_COLOR: '1' });
    const [first, second] = TEXTS;
    const asked = ['--pair', seconds[0]!, '--pair', seconds[1]!];
    const { code, stdout } = await ask('--json', first!, second!, ...asked);
    equal(code, 0, stdout);
    const predictions = JSON.parse(stdout) as { text: string; pair: string; label: string; probability: number }[];
    deepEqual(
      predictions.map(({ text, pair }) => [text, pair]),
      [
        [first, seconds[0]],
        [second, seconds[1]],
      ],
    );
    for (const [row, { probability }] of predictions.entries()) {
      ok(Math.abs(probability - Math.max(...expected.subarray(2 * row, 2 * row + 2))) < 1e-5);
    }
    const table = await ask(first!, second!, ...asked);
    match(table.stdout, /LABEL +PROBABILITY +TEXT +PAIR/);
    ok(table.stdout.includes(seconds[1]!));
    const alone = await ask('--json', first!);
    deepEqual([alone.code === 0, /input 'pair' is missing/.test(alone.stdout)], [false, true], alone.stdout);
    const uneven = await ask('--json', first!, second!, '--pair', seconds[0]!);
    match(uneven.stdout, /2 texts and 1 second texts make no pairs/);
  });

  it('shows drift where only the second texts change, and none while they do not', async () => {
    const bundle = (await server.get(`/v2/models/${MODEL}`)).json.parameters.bundle;
    const recorded = async () => (await readPredictions(services, MODEL, bundle, 1000)).length;
    const check = async (runId: string): Promise<DriftReport> => {
      const monitor = MonitorSchema.parse({ minRows: 30, windowRows: 48 });
      const input: CheckDriftInput = { model: MODEL, channel: 'production', monitor };
      const watching = { signal: new AbortController().signal, progress: () => undefined, failed: async () => false };
      return checkDrift({ runId, stepId: 'check-drift', reuse: false, input }, services, watching);
    };
    const send = async (pairs: readonly string[]) => {
      const before = await recorded();
      for (let times = 0; times < 2; times++) await predict(server.url, MODEL, TEXTS, pairs);
      await until('the predictions are recorded', async () => (await recorded()) === before + 48);
    };
    await send(seconds);
    const usual = await check('usual');
    deepEqual([usual.verdict, usual.rows], ['no-drift', 48]);
    await send(seconds.map((text) => `${text}, and a good deal more that nobody used to write`));
    const changed = await check('changed');
    deepEqual([changed.verdict, changed.rows], ['drift', 48]);
    ok(changed.tests.find(({ name }) => name === 'embedding')?.alarm, JSON.stringify(changed.tests));
  });
});

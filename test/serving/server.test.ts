import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { deflateSync, gzipSync } from 'node:zlib';
import type { Deployment } from '../../activities/contract/deployment.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import { TextModel } from '../../inference/text-model.ts';
import type { ServedClassifier } from '../../serving/served-model.ts';
import { encodeBytesTensor } from '../../serving/tensors.ts';
import { MODEL, TEXTS, tinyClassifier, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy } from '../support/release.ts';
import { inferBody, startTestServer, until, type TestServer } from '../support/model-server.ts';

describe('the model server', () => {
  let services: ActivityServices;
  let server: TestServer;
  let deployment: Deployment;
  const infer = `/v2/models/${MODEL}/infer`;

  before(async () => {
    services = await withServices();
    deployment = await deploy(services, await approvedRelease(services));
    server = await startTestServer(services, { recorder: { flushMs: 50 } });
    await until('the model is served', async () => (await server.get(`/v2/models/${MODEL}/ready`)).status === 200);
  });
  after(() => server.drain());

  it('answers texts with the labels and probabilities of the model itself', async () => {
    const model = await TextModel.load(await tinyClassifier());
    const { probabilities } = await model.runAll(TEXTS);
    await model.release();
    const { status, json, headers } = await server.post(infer, inferBody(TEXTS, { id: 'mine' }), {
      'x-request-id': 'r-1',
    });
    equal(status, 200);
    equal(headers.get('x-request-id'), 'r-1');
    deepEqual([json.model_name, json.model_version, json.id], [MODEL, '1', 'mine']);
    equal(json.parameters.bundle, deployment.bundle.digest);
    const [label, values] = json.outputs;
    deepEqual([label.shape, label.datatype, values.shape, values.datatype], [[24], 'BYTES', [24, 2], 'FP32']);
    for (const [index, value] of (values.data as number[]).entries()) {
      ok(Math.abs(value - (probabilities?.[index] ?? Number.NaN)) < 1e-5, `probability ${index} is ${value}`);
    }
    deepEqual(
      label.data,
      TEXTS.map((_, row) => (values.data[2 * row] >= values.data[2 * row + 1] ? 'even' : 'odd')),
    );
    equal(new Set(label.data).size > 0, true);
  });

  it('speaks the protocol around inference', async () => {
    deepEqual((await server.get('/v2/health/live')).json, { live: true });
    deepEqual((await server.get('/v2/health/ready')).json, { ready: true });
    const about = (await server.get('/v2')).json;
    deepEqual(
      [about.name, about.extensions, about.channel],
      ['espalier', ['binary_tensor_data', 'model_repository'], 'production'],
    );
    const metadata = (await server.get(`/v2/models/${MODEL}`)).json;
    deepEqual(metadata.versions, ['1']);
    deepEqual(metadata.inputs, [{ name: 'text', datatype: 'BYTES', shape: [-1] }]);
    deepEqual(metadata.outputs[1], { name: 'probabilities', datatype: 'FP32', shape: [-1, 2] });
    equal(metadata.parameters.bundle, deployment.bundle.digest);
    deepEqual(JSON.parse(metadata.parameters.labels), ['even', 'odd']);
    deepEqual((await server.get(`/v2/models/${MODEL}/versions/1`)).json, metadata);
    equal((await server.get(`/v2/models/${MODEL}/versions/1/ready`)).status, 200);
    equal((await server.post(`/v2/models/${MODEL}/versions/1/infer`, inferBody(['a']))).status, 200);
    deepEqual((await server.post('/v2/repository/index', {})).json, [
      { name: MODEL, version: '1', state: 'READY', reason: '' },
    ]);
    const head = await fetch(`${server.url}/v2/health/live`, { method: 'HEAD' });
    deepEqual([head.status, await head.text()], [200, '']);
  });

  it('takes gzip, deflate and binary tensors', async () => {
    const plain = (await server.post(infer, inferBody(['a', 'b']))).json.outputs;
    const body = Buffer.from(JSON.stringify(inferBody(['a', 'b'])));
    for (const [encoding, bytes] of [
      ['gzip', gzipSync(body)],
      ['deflate', deflateSync(body)],
    ] as const) {
      const { status, json } = await server.post(infer, bytes, { 'content-encoding': encoding });
      deepEqual([status, json.outputs], [200, plain]);
    }
    const tensor = encodeBytesTensor(['a', 'b']);
    const json = Buffer.from(
      JSON.stringify({
        inputs: [{ name: 'text', datatype: 'BYTES', shape: [2, 1], parameters: { binary_data_size: tensor.length } }],
        parameters: { binary_data_output: true },
      }),
    );
    const reply = await server.post(infer, Buffer.concat([json, tensor]), {
      'inference-header-content-length': String(json.length),
    });
    equal(reply.status, 200);
    const values = reply.bytes.subarray(-16);
    deepEqual(
      Array.from({ length: 4 }, (_, index) => values.readFloatLE(index * 4)),
      plain[1].data.map(Math.fround),
    );
  });

  const huge = inferBody(['x'.repeat(100_000)]);
  const faults: readonly (readonly [string, string, string, unknown, Record<string, string>, number, RegExp])[] = [
    ['an unknown path', 'GET', '/v3', undefined, {}, 404, /unknown path/],
    ['a trailing slash', 'GET', '/v2/', undefined, {}, 404, /unknown path/],
    ['an unknown model', 'POST', '/v2/models/nobody/infer', inferBody(['a']), {}, 404, /unknown model 'nobody'/],
    ["an unknown model's metadata", 'GET', '/v2/models/nobody', undefined, {}, 404, /unknown model/],
    ["an unknown model's readiness", 'GET', '/v2/models/nobody/ready', undefined, {}, 404, /unknown model/],
    ['an undecodable model name', 'GET', '/v2/models/%ff', undefined, {}, 404, /unknown model/],
    [
      'an unknown version',
      'POST',
      `/v2/models/${MODEL}/versions/9/infer`,
      inferBody(['a']),
      {},
      404,
      /unknown version '9'/,
    ],
    ['a GET of infer', 'GET', infer, undefined, {}, 405, /use POST/],
    ['a POST of health', 'POST', '/v2/health/live', {}, {}, 405, /use GET/],
    ['a DELETE of a model', 'DELETE', `/v2/models/${MODEL}`, undefined, {}, 405, /use GET/],
    ['malformed JSON', 'POST', infer, '{', {}, 400, /not JSON/],
    ['no body', 'POST', infer, '', {}, 400, /not JSON/],
    [
      'a wrong datatype',
      'POST',
      infer,
      { inputs: [{ name: 'text', datatype: 'INT64', shape: [1], data: [1] }] },
      {},
      400,
      /INT64/,
    ],
    [
      'an unknown input',
      'POST',
      infer,
      { inputs: [{ name: 'ids', datatype: 'BYTES', shape: [1], data: ['a'] }] },
      {},
      400,
      /'ids'/,
    ],
    [
      'a wrong header length',
      'POST',
      infer,
      inferBody(['a']),
      { 'inference-header-content-length': '9999' },
      400,
      /9999/,
    ],
    ['a body that is no gzip', 'POST', infer, 'plain', { 'content-encoding': 'gzip' }, 400, /gzip body is damaged/],
    ['an unknown encoding', 'POST', infer, 'plain', { 'content-encoding': 'br' }, 415, /'br' is not supported/],
    ['too large a body', 'POST', infer, huge, {}, 413, /larger than 65536 bytes/],
    [
      'a small body that inflates',
      'POST',
      infer,
      gzipSync(JSON.stringify(huge)),
      { 'content-encoding': 'gzip' },
      413,
      /larger/,
    ],
  ];
  for (const [what, method, path, body, headers, status, message] of faults) {
    it(`answers ${what} with ${status}, a reason and an open server`, async () => {
      const payload =
        typeof body === 'string' || Buffer.isBuffer(body) || body === undefined ? body : JSON.stringify(body);
      const response = await fetch(`${server.url}${path}`, {
        method,
        headers,
        ...(payload === undefined ? {} : { body: payload }),
      });
      const { error } = (await response.json()) as { error: string };
      equal(response.status, status);
      match(error, message);
      if (status === 405) match(response.headers.get('allow') ?? '', /^(POST|GET, HEAD)$/);
      equal((await server.infer(MODEL, ['still there'])).status, 200);
    });
  }

  it('refuses an endless body while it arrives', async () => {
    const answer = await new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
      const sending = httpRequest(`${server.url}${infer}`, { method: 'POST' }, (response) => {
        let body = '';
        response.on('data', (chunk) => (body += String(chunk)));
        response.on('end', () => {
          clearInterval(timer);
          sending.destroy();
          resolve({ status: response.statusCode, body });
        });
      });
      sending.on('error', reject);
      const timer = setInterval(() => sending.write('x'.repeat(16_384)), 5);
    });
    equal(answer.status, 413);
    match(answer.body, /larger than/);
  });

  it('outlives a client that goes away in the middle of its body', async () => {
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    await new Promise<void>((resolve) =>
      socket.write(`POST ${infer} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{"inputs"`, () => resolve()),
    );
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    equal((await server.infer(MODEL, ['next'])).status, 200);
    doesNotMatch(server.lines.join('\n'), /request-failed/);
  });

  it('logs a true failure, also where the client has left before it', async () => {
    const failed = () => server.lines.filter((line) => line.includes('request-failed'));
    const left = new AbortController();
    const body = JSON.stringify(inferBody(Array.from({ length: 1000 }, (_, row) => `a text that waits ${row}`)));
    const asked = Array.from({ length: 4 }, () =>
      fetch(`${server.url}${infer}`, { method: 'POST', body, signal: left.signal }),
    );
    const served = server.follower.states.get(MODEL)?.served as ServedClassifier;
    await until('they wait', () => served.pool.queued > 1000, { everyMs: 1 });
    left.abort();
    await Promise.allSettled(asked);
    // Another round trip: by then the server has heard that they left.
    equal((await server.get('/v2/health/live')).status, 200);
    await served.pool.crashWorker();
    await until('it is logged', () => failed().length > 0);
    match(failed()[0] ?? '', new RegExp(`"model":"${MODEL}","reason":".*ended with code 1`));
    match(
      (await server.get('/metrics')).bytes.toString(),
      new RegExp(`route="infer",model="${MODEL}",status="500"} 1`),
    );
    await until('another is up', async () => (await server.infer(MODEL, ['next'])).status === 200);
  });

  it('records embedding and output of every prediction, and of no check of ours', async () => {
    const before = await readPredictions(services, MODEL, deployment.bundle.digest, 10_000);
    await server.post(infer, inferBody(['top secret text', 'another']), { 'x-request-id': 'rec' });
    await server.post(infer, inferBody(['only a check'], { parameters: { espalier_record: false } }), {
      'x-request-id': 'chk',
    });
    await server.recorder.flush();
    const all = await readPredictions(services, MODEL, deployment.bundle.digest, 10_000);
    deepEqual(
      all.slice(-2).map(({ id }) => id),
      ['rec/0', 'rec/1'],
    );
    ok(all.length >= before.length + 2);
    const [record] = all.slice(-2);
    ok(record);
    const model = await TextModel.load(await tinyClassifier());
    const expected = await model.run(['top secret text', 'another']);
    await model.release();
    const embedding = Buffer.from(record.embedding, 'base64');
    deepEqual(
      [0, 4, 8].map((at) => Math.round(embedding.readFloatLE(at) * 1e3)),
      Array.from(expected.embeddings.subarray(0, 3), (value) => Math.round(value * 1e3)),
    );
    equal(record.bundle, deployment.bundle.digest);
    equal(record.textLength, 'top secret text'.length);
    equal(record.probabilities.length, 2);
    equal('text' in record, false);
    deepEqual(
      (await readPredictions(services, MODEL, deployment.bundle.digest, 1)).map(({ id }) => id),
      ['rec/1'],
    );
  });

  it('keeps texts out of its log and its records', async () => {
    const secret = 'zq-needle-4711';
    await server.post(infer, inferBody([secret]));
    await server.post(infer, `{"inputs": "${secret}"`);
    await server.post(infer, { inputs: [{ name: secret, datatype: 'BYTES', shape: [1], data: [secret] }] });
    await server.recorder.flush();
    ok(server.lines.some((line) => line.includes('"event":"request"')));
    doesNotMatch(server.lines.join('\n'), /needle/);
    const records = await readPredictions(services, MODEL, deployment.bundle.digest, 10_000);
    doesNotMatch(JSON.stringify(records), /needle/);
  });

  it('tells Prometheus what it did', async () => {
    const { status, headers, bytes } = await server.get('/metrics');
    equal(status, 200);
    match(headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    const text = bytes.toString();
    const value = (pattern: string) => Number(new RegExp(`^espalier_serving_${pattern} (.*)$`, 'm').exec(text)?.[1]);
    ok(value(`requests_total\\{route="infer",model="${MODEL}",status="200"\\}`) >= 10);
    ok(value(`requests_total\\{route="infer",model="",status="404"\\}`) >= 1, 'an unknown name makes no label');
    ok(value(`request_seconds_count\\{model="${MODEL}"\\}`) >= 10);
    ok(value(`batch_rows_sum\\{model="${MODEL}"\\}`) >= 24);
    equal(value(`queued_rows\\{model="${MODEL}"\\}`), 0);
    ok(value(`predictions_recorded_total\\{model="${MODEL}"\\}`) >= 2);
    equal(
      value(`model_info\\{model="${MODEL}",channel="production",version="1",bundle="${deployment.bundle.digest}"\\}`),
      1,
    );
    doesNotMatch(text, /nobody/);
  });
});

import { deepEqual, doesNotMatch, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateSync } from 'node:zlib';
import type { Deployment } from '../../activities/contract/deployment.ts';
import { checkDrift } from '../../activities/monitoring/check-drift.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import { predict, predictPictures } from '../../client/predict.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { MonitorSchema } from '../../pipelines/definition/monitor.ts';
import { MAX_PICTURES, parsePictureRequest } from '../../serving/picture-request.ts';
import { encodeBytesTensor } from '../../serving/tensors.ts';
import { MODEL, testPictures, withServices } from '../support/bundle.ts';
import { inferBody, startTestServer, until, type Reply, type TestServer } from '../support/model-server.ts';
import { approvedRelease, deploy } from '../support/release.ts';
import { COLOURS, picture, tinyPictureClassifier } from '../support/tiny-pictures.ts';

const INFER = `/v2/models/${MODEL}/infer`;

function imageBody(values: readonly string[], more: object = {}): object {
  return { inputs: [{ name: 'image', datatype: 'BYTES', shape: [values.length], data: values, ...more }] };
}
const base64 = (files: readonly Uint8Array[]): readonly string[] =>
  files.map((file) => Buffer.from(file).toString('base64'));

/** A PNG that says what its size is; what it shows are the few bytes that it has. */
function pngOf(width: number, height: number, shown = deflateSync(Buffer.alloc(64))): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const chunks = [pngChunk('IHDR', header), pngChunk('IDAT', shown), pngChunk('IEND', Buffer.alloc(0))];
  return Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), ...chunks]);
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}

async function halfJpeg(): Promise<Buffer> {
  const whole = await picture('red', { format: 'jpeg', width: 200, height: 200 });
  return whole.subarray(0, Math.floor(whole.length * 0.8));
}

describe('a served model of pictures', () => {
  let services: ActivityServices;
  let server: TestServer;
  let deployment: Deployment;
  let pictures: readonly Buffer[];
  const ask = (files: readonly Uint8Array[]): Promise<Reply> => server.post(INFER, imageBody(base64(files)));

  before(async () => {
    services = await withServices();
    pictures = await testPictures();
    const release = await approvedRelease(services, { folder: await tinyPictureClassifier(), recordText: true });
    deployment = await deploy(services, release);
    server = await startTestServer(services, { recorder: { flushMs: 50 }, workers: 2, maxBodyBytes: 2 ** 20 });
    await until('the model is served', async () => (await server.get(`/v2/models/${MODEL}/ready`)).status === 200);
  });
  after(() => server.drain());

  it('answers files of several formats as the model itself does, in JSON and as binary tensors', async () => {
    const model = await ImageModel.load(await tinyPictureClassifier());
    const { probabilities } = await model.runAll(pictures);
    await model.release();
    const { status, json } = await ask(pictures);
    equal(status, 200, JSON.stringify(json));
    const [label, values] = json.outputs;
    deepEqual(
      label.data,
      pictures.map((_, row) => COLOURS[row % 3]),
    );
    deepEqual(values.shape, [pictures.length, 3]);
    for (const [index, value] of (values.data as number[]).entries()) {
      ok(Math.abs(value - (probabilities?.[index] ?? Number.NaN)) < 1e-6, `probability ${index} is ${value}`);
    }
    const tensor = encodeBytesTensor(pictures);
    const { data: _, ...input } = { ...(imageBody([]) as { inputs: [{ data: unknown }] }).inputs[0] };
    const head = Buffer.from(
      JSON.stringify({
        inputs: [{ ...input, shape: [pictures.length, 1], parameters: { binary_data_size: tensor.length } }],
      }),
    );
    const binary = await server.post(INFER, Buffer.concat([head, tensor]), {
      'inference-header-content-length': String(head.length),
    });
    deepEqual(binary.json.outputs, json.outputs);
  });

  it('says in its metadata that it takes pictures', async () => {
    const { json } = await server.get(`/v2/models/${MODEL}`);
    deepEqual(json.inputs, [{ name: 'image', datatype: 'BYTES', shape: [-1] }]);
    equal(json.parameters.content_type, 'base64');
    deepEqual(JSON.parse(json.parameters.labels), [...COLOURS]);
  });

  const svg = Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>');
  const hostile: readonly (readonly [string, () => Promise<Buffer>, RegExp])[] = [
    ['no byte', async () => Buffer.alloc(0), /picture 1: the file is empty/],
    ['an SVG that asks for a file', async () => svg, /not JPEG, PNG, WebP, GIF or TIFF/],
    ['text', async () => Buffer.from('not a picture at all'), /not JPEG, PNG, WebP, GIF or TIFF/],
    ['a PNG that says it has 2.5 billion pixels', async () => pngOf(50_000, 50_000), /more than 1000000 pixels/],
    ['a PNG of no pixel', async () => pngOf(0, 0), /damaged/],
    ['a PNG that shows less than it says', async () => pngOf(900, 900), /damaged/],
    ['a JPEG that is cut off', halfJpeg, /damaged/],
    ['a strip', async () => picture('red', { width: 900, height: 1 }), /more than 200 times/],
    ['more pixels than the server takes', async () => picture('red', { width: 1001, height: 1000 }), /1001 × 1000/],
  ];
  for (const [what, make, message] of hostile) {
    it(`answers ${what} with 400 and the reason, and goes on`, async () => {
      const { status, json } = await ask([await make()]);
      deepEqual([status, Object.keys(json)], [400, ['error']]);
      match(json.error, message);
      doesNotMatch(json.error, /\/(home|tmp|root)\//);
      equal((await ask([await picture('green')])).json.outputs[0].data[0], 'green');
    });
  }

  it('names the picture of several that it refuses, and answers everybody who shared a batch with it', async () => {
    const [blue, bad] = [await picture('blue'), await Promise.all([picture('red'), halfJpeg(), picture('green')])];
    const replies = await Promise.all(Array.from({ length: 20 }, (_, turn) => ask(turn % 4 === 0 ? bad : [blue])));
    for (const [turn, { status, json }] of replies.entries()) {
      if (turn % 4 === 0) match(json.error, /^picture 2: the picture is damaged/);
      else deepEqual([status, json.outputs[0].data], [200, ['blue']]);
    }
    match((await server.get('/metrics')).bytes.toString(), /predictions_recorded_total/);
    equal(
      server.lines.some((line) => line.includes('model-worker-lost')),
      false,
    );
  });

  it('refuses what is no such request, and a body that is too large', async () => {
    const refusals: readonly (readonly [object, number, RegExp])[] = [
      [inferBody(['a text']), 400, /unexpected input 'text': this model takes one input, 'image'/],
      [imageBody(['not base64!']), 400, /value 0 is not base64/],
      [imageBody(['data:image/png;base64,AAAA']), 400, /without what stands before it in a data: address/],
      [imageBody(['AAA']), 400, /not base64/],
      [imageBody(['AAAA'], { datatype: 'UINT8' }), 400, /send BYTES/],
      [imageBody(Array.from({ length: MAX_PICTURES + 1 }, () => 'AAAA')), 400, /65 rows: send 1 to 64/],
      [imageBody(['A'.repeat(2 ** 20)]), 413, /larger than 1048576 bytes/],
    ];
    for (const [body, status, message] of refusals) {
      const reply = await server.post(INFER, body);
      deepEqual([reply.status, message.test(reply.json.error)], [status, true], reply.json.error);
    }
  });

  it('records which picture it was and what was said of it, never the picture, also where texts would be kept', async () => {
    const asked = await picture('green', { shade: 3, format: 'jpeg' });
    const before = Date.now();
    const reply = await server.post(INFER, imageBody(base64([asked])), { 'x-request-id': 'only-this' });
    equal(reply.status, 200);
    const found = async () =>
      (await readPredictions(services, MODEL, deployment.bundle.digest, 1000)).find(({ id }) => id === 'only-this');
    await until('it is recorded', async () => (await found()) !== undefined);
    const record = await found();
    ok(record);
    ok(Date.parse(record.at) >= before);
    deepEqual(Object.keys(record).toSorted(), [
      'at',
      'bundle',
      'embedding',
      'id',
      'label',
      'picture',
      'probabilities',
      'textLength',
    ]);
    deepEqual([record.label, record.picture, record.textLength], ['green', digestBytes(asked), 0]);
    equal(Buffer.from(record.embedding, 'base64').length, 12);
    equal(await services.store.has(digestBytes(asked)), false);
  });

  it('is asked with files by the client, which says what no picture is before it asks', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-predict-'));
    const file = async (name: string, bytes: Uint8Array): Promise<string> => {
      await writeFile(join(folder, name), bytes);
      return join(folder, name);
    };
    const [blue, green] = [
      await file('b.png', await picture('blue')),
      await file('g.jpg', await picture('green', { format: 'jpeg' })),
    ];
    const cut = await file('cut.jpg', await halfJpeg());
    try {
      const predictions = await predictPictures(server.url, MODEL, [blue, green]);
      deepEqual(
        predictions.map(({ file: path, label }) => [path, label]),
        [
          [blue, 'blue'],
          [green, 'green'],
        ],
      );
      ok(predictions.every(({ probability, label, probabilities }) => probability === probabilities[label]));
      const refused = (files: readonly string[], where: string, message: RegExp) =>
        rejects(predictPictures(server.url, MODEL, files), { kind: 'BadConfig', where, message });
      await refused([blue, folder], folder, /this is a folder, not a picture/);
      await refused([join(folder, 'nowhere.png')], join(folder, 'nowhere.png'), /cannot be read: ENOENT/);
      await refused([blue, cut], cut, /the picture is damaged/);
      await rejects(predict(server.url, MODEL, ['a text']), { kind: 'BadConfig', fix: /--file/ });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is watched by the embeddings and labels of its answers: other pictures are drift, the usual ones are not', async () => {
    const monitor = MonitorSchema.parse({ minRows: 30, windowRows: 30 });
    const check = async (files: readonly Uint8Array[]) => {
      equal((await ask(files)).status, 200);
      await server.recorder.flush();
      const input = { model: MODEL, channel: 'production', monitor };
      const call = { runId: 'check', stepId: 'check', input, reuse: true };
      const signal = new AbortController().signal;
      return checkDrift(call, services, { signal, progress: () => undefined, failed: async () => false });
    };
    const usual = await check([...pictures, ...pictures.slice(0, 6)]);
    deepEqual([usual.verdict, usual.rows], ['no-drift', 30]);
    deepEqual(
      usual.tests.map(({ name }) => name),
      ['embedding', 'class-probabilities', 'predicted-labels'],
    );
    const dark = await Promise.all(Array.from({ length: 30 }, (_, shade) => picture('blue', { shade: shade % 9 })));
    const drifted = await check(dark);
    equal(drifted.verdict, 'drift');
    const { watched } = await services.store.getJson<{ watched: string }>(drifted.report);
    equal(watched, 'embeddings, class probabilities and predicted labels of pictures');
  });

  it('keeps what is asked to check it out of the log', async () => {
    const asked = { ...imageBody(base64([await picture('red')])), parameters: { espalier_record: false } };
    equal((await server.post(INFER, asked, { 'x-request-id': 'a-check' })).status, 200);
    await server.recorder.flush();
    const records = await readPredictions(services, MODEL, deployment.bundle.digest, 1000);
    equal(
      records.some(({ id }) => id === 'a-check'),
      false,
    );
  });
});

describe('an infer request of pictures', () => {
  it('gives each file memory of its own: a worker is handed the whole of what a piece lies in', () => {
    const tensor = encodeBytesTensor([Buffer.from('one'), Buffer.from('three')]);
    const head = Buffer.from(
      JSON.stringify({
        inputs: [{ name: 'image', datatype: 'BYTES', shape: [2], parameters: { binary_data_size: tensor.length } }],
      }),
    );
    for (const { pictures } of [
      parsePictureRequest(Buffer.concat([head, tensor]), String(head.length)),
      parsePictureRequest(Buffer.from(JSON.stringify(imageBody(base64([Buffer.from('one'), Buffer.from('three')]))))),
    ]) {
      deepEqual(
        pictures.map((bytes) => [Buffer.from(bytes).toString(), bytes.buffer.byteLength]),
        [
          ['one', 3],
          ['three', 5],
        ],
      );
    }
  });
});

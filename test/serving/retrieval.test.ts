import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { labelShares as evaluatedShares } from '../../activities/retrieval/reference.ts';
import { checkDrift } from '../../activities/monitoring/check-drift.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { MOST_NEIGHBOURS } from '../../artifacts/bundle.ts';
import type { Digest } from '../../artifacts/reference.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import { findNeighbours, findsPictures, predictPictures } from '../../client/predict.ts';
import { ImageModel } from '../../inference/image-model.ts';
import type { Match } from '../../inference/retrieval/embedding-index.ts';
import { GRAPH_SETTINGS } from '../../inference/retrieval/graph.ts';
import { MonitorSchema } from '../../pipelines/definition/monitor.ts';
import { encodeBytesTensor, splitBytesTensor } from '../../serving/tensors.ts';
import { testPictures, withServices } from '../support/bundle.ts';
import { espalier } from '../support/command.ts';
import { startTestServer, until, type Reply, type TestServer } from '../support/model-server.ts';
import { approvedRelease, deploy } from '../support/release.ts';
import { FINDER, K, madeRetriever, type MadeRetriever } from '../support/retriever.ts';
import { COLOURS, picture, tinyPictureClassifier } from '../support/tiny-pictures.ts';

const INFER = `/v2/models/${FINDER}/infer`;

function askBody(files: readonly Uint8Array[], parameters?: object): object {
  const data = files.map((file) => Buffer.from(file).toString('base64'));
  return {
    inputs: [{ name: 'image', datatype: 'BYTES', shape: [files.length], data }],
    ...(parameters === undefined ? {} : { parameters }),
  };
}

/** Row by row what an answer in JSON found. */
function foundIn({ json }: Reply): Match[][] {
  const [id, similarity, label] = json.outputs as { data: (string | number)[]; shape: [number, number] }[];
  const [rows, k] = id!.shape;
  return Array.from({ length: rows }, (_, row) =>
    Array.from({ length: k }, (__, place) => ({
      id: String(id!.data[row * k + place]),
      similarity: Number(similarity!.data[row * k + place]),
      label: String(label!.data[row * k + place]),
    })),
  );
}

describe('a served model that finds pictures', () => {
  let services: ActivityServices;
  let server: TestServer;
  let made: MadeRetriever;
  let bundle: Digest;
  let pictures: readonly Buffer[];
  const ask = (files: readonly Uint8Array[], parameters?: object): Promise<Reply> =>
    server.post(INFER, askBody(files, parameters));

  before(async () => {
    services = await withServices();
    pictures = await testPictures();
    made = await madeRetriever(services);
    const deployment = await deploy(services, await approvedRelease(services, { retriever: made.input }));
    bundle = deployment.bundle.digest;
    server = await startTestServer(services, { maxBodyBytes: 2 ** 20, workers: 2 });
    await until('the model is served', async () => (await server.get(`/v2/models/${FINDER}/ready`)).status === 200);
  });
  after(() => server.drain());

  /** What the index itself has for these pictures. */
  async function wanted(files: readonly Uint8Array[], k: number): Promise<Match[][]> {
    const model = await ImageModel.load(await tinyPictureClassifier());
    const { embeddings } = await model.runAll(files);
    await model.release();
    const { dimension } = model.config;
    return Promise.all(
      files.map((_, row) => made.index.search(embeddings.subarray(row * dimension, (row + 1) * dimension), { k })),
    );
  }

  function agree(found: readonly Match[][], expected: readonly Match[][]): void {
    deepEqual(
      found.map((row) => row.map(({ id, label }) => [id, label])),
      expected.map((row) => row.map(({ id, label }) => [id, label])),
    );
    for (const [row, all] of found.entries()) {
      for (const [place, { similarity }] of all.entries()) {
        const is = expected[row]![place]!.similarity;
        ok(Math.abs(similarity - is) < 1e-6, `${similarity} is not ${is}`);
      }
    }
  }

  it('finds what the index has, the nearest first, as many as it was measured with or as are asked for', async () => {
    const asked = [pictures[0]!, await picture('blue', { shade: 4, format: 'jpeg' }), pictures[7]!];
    const reply = await ask(asked);
    equal(reply.status, 200, JSON.stringify(reply.json));
    deepEqual(
      (reply.json.outputs as object[]).map((output) => ({ ...output, data: undefined })),
      [
        { name: 'id', datatype: 'BYTES', shape: [3, K], data: undefined },
        { name: 'similarity', datatype: 'FP32', shape: [3, K], data: undefined },
        { name: 'label', datatype: 'BYTES', shape: [3, K], data: undefined },
      ],
    );
    agree(foundIn(reply), await wanted(asked, K));
    for (const k of [1, 9]) agree(foundIn(await ask(asked, { k })), await wanted(asked, k));
    // The whole gallery is all that there is.
    equal((await ask(asked, { k: MOST_NEIGHBOURS })).json.outputs[0].shape[1], 24);
  });

  it('answers in binary tensors, and only what is asked for', async () => {
    const asked = {
      ...askBody([pictures[0]!], { k: 2, binary_data_output: true }),
      outputs: [{ name: 'label' }, { name: 'similarity' }, { name: 'id', parameters: { binary_data: false } }],
    };
    const { bytes, headers } = await server.post(INFER, asked);
    const length = Number(headers.get('inference-header-content-length'));
    const json = JSON.parse(bytes.subarray(0, length).toString()) as { outputs: { data?: unknown }[] };
    const [expected] = await wanted([pictures[0]!], 2);
    deepEqual(
      json.outputs[2]?.data,
      expected!.map(({ id }) => id),
    );
    const labels = encodeBytesTensor(expected!.map(({ label }) => label)).length;
    const rest = bytes.subarray(length);
    deepEqual(
      splitBytesTensor(rest.subarray(0, labels)),
      expected!.map(({ label }) => Buffer.from(label)),
    );
    ok(Math.abs(rest.readFloatLE(labels) - expected![0]!.similarity) < 1e-6);
    match(
      (await server.post(INFER, { ...asked, outputs: [{ name: 'probabilities' }] })).json.error,
      /id, similarity and label/,
    );
  });

  it('refuses a number of neighbours that is none, and says how many there may be', async () => {
    for (const k of [0, -1, 1.5, MOST_NEIGHBOURS + 1, 1e9, '5', null, [3], true]) {
      const { status, json } = await ask([pictures[0]!], { k });
      equal(status, 400, String(k));
      match(json.error, /parameter 'k' is .*: ask for 1 to 100 neighbours/);
    }
  });

  it('refuses a picture that is damaged, names it, and goes on', async () => {
    const cut = (await picture('red', { format: 'jpeg', width: 200, height: 200 })).subarray(0, 400);
    const { status, json } = await ask([pictures[0]!, cut]);
    deepEqual([status, Object.keys(json)], [400, ['error']]);
    match(json.error, /^picture 2: /);
    equal((await ask([pictures[1]!])).json.outputs[2].data[0], 'green');
  });

  it('says in its metadata what it gives, and among how many it looks', async () => {
    const { json } = await server.get(`/v2/models/${FINDER}`);
    deepEqual(json.inputs, [{ name: 'image', datatype: 'BYTES', shape: [-1] }]);
    deepEqual(json.outputs, [
      { name: 'id', datatype: 'BYTES', shape: [-1, -1] },
      { name: 'similarity', datatype: 'FP32', shape: [-1, -1] },
      { name: 'label', datatype: 'BYTES', shape: [-1, -1] },
    ]);
    const { neighbours, most_neighbours: most, index_rows: rows, index_search: search, labels } = json.parameters;
    deepEqual([neighbours, most, rows, search, JSON.parse(labels)], [K, 100, 24, 'exact', [...COLOURS]]);
  });

  it('is asked with files by the client', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-find-'));
    const file = join(folder, 'a.png');
    await writeFile(file, pictures[2]!);
    try {
      equal(await findsPictures(server.url, FINDER), true);
      const [found] = await findNeighbours(server.url, FINDER, [file], 3);
      agree([found!.neighbours as Match[]], await wanted([pictures[2]!], 3));
      equal((await findNeighbours(server.url, FINDER, [file]))[0]?.neighbours.length, K);
      await rejects(findNeighbours(server.url, FINDER, [file], 1000), { kind: 'BadConfig', message: /1 to 100/ });
      await rejects(findNeighbours(server.url, FINDER, [folder]), { kind: 'BadConfig', message: /a folder/ });
      await rejects(predictPictures(server.url, FINDER, [file]), { kind: 'BadConfig', message: /finds pictures/ });
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('is asked on the command line, which shows a line a neighbour, and says what it cannot do', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-find-'));
    const file = join(folder, 'a.png');
    await writeFile(file, pictures[4]!);
    const run = (...args: string[]) =>
      espalier(['predict', FINDER, ...args, '--url', server.url], { ...process.env, NO_COLOR: '1' });
    try {
      const [expected] = await wanted([pictures[4]!], 2);
      const table = await run('--file', file, '--neighbours', '2');
      equal(table.code, 0, table.stderr);
      const [head, first, second, ...rest] = table.stdout.trimEnd().split('\n');
      match(head ?? '', /^FILE +PLACE +SIMILARITY +LABEL +ID$/);
      deepEqual(first?.trim().split(/ +/), [file, '1', '1.000', expected![0]!.label, expected![0]!.id]);
      deepEqual(second?.trim().split(/ +/).slice(-2), [expected![1]!.label, expected![1]!.id]);
      deepEqual(rest, []);
      const { stdout } = await run('--file', file, '--neighbours', '2', '--json');
      const [answer] = JSON.parse(stdout) as { file: string; neighbours: Match[] }[];
      agree([answer!.neighbours], [expected!]);
      for (const [args, message] of [
        [['--file', file, '--neighbours', 'many'], /'many' is no number of neighbours/],
        [['--file', file, '--neighbours', '101'], /ask for 1 to 100 neighbours/],
        [['a text', '--neighbours', '2'], /texts have no neighbours/],
        [['a text'], /takes pictures/],
      ] as const) {
        const refused = await run(...args, '--json');
        deepEqual([refused.code === 0, message.test(refused.stdout)], [false, true], refused.stdout);
      }
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('records what was found by its labels, the same number of them whatever was asked for, never the picture', async () => {
    const asked = await picture('green', { shade: 5 });
    for (const k of [1, 20]) {
      equal((await server.post(INFER, askBody([asked], { k }), { 'x-request-id': `asked-${k}` })).status, 200);
    }
    const found = async () =>
      (await readPredictions(services, FINDER, bundle, 1000)).filter(({ id }) => id.startsWith('asked-'));
    await server.recorder.flush();
    await until('both are recorded', async () => (await found()).length === 2);
    const [expected] = await wanted([asked], K);
    const shares = [...evaluatedShares(expected!, COLOURS)];
    for (const record of await found()) {
      deepEqual([record.label, record.probabilities, record.textLength], ['green', shares, 0]);
      equal('text' in record, false);
    }
  });

  it('is watched by embeddings and by what they find: other pictures are drift, the usual ones are not', async () => {
    const monitor = MonitorSchema.parse({ minRows: 30, windowRows: 30 });
    const check = async (files: readonly Uint8Array[]) => {
      equal((await ask(files)).status, 200);
      await server.recorder.flush();
      const input = { model: FINDER, channel: 'production', monitor };
      const call = { runId: 'check', stepId: 'check', input, reuse: true };
      const signal = new AbortController().signal;
      return checkDrift(call, services, { signal, progress: () => undefined, failed: async () => false });
    };
    const usual = await check([...pictures, ...pictures.slice(0, 6)]);
    deepEqual([usual.verdict, usual.rows], ['no-drift', 30]);
    deepEqual(
      usual.tests.map(({ name }) => name),
      ['embedding', 'label-shares', 'most-found-labels'],
    );
    const blue = await Promise.all(Array.from({ length: 30 }, (_, shade) => picture('blue', { shade: shade % 9 })));
    const drifted = await check(blue);
    equal(drifted.verdict, 'drift');
    const { watched } = await services.store.getJson<{ watched: string }>(drifted.report);
    match(watched, /labels of what they find/);
  });

  it('takes up a release with another index, and no request fails or is answered half by one, half by the other', async () => {
    const ended = new AbortController();
    const seen = new Set<string>();
    const asking = async (): Promise<void> => {
      while (!ended.signal.aborted) {
        const { status, json } = await ask([pictures[0]!, pictures[1]!], { k: 24 });
        equal(status, 200, JSON.stringify(json));
        const kinds = new Set((json.outputs[0].data as string[]).map((id) => id.length));
        equal(kinds.size, 1, 'ids of two indexes');
        seen.add(`${json.model_version} ${[...kinds].join()}`);
      }
    };
    const load = Promise.all([asking(), asking(), asking()]);
    const next = await madeRetriever(services, { named: 'new-', k: 2, tuned: true, graph: GRAPH_SETTINGS });
    await deploy(services, await approvedRelease(services, { retriever: next.input }));
    await until(
      'the new one is served',
      async () => (await server.get(`/v2/models/${FINDER}`)).json.parameters.index_search === 'graph',
    );
    await ask([pictures[0]!]).then((reply) => equal(reply.json.outputs[0].shape[1], 2));
    ended.abort();
    await load;
    deepEqual(
      [...seen].sort(),
      ['1 2', '2 6'].filter((one) => seen.has(one)),
    );
    // A tuned model, and a graph: what is found is what an exact search of so few finds.
    const exact = await wanted([pictures[3]!], 5);
    deepEqual(
      foundIn(await ask([pictures[3]!], { k: 5 }))[0]!.map(({ id, label }) => [id, label]),
      exact[0]!.map(({ id, label }) => [`new-${id}`, label]),
    );
    ok(!server.lines.some((line) => line.includes('model-worker-lost')));
  });
});

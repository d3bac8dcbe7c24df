import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey, type ChannelPointer } from '../../artifacts/bundle.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import { listModels, showModel } from '../../client/models.ts';
import { MODEL, packageInput, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy, withFiles } from '../support/release.ts';
import { startTestServer, until } from '../support/model-server.ts';

/** An approved model that no server can load. No step of ours packages such a one. */
async function unloadable(
  services: ActivityServices,
  [file, content]: readonly [string, string] = ['classifier.json', JSON.stringify({ labels: ['only one'] })],
): Promise<DeployModelInput> {
  const { classifier } = await packageInput(services);
  return approvedRelease(services, {
    bundleFiles: { [`${MODEL}/1/${file}`]: content },
    exported: {
      classifier: await withFiles(services, classifier, { [file]: content }),
      parityMaxAbs: 0,
      sizeBytes: 1,
    },
  });
}

describe('deploying a model to a server that answers', () => {
  let services: ActivityServices;
  beforeEach(async () => {
    services = await withServices();
  });
  const pointer = async () => (await services.pointers.read<ChannelPointer>(channelKey(MODEL, 'production')))?.value;

  it('waits until the model server serves the bundle and compares its answers with the evaluation', async () => {
    const server = await startTestServer(services);
    try {
      const deployment = await deploy({ ...services, servingUrl: `${server.url}/` }, await approvedRelease(services));
      deepEqual(deployment.serving, { url: server.url, checkedRows: 16, agreement: 1 });
      await server.recorder.flush();
      deepEqual(await readPredictions(services, MODEL, deployment.bundle.digest, 100), []);
    } finally {
      await server.drain();
    }
  });

  it('asks about the longest texts too, wherever they stand in the split', async () => {
    const { evaluation } = await packageInput(services);
    const file = 'probabilities.f32';
    const probabilities = await readFile(await services.store.fileInTree(evaluation.reference, file));
    // The last row is one of the longest, and not one of the first 16.
    probabilities.writeFloatLE(-1, probabilities.length - 4);
    const release = await approvedRelease(services, { bundleFiles: { [`reference/${file}`]: probabilities } });
    const server = await startTestServer(services);
    try {
      await rejects(deploy({ ...services, servingUrl: server.url }, release), {
        kind: 'BadModel',
        message: /answers 1 of 16 test rows otherwise than was evaluated: test rows 24 by more/,
      });
    } finally {
      await server.drain();
    }
  });

  it('takes a first release back that the server answers otherwise than was evaluated; the next one goes out', async () => {
    const wrong = { 'reference/probabilities.f32': new Uint8Array(new Float32Array(48).buffer) };
    const release = await approvedRelease(services, { bundleFiles: wrong });
    const server = await startTestServer(services);
    const serving = { ...services, servingUrl: server.url };
    try {
      await rejects(deploy(serving, release, 'run-1'), {
        kind: 'BadModel',
        message: /answers 16 of 16 test rows otherwise than was evaluated.*was withdrawn: it had served nothing before/,
      });
      await until('it is unloaded', async () => (await server.infer(MODEL, ['a'])).status === 503);
      match(
        (await server.infer(MODEL, ['a'])).json.error,
        /channel 'production' serves nothing: sha256:\w+ was refused/,
      );
      deepEqual(await listModels(services.store, services.pointers), []);
      await rejects(showModel(services.store, services.pointers, MODEL), {
        kind: 'NotFound',
        message: /was withdrawn/,
      });
      const good = await deploy(serving, await approvedRelease(services), 'run-2');
      deepEqual([good.revision, good.previousBundle, good.serving?.agreement], [3, null, 1]);
      await rejects(deploy(serving, release, 'run-1'), { kind: 'Conflict', message: /run-1 is superseded by run-2/ });
    } finally {
      await server.drain();
    }
  });

  it('compares one row in sixteen as strictly as all', async () => {
    const server = await startTestServer(services);
    const serving = { ...services, servingUrl: server.url };
    try {
      const first = await deploy(serving, await approvedRelease(services), 'run-1');
      const { entries } = await services.store.tree(first.bundle);
      const entry = entries.find(({ path }) => path === 'reference/probabilities.f32');
      ok(entry);
      const bytes = Buffer.from(await services.store.getBytes(entry.digest));
      bytes.writeFloatLE(bytes.readFloatLE(8) + 0.01, 8);
      const off = await approvedRelease(services, { bundleFiles: { 'reference/probabilities.f32': bytes } });
      await rejects(deploy(serving, off, 'run-2'), { kind: 'BadModel', message: /1 of 16 .* test rows 2 by more/ });
      deepEqual([(await pointer())?.bundle, (await pointer())?.revision], [first.bundle, 3]);
    } finally {
      await server.drain();
    }
  });

  it('asks nothing of a server that follows another channel', async () => {
    const server = await startTestServer(services, { channel: 'staging' });
    try {
      equal((await deploy({ ...services, servingUrl: server.url }, await approvedRelease(services))).serving, null);
    } finally {
      await server.drain();
    }
  });

  it('names the server that does not answer, and what a server that does said last', async () => {
    const release = await approvedRelease(services);
    const gone = await startTestServer(services);
    await gone.drain();
    await rejects(deploy({ ...services, servingUrl: gone.url }, release, 'run', 300), {
      kind: 'NetworkUnavailable',
      message:
        /server at http:\/\/127\.0\.0\.1:\d+ does not serve sha256:.*no answer that can be used \(.*ECONNREFUSED/,
    });
    const server = await startTestServer(services, { models: ['another'] });
    try {
      const call = deploy({ ...services, servingUrl: server.url }, release, 'run', 300);
      await rejects(call, { kind: 'NetworkUnavailable', message: /unknown model 'tiny-parity'/ });
    } finally {
      await server.drain();
    }
  });

  it('gives up at once where the server refuses what it is asked, and puts back what stood before', async () => {
    const server = await startTestServer(services);
    // Older than what it is asked about: it serves the bundle, and knows nothing of an output that the question names.
    const older = createServer((request, response) => {
      const answer = async (): Promise<readonly [status: number, body: string]> => {
        if (request.method === 'POST') return [400, JSON.stringify({ error: "unknown output 'labels'" })];
        const passed = await fetch(`${server.url}${request.url}`);
        return [passed.status, await passed.text()];
      };
      void answer().then(([status, body]) => response.writeHead(status).end(body));
    });
    await new Promise<void>((resolve) => older.listen(0, '127.0.0.1', resolve));
    try {
      const first = await deploy({ ...services, servingUrl: server.url }, await approvedRelease(services));
      const servingUrl = `http://127.0.0.1:${(older.address() as AddressInfo).port}`;
      const next = await approvedRelease(services, { bundleFiles: { 'MODEL_CARD.md': 'another card' } });
      await rejects(deploy({ ...services, servingUrl }, next, 'run-2'), {
        kind: 'BadConfig',
        retryable: false,
        message: /refuses 12 test rows \(400\): unknown output 'labels'; .*points to sha256:\w+ again, as before/s,
        fix: /run a model server of the version/,
      });
      deepEqual([(await pointer())?.bundle, (await pointer())?.revision], [first.bundle, 3]);
    } finally {
      older.closeAllConnections();
      await new Promise((resolve) => older.close(resolve));
      await server.drain();
    }
  });

  it('gives up at once when the server refuses the bundle for good, and puts back what stood before', async () => {
    const server = await startTestServer(services);
    try {
      const serving = { ...services, servingUrl: server.url };
      const good = await approvedRelease(services);
      const first = await deploy(serving, good);
      const broken = await unloadable(services);
      const startedAt = performance.now();
      const refused = {
        kind: 'ApprovalRefused',
        message: /it refused it \(.*labels.*points to sha256:\w+ again, as before/s,
      };
      await rejects(deploy(serving, broken, 'run-2'), refused);
      ok(performance.now() - startedAt < 40_000); // it would wait for a minute
      equal((await server.infer(MODEL, ['a'])).status, 200);
      const back = await pointer();
      deepEqual([back?.bundle, back?.release, back?.revision], [first.bundle, first.release, 3]);
      await until('nothing is refused any more', async () => {
        const { parameters, versions } = (await server.get(`/v2/models/${MODEL}`)).json;
        return parameters.refused === undefined && versions[0] === '3';
      });
      // The restored release stands for its run, and a person may try the refused one again while nothing followed.
      equal((await deploy(serving, good)).revision, 3);
      await rejects(deploy(serving, broken, 'run-2'), refused);
      equal((await pointer())?.revision, 5);
    } finally {
      await server.drain();
    }
  });

  for (const [what, file] of [
    ['config', undefined],
    ['graph', ['model.onnx', 'no graph']],
  ] as const) {
    it(`takes a first release back whose ${what} the server refuses for good`, async () => {
      const server = await startTestServer(services);
      try {
        const broken = await unloadable(services, file);
        const call = deploy({ ...services, servingUrl: server.url }, broken);
        await rejects(call, { kind: 'ApprovalRefused', message: /it refused it \(.*was withdrawn/s });
        match(JSON.stringify(await pointer()), /"withdrawn":"sha256:\w+ was refused: /);
      } finally {
        await server.drain();
      }
    });
  }
});

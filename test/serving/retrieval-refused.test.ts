import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { openStore } from '../../artifacts/open.ts';
import { blobKey } from '../../artifacts/store.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { startTestServer, until, type TestServer } from '../support/model-server.ts';
import { approvedRelease, deploy, forge, withFiles } from '../support/release.ts';
import { FINDER, madeRetriever, type MadeRetriever } from '../support/retriever.ts';
import type { TestStore } from '../support/store.ts';
import { picture } from '../support/tiny-pictures.ts';

type Files = Readonly<Record<string, string | Uint8Array | null>>;

describe('an index that is not what was evaluated', () => {
  let services: TestStore & ActivityServices;
  let server: TestServer;
  let made: MadeRetriever;
  let current: DeployModelInput;

  before(async () => {
    services = await withServices();
    made = await madeRetriever(services);
    current = await approvedRelease(services, { retriever: made.input });
    await deploy(services, current);
    server = await startTestServer(services);
    await until('the model is served', async () => (await server.get(`/v2/models/${FINDER}/ready`)).status === 200);
  });
  after(() => server.drain());

  async function ask(of: TestServer): Promise<unknown> {
    const data = [(await picture('green')).toString('base64')];
    const inputs = [{ name: 'image', datatype: 'BYTES', shape: [1], data }];
    return (await of.post(`/v2/models/${FINDER}/infer`, { inputs })).json.outputs;
  }
  const header = (change: object): string => JSON.stringify({ ...made.index.header, ...change });
  const vectors = (): Buffer => Buffer.from(made.index.files()['vectors.f32']);

  /** A release whose evidence and bundle agree on these files of the index: nobody looked at what they say. */
  async function evaluated(files: Files): Promise<DeployModelInput> {
    const { embedder, indexed } = made.input;
    const index = await withFiles(services, made.input.index, files);
    const bundleFiles = Object.fromEntries(Object.entries(files).map(([path, bytes]) => [`index/${path}`, bytes]));
    return approvedRelease(services, {
      retriever: made.input,
      exported: { ...indexed, embedder, index },
      bundleFiles,
    });
  }
  const exchanged = (bundleFiles: Files): Promise<DeployModelInput> =>
    approvedRelease(services, { retriever: made.input, bundleFiles });

  const chained: readonly (readonly [string, () => Promise<DeployModelInput>, RegExp])[] = [
    [
      'has other labels than were evaluated',
      () => exchanged({ 'index/index.json': header({ classes: made.index.header.classes.toReversed() }) }),
      /index\/index\.json is sha256:\w+, but sha256:\w+ was evaluated/,
    ],
    [
      'has other vectors',
      () => exchanged({ 'index/vectors.f32': vectors().toReversed() }),
      /index\/vectors\.f32 is sha256:\w+, but sha256:\w+ was evaluated/,
    ],
    ['is not there', () => exchanged({ 'index/vectors.f32': null }), /the bundle lacks index\/vectors\.f32/],
    [
      'has a file more, such as a graph for native code to read',
      () => exchanged({ 'index/graph.usearch': 'x' }),
      /index\/graph\.usearch was not part of the evaluated model/,
    ],
  ];
  const unusable: readonly (readonly [string, () => Promise<DeployModelInput>, RegExp])[] = [
    ['does not say how it is asked', () => exchanged({ 'retrieval.json': null }), /the bundle lacks retrieval\.json/],
    [
      'is to be asked for no neighbour',
      () => exchanged({ 'retrieval.json': '{"version": 1, "neighbours": 0}' }),
      /retrieval\.json cannot be used/,
    ],
    [
      'was built with another model',
      () => evaluated({ 'index.json': header({ model: digestBytes('other') }) }),
      /built with sha256:\w+, but the model is sha256:/,
    ],
    [
      'has vectors of another dimension',
      () => evaluated({ 'index.json': header({ dimension: 2 }), 'vectors.f32': unitVectors(24, 2) }),
      /has vectors of 2, the model embeds in 3/,
    ],
    [
      'has vectors that are no directions',
      () => evaluated({ 'vectors.f32': Buffer.from(Float32Array.from({ length: 72 }, () => 7).buffer) }),
      /row 0 of vectors\.f32 has the length/,
    ],
    ['has a header that lies', () => evaluated({ 'index.json': header({ ids: ['one'] }) }), /1 ids have 24 classes/],
  ];

  for (const [what, make, reason] of [...chained, ...unusable]) {
    it(`is never served where it ${what}; the version before keeps answering and says why`, async () => {
      const before = await ask(server);
      const forged = await make();
      await forge(services, forged);
      const metadata = async () => (await server.get(`/v2/models/${FINDER}`)).json;
      await until('it is refused', async () => (await metadata()).parameters.refused_bundle === forged.bundle.digest);
      const { parameters } = await metadata();
      match(parameters.refused, reason);
      equal(parameters.bundle, current.bundle.digest);
      deepEqual(await ask(server), before);
    });
  }

  it('is not even signed: the deployment asks the same', async () => {
    for (const [, make, message] of chained) {
      await rejects(deploy(services, await make()), { kind: 'ApprovalRefused', message });
    }
  });

  it('is none that a classifier may bring along', async () => {
    const release = await approvedRelease(services, { bundleFiles: { 'index/index.json': header({}) } });
    const message = /index\/index\.json was not part of the evaluated model/;
    await rejects(deploy(services, release), { kind: 'ApprovalRefused', message });
    await forge(services, release);
    await until('it is refused', async () => (await server.get(`/v2/models/${MODEL}`)).status === 503);
    match((await server.get(`/v2/models/${MODEL}`)).json.error, message);
  });

  it('is found by one flipped byte of a vector in the store', async () => {
    const next = await madeRetriever(services, { named: 'other-', k: 3 });
    const release = await approvedRelease(services, { retriever: next.input });
    await deploy(services, release);
    // The vectors are those of the release before: other files of this one are hit.
    for (const path of ['index/index.json', 'retrieval.json']) {
      const { entries } = await services.store.tree(release.bundle);
      const digest = entries.find((entry) => entry.path === path)!.digest;
      const bytes = await services.store.getBytes(digest);
      const flipped = Buffer.from(bytes);
      flipped[10] = flipped[10]! ^ 1;
      await services.objects.putBytes(blobKey(digest), flipped);
      const cache = await mkdtemp(join(tmpdir(), 'espalier-cache-'));
      const remote = await startTestServer({
        ...services,
        ...(await openStore({ ...services.env, XDG_CACHE_HOME: cache })),
      });
      try {
        await until('the damage is seen', async () => (await remote.get(`/v2/models/${FINDER}`)).status === 503);
        match(
          (await remote.get(`/v2/models/${FINDER}`)).json.error,
          /stored bytes of sha256:\w+ are not what was stored/,
        );
      } finally {
        await remote.drain();
        await services.objects.putBytes(blobKey(digest), bytes);
      }
    }
  });
});

function unitVectors(rows: number, dimension: number): Buffer {
  return Buffer.from(Float32Array.from({ length: rows * dimension }, (_, at) => (at % dimension === 0 ? 1 : 0)).buffer);
}

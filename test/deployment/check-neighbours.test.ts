import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { compareNeighbours, graphBuildingMs } from '../../activities/deployment/check-neighbours.ts';
import { packageRetriever } from '../../activities/deployment/package-retriever.ts';
import { slsaProvenance } from '../../activities/deployment/slsa-provenance.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import { GRAPH_SETTINGS } from '../../inference/retrieval/graph.ts';
import { withServices } from '../support/bundle.ts';
import { startTestServer, type TestServer } from '../support/model-server.ts';
import { approvedRelease, deploy } from '../support/release.ts';
import { FINDER, madeRetriever, type MadeRetriever } from '../support/retriever.ts';
import { runStep } from '../support/step.ts';

interface Output {
  name: string;
  data: (string | number)[];
}

describe('the check of a deployed model that finds pictures', () => {
  let services: ActivityServices;
  let server: TestServer;
  let made: MadeRetriever;
  before(async () => {
    services = await withServices();
    made = await madeRetriever(services);
    server = await startTestServer(services);
  });
  after(() => server.drain());

  it('asks with test pictures what the index has for them, and leaves no trace in the log', async () => {
    const serving = { ...services, servingUrl: server.url };
    for (const graph of [undefined, GRAPH_SETTINGS]) {
      const { input } = await madeRetriever(services, graph === undefined ? {} : { graph, tuned: true });
      const deployment = await deploy(serving, await approvedRelease(services, { retriever: input }));
      deepEqual(deployment.serving, { url: server.url, checkedRows: 16, agreement: 1 });
      await server.recorder.flush();
      deepEqual(await readPredictions(services, FINDER, deployment.bundle.digest, 100), []);
    }
  });

  it('takes a release back whose server finds otherwise than its index has', async () => {
    // The embeddings that were evaluated are others than the server's.
    const { reference } = made.input.evaluation;
    const { entries } = await services.store.tree(reference);
    const size = entries.find(({ path }) => path === 'embeddings.f32')!.size;
    const other = Buffer.from(Float32Array.from({ length: size / 4 }, (_, at) => (at % 3 === 2 ? 1 : 0)).buffer);
    const bundleFiles = { 'reference/embeddings.f32': other };
    const release = await approvedRelease(services, { retriever: made.input, bundleFiles });
    await rejects(deploy({ ...services, servingUrl: server.url }, release, 'run-2'), {
      kind: 'BadModel',
      message: /finds otherwise than the index has it: test picture 1: '\d+' is said to be/,
    });
  });

  it('sees each way in which an answer can be wrong', async () => {
    const release = await approvedRelease(services, { retriever: made.input });
    const serving = { ...services, servingUrl: server.url };
    await deploy(serving, release, 'run-3');
    const url = `${server.url}/v2/models/${FINDER}/infer`;
    const wrong: readonly (readonly [(outputs: Output[]) => unknown, string, RegExp])[] = [
      [([id]) => (id!.data[1] = id!.data[0]!), 'BadModel', /finds one picture twice/],
      [([id]) => (id!.data[0] = 'nobody'), 'BadModel', /'nobody' is not in the index/],
      [([, , label]) => (label!.data[2] = 'violet'), 'BadModel', /is said to be a 'violet'/],
      [([, similarity]) => (similarity!.data[3] = 0.5), 'BadModel', /is said to be 0\.5 near/],
      [(outputs) => outputs.forEach(({ data }) => data.pop()), 'NetworkUnavailable', /not 4 neighbours/],
      [(outputs) => outputs.pop(), 'NetworkUnavailable', /not 4 neighbours/],
      [(outputs) => (outputs[1]!.data[0] = 'near'), 'NetworkUnavailable', /not 4 neighbours/],
    ];
    for (const [change, kind, message] of wrong) {
      await between(url, change, (liar) =>
        rejects(compareNeighbours(liar, release.bundle, services, new AbortController().signal), { kind, message }),
      );
    }
    // All true, each under its own picture, and yet the nearest was left out.
    const leaveOut = (outputs: Output[]): void => {
      for (const { data } of outputs) data.shift();
    };
    await between(
      url,
      leaveOut,
      (liar) =>
        rejects(compareNeighbours(liar, release.bundle, services, new AbortController().signal), {
          kind: 'BadModel',
          message: /nearer is one of/,
        }),
      { k: 5 },
    );
  });

  it('reads the index from files, never as bytes that the store gives at once', async () => {
    const own = await withServices();
    const { input } = await madeRetriever(own);
    const asking = await startTestServer(own);
    try {
      const release = await approvedRelease(own, { retriever: input });
      await deploy({ ...own, servingUrl: asking.url }, release);
      const { entries } = await own.store.tree(release.bundle);
      const ofIndex = new Set(entries.filter(({ path }) => path.startsWith('index/')).map(({ digest }) => digest));
      equal(ofIndex.size, 2);
      const getBytes = own.store.getBytes.bind(own.store);
      Object.assign(own.store, {
        getBytes: (asked: ArtifactRef | Digest) => {
          const digest = typeof asked === 'string' ? asked : asked.digest;
          return ofIndex.has(digest) ? Promise.reject(new Error(`${digest} is too large`)) : getBytes(asked);
        },
      });
      const url = `${asking.url}/v2/models/${FINDER}/infer`;
      const { checkedRows } = await compareNeighbours(url, release.bundle, own, new AbortController().signal);
      equal(checkedRows, 16);
    } finally {
      await asking.drain();
    }
  });

  it('waits longer for a graph, which is built before it is served', async () => {
    const bundleOf = async (graph?: typeof GRAPH_SETTINGS) => {
      const { input } = await madeRetriever(services, graph === undefined ? {} : { graph });
      return (await runStep(packageRetriever, input, services)).bundle;
    };
    equal(await graphBuildingMs(services.store, await bundleOf()), 0);
    equal(await graphBuildingMs(services.store, await bundleOf(GRAPH_SETTINGS)), 24 * 3 * 0.01);
  });

  it('stands beside a provenance that names the index, its rows and what it was made of', async () => {
    const { input } = made;
    const { embedder, index, indexed, dataset, pipeline, definition } = input;
    const facts: RunFacts = {
      run: { id: 'run', pipeline: 'finding', startedBy: 'ada', startedAt: '2026-01-01T00:00:00Z', trigger: 'user' },
      pipeline,
      definition,
      steps: [],
      data: dataset,
      exported: { embedder, index, ...indexed },
      electorate: { approvers: [], breakGlass: [], excluded: [] },
      approvals: [],
    };
    const trees = {
      base: await services.store.tree(input.baseModel.model),
      dataset: await services.store.tree(dataset.dataset),
    };
    const { predicate } = slsaProvenance(facts, FINDER, index.digest, trees);
    const said = JSON.stringify(predicate);
    match(said, new RegExp(`"index":{"name":"index","digest":{"sha256":"${index.digest.slice(7)}"}`));
    match(said, /"annotations":{"split":"train","rows":24,"dimension":3,"search":"exact"}/);
    match(said, new RegExp(`"name":"dataset","digest":{"sha256":"${dataset.dataset.digest.slice(7)}"}`));
  });
});

/** A server in between that changes the answers, and with `more` the parameters of what is asked. */
async function between(
  url: string,
  change: (outputs: Output[]) => unknown,
  ask: (url: string) => Promise<void>,
  more: object = {},
): Promise<void> {
  const passOn = async (request: IncomingMessage): Promise<string> => {
    const asked = JSON.parse(await text(request)) as { parameters: object };
    const body = JSON.stringify({ ...asked, parameters: { ...asked.parameters, ...more } });
    const answer = (await (await fetch(url, { method: 'POST', body })).json()) as { outputs: Output[] };
    change(answer.outputs);
    return JSON.stringify(answer);
  };
  const server = createServer((request, response) => void passOn(request).then((answer) => response.end(answer)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await ask(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

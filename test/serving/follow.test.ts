import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { ApprovalRecord } from '../../activities/contract/evidence.ts';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey } from '../../artifacts/bundle.ts';
import { openStore } from '../../artifacts/open.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { blobKey } from '../../artifacts/store.ts';
import { MODEL, testPipeline, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy, forge } from '../support/release.ts';
import { startTestServer, until, type TestServer } from '../support/model-server.ts';
import type { TestStore } from '../support/store.ts';

const OLD = ['even', 'odd'];
const NEW = ['gerade', 'ungerade'];

describe('following the registry', () => {
  let services: TestStore & ActivityServices;
  let server: TestServer;
  let current: DeployModelInput;

  beforeEach(async () => {
    services = await withServices();
    current = await approvedRelease(services, { labels: OLD });
    await deploy(services, current);
    server = await startTestServer(services);
    await until('the model is served', async () => (await server.get(`/v2/models/${MODEL}/ready`)).status === 200);
  });
  afterEach(() => server.drain());

  const labels = async () => (await server.infer(MODEL, ['a', 'b c d'])).json.outputs[0].data as string[];
  const metadata = async () => (await server.get(`/v2/models/${MODEL}`)).json;
  const metric = async (name: string) => {
    const text = (await server.get('/metrics')).bytes.toString();
    return Number(new RegExp(`^espalier_serving_${name} (.*)$`, 'm').exec(text)?.[1] ?? 0);
  };
  const rejection = (vote: ApprovalRecord): ApprovalRecord[] => [
    vote,
    { ...vote, decision: 'reject', approver: 'rita' },
  ];

  const forgeries: readonly (readonly [string, () => Promise<DeployModelInput>, RegExp])[] = [
    [
      'a prototype stands in production',
      () =>
        approvedRelease(services, {
          labels: NEW,
          pipeline: { ...testPipeline(), prototype: { trainRows: 100, measuredRows: 100, seed: 7 } },
        }),
      /it is a prototype/,
    ],
    [
      'nobody approved',
      () => approvedRelease(services, { labels: NEW, votes: () => [] }),
      /no 'release' approval is on record/,
    ],
    ['somebody rejected', () => approvedRelease(services, { labels: NEW, votes: rejection }), /rita decided 'reject'/],
    [
      'only the review approved',
      () => approvedRelease(services, { labels: NEW, votes: (vote) => [{ ...vote, approval: 'review' }] }),
      /no 'release' approval is on record/,
    ],
    [
      'the run’s starter approved',
      () => approvedRelease(services, { labels: NEW, votes: (vote) => [{ ...vote, approver: 'ada' }] }),
      /'ada' started this run/,
    ],
    [
      'nobody reviewed',
      () => approvedRelease(services, { labels: NEW, reviews: () => [] }),
      /no 'review' approval is on record/,
    ],
    [
      'the review was of other data',
      () => approvedRelease(services, { labels: NEW, reviewed: { data: { dataset: current.bundle } } }),
      /the evidence's data is not what was reviewed/,
    ],
    [
      'the votes on the review were changed after the approval',
      async () => {
        const { approvals, ...release } = await approvedRelease(services, { labels: NEW });
        return { ...release, approvals: approvals.map((vote) => ({ ...vote, comment: 'fine' })) };
      },
      /the votes on the review are not those of the release's evidence/,
    ],
    [
      'an approver without the role approved',
      () => approvedRelease(services, { labels: NEW, votes: (vote) => [{ ...vote, roles: ['legal'] }] }),
      /'olga' votes as legal and holds product-owner/,
    ],
    [
      'other evidence was approved',
      () =>
        approvedRelease(services, {
          labels: NEW,
          votes: (vote) => [{ ...vote, evidenceDigest: digestBytes('stale') }],
        }),
      /approval is about evidence sha256:/,
    ],
    [
      'the evidence is about another bundle',
      () => approvedRelease(services, { labels: NEW, evidenceBundle: current.bundle }),
      /the evidence is about bundle sha256:/,
    ],
    [
      'the bundle was exchanged after the approval',
      async () => ({ ...current, bundle: (await approvedRelease(services, { labels: NEW })).bundle }),
      /the evidence is about bundle sha256:/,
    ],
    [
      'the bundle holds another model than was evaluated',
      () => approvedRelease(services, { labels: NEW, bundleFiles: { [`${MODEL}/1/classifier.json`]: '{}' } }),
      /classifier\.json is sha256:\w+, but sha256:\w+ was evaluated/,
    ],
    [
      'the bundle lacks a file of the evaluated model',
      () => approvedRelease(services, { labels: NEW, bundleFiles: { [`${MODEL}/1/tokenizer.json`]: null } }),
      /the bundle lacks tiny-parity\/1\/tokenizer\.json/,
    ],
    [
      'the bundle holds more than the evaluated model',
      () => approvedRelease(services, { labels: NEW, bundleFiles: { [`${MODEL}/1/model.onnx.data`]: 'x' } }),
      /model\.onnx\.data was not part of the evaluated model/,
    ],
  ];
  for (const [what, make, reason] of forgeries) {
    it(`never serves a release where ${what}; the version before keeps serving and says why`, async () => {
      const forged = await make();
      const before = await labels();
      await forge(services, forged);
      await until('the release is refused', async () => (await metadata()).parameters.refused !== undefined);
      const { versions, parameters } = await metadata();
      match(parameters.refused, reason);
      equal(parameters.refused_bundle, forged.bundle.digest);
      deepEqual([versions, parameters.bundle], [['1'], current.bundle.digest]);
      deepEqual(await labels(), before);
      equal((await server.get('/v2/health/ready')).status, 200);
      equal(await metric(`releases_refused_total\\{model="${MODEL}",kind="ApprovalRefused"\\}`), 1);
      match((await server.post('/v2/repository/index', {})).json[0].reason, reason);
      ok(server.lines.some((line) => line.includes('release-refused')));
    });
  }

  it('never serves a bundle with one flipped byte, and serves it once the bytes are right', async () => {
    const next = await approvedRelease(services, { labels: NEW });
    const { entries } = await services.store.tree(next.bundle);
    // A file of its own: the old version must not be hit, too.
    const entry = entries.find(({ path }) => path === `${MODEL}/1/classifier.json`);
    ok(entry);
    const bytes = await services.store.getBytes(entry.digest);
    const flipped = Buffer.from(bytes);
    flipped[10] = (flipped[10] ?? 0) ^ 1;
    await services.objects.putBytes(blobKey(entry.digest), flipped);
    const remote = await startTestServer({ ...services, ...(await freshCache(services)) });
    try {
      await until(
        'the old version is served',
        async () => (await remote.get(`/v2/models/${MODEL}/ready`)).status === 200,
      );
      await deploy(services, next);
      await until(
        'the damage is seen',
        async () => (await remote.get(`/v2/models/${MODEL}`)).json.parameters.refused !== undefined,
      );
      const { parameters } = (await remote.get(`/v2/models/${MODEL}`)).json;
      match(parameters.refused, /stored bytes of sha256:\w+ are not what was stored/);
      equal(parameters.bundle, current.bundle.digest);
      equal((await remote.infer(MODEL, ['a'])).status, 200);
      await services.objects.putBytes(blobKey(entry.digest), bytes);
      await until('the repaired bundle is served', async () => {
        return (await remote.get(`/v2/models/${MODEL}`)).json.parameters.bundle === next.bundle.digest;
      });
    } finally {
      await remote.drain();
    }
  });

  it('refuses pointers and records that are not what they should be, and goes on', async () => {
    const key = channelKey(MODEL, 'production');
    const { store, pointers } = services;
    const broken = [7, {}, { version: 1, model: MODEL, channel: 'production', bundle: 'x', release: current.bundle }];
    for (const value of broken) {
      const seen = server.lines.filter((line) => line.includes('release-refused')).length;
      equal(await pointers.replace(key, value, (await pointers.read(key))?.version), true);
      await until('it is refused', () => server.lines.filter((line) => line.includes('release-refused')).length > seen);
      match((await metadata()).parameters.refused, /channel pointer is malformed/);
    }
    const release = await store.putJson({ version: 1, model: MODEL }, 'release');
    const pointer = {
      version: 1,
      model: MODEL,
      channel: 'production',
      bundle: current.bundle,
      release,
      revision: 9,
      updatedAt: '',
    };
    await pointers.replace(key, pointer, (await pointers.read(key))?.version);
    await until('the record is refused', async () =>
      /release record is malformed/.test((await metadata()).parameters.refused),
    );
    equal((await server.infer(MODEL, ['a'])).status, 200);
  });

  it('follows the other models when one pointer is no JSON or no name', async () => {
    await services.objects.putBytes('registry/another/channels/production', Buffer.from('garbage'));
    await services.objects.putBytes('registry/a b/channels/production', Buffer.from('{}'));
    await until('both are counted', async () => (await metric('registry_errors_total')) >= 2);
    const next = await approvedRelease(services, { labels: NEW });
    await deploy(services, next);
    await until('the good one is followed', async () => (await metadata()).parameters.bundle === next.bundle.digest);
    match((await server.infer('another', ['a'])).json.error, /no version that may be served: .* is not JSON/);
    equal((await server.infer('a%20b', ['a'])).status, 404);
    const logged = server.lines.filter((line) => line.includes('registry-unreadable'));
    equal(logged.length, 2, 'the same trouble is logged once');
  });

  it('forgets a damaged pointer once it is as it was', async () => {
    const key = channelKey(MODEL, 'production');
    const good = await services.objects.getBytes(key);
    ok(good);
    await services.objects.putBytes(key, Buffer.from('garbage'));
    await until('the damage is seen', async () => /is not JSON/.test((await metadata()).parameters.refused));
    equal((await server.infer(MODEL, ['a'])).status, 200);
    await services.objects.putBytes(key, good.bytes);
    await until('it is forgotten', async () => (await metadata()).parameters.refused === undefined);
    equal((await server.post('/v2/repository/index', {})).json[0].reason, '');
    ok(!server.lines.some((line) => line.includes('model-unloaded')), 'it is not loaded again');
  });

  for (const models of [[MODEL], 'all'] as const) {
    it(`unloads a model whose pointer is deleted, answers what it accepted, and serves it again (${String(models)})`, async () => {
      const follower = await startTestServer(services, { models });
      try {
        const ready = async () => (await follower.get(`/v2/models/${MODEL}/ready`)).status;
        await until('it is served', async () => (await ready()) === 200);
        const pool = follower.follower.states.get(MODEL)?.served?.pool;
        ok(pool);
        const key = channelKey(MODEL, 'production');
        const good = await services.objects.getBytes(key);
        ok(good);
        const many = Array.from({ length: 1000 }, (_, row) => `text ${row} ${'long '.repeat(10)}`);
        const accepted = [follower.infer(MODEL, many), follower.infer(MODEL, many)];
        const answered: unknown[] = [];
        for (const one of accepted) void one.then((reply) => answered.push(reply));
        // At every turn: a fast machine has answered them before a pause is over.
        while (pool.queued <= 1000 && answered.length < 2) await turn();
        await services.objects.delete(key);
        await until('it is not ready', async () => (await ready()) === 503);
        const { status, json } = await follower.infer(MODEL, ['a']);
        equal(status, 503);
        match(json.error, /channel 'production' serves nothing: its pointer was deleted from the registry/);
        equal((await follower.get('/v2/health/ready')).status, models === 'all' ? 200 : 503);
        deepEqual(
          (await Promise.all(accepted)).map((answer) => [answer.status, answer.json.outputs[0].data.length]),
          [
            [200, 1000],
            [200, 1000],
          ],
        );
        await until('it is unloaded', () => follower.lines.some((line) => line.includes('model-unloaded')));
        deepEqual(pool.threadIds, []);
        ok(!(await follower.get('/metrics')).bytes.toString().includes('model_info{'), 'nothing is shown as served');
        equal(follower.lines.filter((line) => line.includes('model-withdrawn')).length, 1, 'it is logged once');
        await services.objects.putBytes(key, good.bytes);
        await until('it is served again', async () => (await ready()) === 200);
      } finally {
        await follower.drain();
      }
    });
  }

  it('answers 503 with the reason for a model that never had a version to serve', async () => {
    const other = await withServices();
    await forge(other, await approvedRelease(other, { votes: () => [] }));
    const empty = await startTestServer(other, { models: [MODEL, 'missing'] });
    try {
      await until('it is refused', async () => (await empty.infer(MODEL, ['a'])).status === 503);
      match((await empty.infer(MODEL, ['a'])).json.error, /no version that may be served: no 'release' approval/);
      equal((await empty.get(`/v2/models/${MODEL}/ready`)).status, 503);
      equal((await empty.get('/v2/health/ready')).status, 503);
      equal((await empty.get('/v2/health/live')).status, 200);
    } finally {
      await empty.drain();
    }
  });

  it('switches between versions under load without failing a request', async () => {
    const releases = [
      await approvedRelease(services, { labels: NEW }),
      current,
      await approvedRelease(services, { labels: NEW }),
    ];
    const tally = { answers: 0, failures: [] as string[], byVersion: new Map<string, Set<string>>() };
    const traffic = new AbortController();
    const client = async () => {
      while (!traffic.signal.aborted) {
        const { status, json } = await server
          .infer(MODEL, ['a', 'b c', 'd'])
          .catch((error: unknown) => ({ status: 0, json: String(error) }));
        if (status !== 200) tally.failures.push(JSON.stringify(json));
        else {
          const known = tally.byVersion.get(json.model_version) ?? new Set();
          for (const label of json.outputs[0].data as string[]) known.add(label);
          tally.byVersion.set(json.model_version, known);
        }
        tally.answers += 1;
      }
    };
    const clients = Array.from({ length: 8 }, client);
    for (const [index, release] of releases.entries()) {
      await deploy(services, release, `run-${index}`);
      await until(`revision ${index + 2} is served`, async () => (await metadata()).versions[0] === String(index + 2));
      const before = tally.answers;
      await until('it answered a while', () => tally.answers > before + 50);
    }
    traffic.abort();
    await Promise.all(clients);
    deepEqual(tally.failures, []);
    ok(tally.answers > 150);
    deepEqual([...tally.byVersion.keys()].toSorted(), ['1', '2', '3', '4']);
    for (const [version, answered] of tally.byVersion) {
      const vocabulary = version === '1' || version === '3' ? OLD : NEW;
      ok(
        [...answered].every((label) => vocabulary.includes(label)),
        `version ${version} answered ${[...answered].join()}`,
      );
    }
    await until(
      'the old versions are unloaded',
      () => server.lines.filter((line) => line.includes('model-unloaded')).length === 3,
    );
  });

  it('never puts into service what the channel stopped naming while it was loaded', async () => {
    const { pointers } = services;
    const key = channelKey(MODEL, 'production');
    const next = await approvedRelease(services, { labels: NEW });
    const stood = await pointers.read<object>(key);
    const read = pointers.read.bind(pointers);
    let asked = 0;
    const overtaken = async (wanted: string): Promise<unknown> => {
      const found = await read<{ readonly revision?: number }>(wanted);
      if (wanted !== key || found?.value.revision !== 2 || ++asked !== 2) return found;
      // Asked again, by a poll during the load or by the load when it has ended: taken back meanwhile.
      ok(await pointers.replace(key, { ...stood?.value, revision: 3 }, found.version));
      return read(wanted);
    };
    Object.assign(pointers, { read: overtaken });
    await deploy(services, next, 'overtaken');
    await until('revision 3 is served', async () => (await metadata()).versions[0] === '3');
    ok((await labels()).every((label) => OLD.includes(label)));
    equal((await metadata()).parameters.bundle, current.bundle.digest);
    const told = server.lines.filter((line) => line.includes(next.bundle.digest));
    ok(
      told.some((line) => line.includes('release-overtaken')),
      told.join('\n'),
    );
    ok(!told.some((line) => line.includes('model-served')), told.join('\n'));
  });

  it('takes up a new release of the same bundle without loading it again', async () => {
    await deploy(services, { ...current, recordText: true }, 'another-run');
    await until('revision 2 is served', async () => (await metadata()).versions[0] === '2');
    equal((await metadata()).parameters.bundle, current.bundle.digest);
    equal(server.follower.states.get(MODEL)?.served?.release.recordText, true);
    ok(!server.lines.some((line) => line.includes('model-unloaded')));
    equal((await server.infer(MODEL, ['a'])).json.model_version, '2');
  });

  it('keeps serving while the registry cannot be read', async () => {
    const pointers = { read: () => Promise.reject(new Error('away')), list: () => Promise.reject(new Error('away')) };
    const pollErrors = await metric('registry_errors_total');
    Object.assign(services.pointers, pointers);
    await until('the failure is counted', async () => (await metric('registry_errors_total')) > pollErrors);
    equal((await server.infer(MODEL, ['a'])).status, 200);
    equal((await server.get('/v2/health/ready')).status, 200);
  });

  it('ends a worker’s crash with a 500 and a new worker', async () => {
    const pool = server.follower.states.get(MODEL)?.served?.pool;
    ok(pool);
    const many = Array.from({ length: 1000 }, (_, row) => `text ${row} ${'long '.repeat(10)}`);
    const running = server.infer(MODEL, many);
    // At every turn: a fast machine has answered before a pause is over.
    while (pool.queued === 0) await turn();
    await pool.crashWorker();
    const { status, json } = await running;
    equal(status, 500);
    match(json.error, /request [\w-]+/);
    await until('it answers again', async () => (await server.infer(MODEL, ['a'])).status === 200);
    equal(await metric(`worker_restarts_total\\{model="${MODEL}"\\}`), 1);
  });

  it('drains: says that it is not ready, answers what it accepted, records it, takes no more', async () => {
    const slow = await startTestServer(services, { drainSeconds: 3 });
    await until('the model is served', async () => (await slow.get(`/v2/models/${MODEL}/ready`)).status === 200);
    const accepted = Array.from({ length: 20 }, () => slow.infer(MODEL, ['a', 'b']));
    const drained = slow.drain();
    equal((await slow.get('/v2/health/ready')).status, 503);
    equal((await slow.get('/v2/health/live')).status, 200);
    equal((await slow.infer(MODEL, ['late, but the balancer did not know'])).status, 200);
    deepEqual(new Set((await Promise.all(accepted)).map(({ status }) => status)), new Set([200]));
    await drained;
    await rejects(slow.get('/v2/health/live'), /fetch failed/);
    const text = await slow.metrics.registry.metrics();
    match(text, new RegExp(`predictions_recorded_total\\{model="${MODEL}"\\} 41$`, 'm'));
    equal(slow.lines.at(-1)?.includes('drained'), true);
  });
});

/** The same bucket as another machine sees it: nothing cached yet. */
async function freshCache({ env }: TestStore): Promise<Pick<ActivityServices, 'store' | 'pointers'>> {
  return openStore({ ...env, XDG_CACHE_HOME: await mkdtemp(join(tmpdir(), 'espalier-cache-')) });
}

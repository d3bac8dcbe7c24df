import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ApprovalRecord } from '../../activities/contract/evidence.ts';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import { movePointer, takeBack } from '../../activities/deployment/move-pointer.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey, type ChannelPointer, type ReleaseRecord } from '../../artifacts/bundle.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import type { Pointers } from '../../artifacts/pointers.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import { listModels, showModel } from '../../client/models.ts';
import { MODEL, packageInput, testPipeline, withServices } from '../support/bundle.ts';
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

describe('deploying a model', () => {
  let services: ActivityServices;
  beforeEach(async () => {
    services = await withServices();
  });
  const pointer = async () => (await services.pointers.read<ChannelPointer>(channelKey(MODEL, 'production')))?.value;

  it('points the channel at the bundle and says in the release record why', async () => {
    const release = await approvedRelease(services, { recordText: true });
    const deployment = await deploy(services, release, 'run-1');
    deepEqual(await pointer(), {
      version: 1,
      model: MODEL,
      channel: 'production',
      bundle: release.bundle,
      release: deployment.release,
      revision: 1,
      updatedAt: deployment.deployedAt,
    });
    const record = await services.store.getJson<ReleaseRecord>(deployment.release);
    deepEqual(
      [record.runId, record.bundle, record.previousBundle, record.evidence.digest, record.recordText],
      ['run-1', release.bundle.digest, null, release.evidence.digest, true],
    );
    deepEqual(record.approvals, release.approvals);
    deepEqual([deployment.revision, deployment.previousBundle, deployment.serving], [1, null, null]);
  });

  it('does nothing the second time in the same run, also after a lost answer', async () => {
    const first = await approvedRelease(services);
    const second = await approvedRelease(services, { labels: ['gerade', 'ungerade'] });
    await deploy(services, first, 'run-1');
    const deployment = await deploy(services, second, 'run-2');
    deepEqual([deployment.revision, deployment.previousBundle], [2, first.bundle.digest]);
    deepEqual(await deploy(services, second, 'run-2'), deployment);
    equal((await pointer())?.revision, 2);
    const again = await deploy(services, second, 'run-3');
    deepEqual([again.revision, again.previousBundle], [3, second.bundle.digest]);
  });

  it('loses no move when several runs deploy at once', async () => {
    const release = await approvedRelease(services);
    const deployments = await Promise.all(['a', 'b', 'c', 'd'].map((run) => deploy(services, release, run)));
    deepEqual(
      deployments.map(({ revision }) => revision).toSorted((a, b) => a - b),
      [1, 2, 3, 4],
    );
    equal((await pointer())?.revision, 4);
  });

  const DELEGATION = {
    id: '1',
    from: 'olga',
    to: 'dora',
    role: 'product-owner',
    startsAt: '2026-01-01T00:00:00.000Z',
    endsAt: '2026-01-03T00:00:00.000Z',
  };
  it('takes a vote by delegation, and one that broke the glass', async () => {
    const kinds: readonly ((vote: ApprovalRecord) => ApprovalRecord)[] = [
      (vote) => ({ ...vote, approver: 'dora', delegation: DELEGATION }),
      (vote) => ({ ...vote, approver: 'bruno', roles: ['break-glass'], breakGlass: true, comment: 'an outage' }),
    ];
    for (const change of kinds) {
      const release = await approvedRelease(services, { votes: (vote) => [change(vote)] });
      equal((await deploy(services, release)).bundle.digest, release.bundle.digest);
    }
  });

  const votes: readonly (readonly [string, (vote: ApprovalRecord) => readonly ApprovalRecord[], RegExp])[] = [
    ['nobody approved', () => [], /no 'release' approval is on record/],
    ['somebody rejected', (vote) => [{ ...vote, decision: 'reject' }], /decided 'reject'/],
    ['only the review was approved', (vote) => [{ ...vote, approval: 'review' }], /no 'release' approval/],
    [
      'other evidence was approved',
      (vote) => [{ ...vote, evidenceDigest: digestBytes('x') }],
      /approval is about evidence/,
    ],
    [
      'the approver has no such role',
      (vote) => [{ ...vote, roles: ['legal'] }],
      /release lacks product-owner.*the approval needs product-owner/,
    ],
    ["the run's starter approved", (vote) => [{ ...vote, approver: 'ada' }], /ada' started this run and cannot decide/],
    [
      'somebody else is meant to have approved',
      (vote) => [{ ...vote, approver: 'mallory' }],
      /'mallory' is not among the approvers/,
    ],
    ['the vote is void', (vote) => [{ ...vote, voided: { at: vote.at, reason: 'changes' } }], /no 'release' approval/],
    ['one person is on record twice', (vote) => [vote, vote], /'olga' votes on the release twice/],
    ['the vote came after the deadline', (vote) => [{ ...vote, at: '2026-02-01T00:00:00.000Z' }], /outside the time/],
    [
      'changes were requested',
      (vote) => [vote, { ...vote, approver: 'lena', decision: 'request-changes' }],
      /lena decided 'request-changes'/,
    ],
    [
      'the delegation had ended',
      (vote) => [{ ...vote, approver: 'dora', delegation: { ...DELEGATION, endsAt: '2026-01-01T23:00:00.000Z' } }],
      /delegation of 'olga' to 'dora' is not in force/,
    ],
    [
      'the delegation is of another role',
      (vote) => [{ ...vote, approver: 'dora', delegation: { ...DELEGATION, role: 'legal' } }],
      /'olga' votes as legal and holds product-owner/,
    ],
    [
      'the delegate is named as escalated, too',
      (vote) => [{ ...vote, approver: 'dora', escalated: true, delegation: { ...DELEGATION, from: 'lena' } }],
      /'lena' votes as product-owner and holds legal/,
    ],
    [
      'somebody escalated it to themselves',
      (vote) => [{ ...vote, approver: 'lena', escalated: true }],
      /from .* on, when/,
    ],
    [
      'the glass was broken by who may not',
      (vote) => [{ ...vote, breakGlass: true }],
      /'olga' may not break the glass/,
    ],
    [
      'the glass was broken without a reason',
      (vote) => [{ ...vote, approver: 'bruno', breakGlass: true, comment: ' ' }],
      /needs a comment/,
    ],
  ];
  for (const [what, change, message] of votes) {
    it(`is refused when ${what}, and the channel stays`, async () => {
      const release = await approvedRelease(services, { votes: change });
      await rejects(deploy(services, release), { kind: 'ApprovalRefused', message });
      equal(await pointer(), undefined);
    });
  }

  it('is refused when the author of the definition approved, and when seats stay empty', async () => {
    const people = {
      approvers: [
        { name: 'lena', roles: ['legal'] },
        { name: 'olga', roles: ['product-owner'] },
      ],
      breakGlass: [],
    };
    const excluded = [{ name: 'olga', because: 'definition-author' as const }];
    const authored = await approvedRelease(services, { electorate: { ...people, excluded } });
    await rejects(deploy(services, authored), { kind: 'ApprovalRefused', message: /'olga' is the author/ });
    const { approvals, ...rest } = testPipeline();
    const seats = [{ role: 'product-owner', count: 2 }];
    const pipeline = { ...rest, approvals: { ...approvals, release: { ...approvals.release, seats } } };
    const short = await approvedRelease(services, { pipeline });
    await rejects(deploy(services, short), { kind: 'ApprovalRefused', message: /the release lacks product-owner/ });
    equal(await pointer(), undefined);
  });

  type Options = NonNullable<Parameters<typeof approvedRelease>[1]>;
  const reviews: readonly (readonly [string, Options, RegExp])[] = [
    ['nobody reviewed', { reviews: () => [] }, /no 'review' approval is on record/],
    [
      'the review was rejected',
      { reviews: (vote) => [{ ...vote, decision: 'reject' }] },
      /lena decided 'reject' on the review/,
    ],
    [
      'a reviewer rejected what another approved',
      { reviews: (vote) => [vote, { ...vote, decision: 'reject', approver: 'rita' }] },
      /rita decided 'reject' on the review/,
    ],
    [
      'the reviewer has no such role',
      { reviews: (vote) => [{ ...vote, roles: ['product-owner'] }] },
      /review lacks legal.*the approval needs legal/,
    ],
    [
      "the run's starter reviewed",
      { reviews: (vote) => [{ ...vote, approver: 'ada' }] },
      /ada' started this run and cannot decide/,
    ],
    [
      'the reviewed pack is not in the store',
      { reviews: (vote) => [{ ...vote, evidenceDigest: digestBytes('x') }] },
      /review's evidence pack sha256:\w+ is not in the store/,
    ],
    [
      'another run was reviewed',
      { reviewed: { run: { id: 'another' } } },
      /the review is of run another, not test-run/,
    ],
    [
      'other data were reviewed',
      { reviewed: { data: { dataset: { digest: digestBytes('x'), size: 1, mediaType: 'a/b', name: 'x' } } } },
      /the evidence's data is not what was reviewed/,
    ],
    [
      'another licence was reviewed',
      { reviewed: { candidates: [{ id: 'tiny', resolved: { licence: 'mit' } }] } },
      /the evidence's candidates is not what was reviewed/,
    ],
    [
      'another winner was reviewed',
      { reviewed: { selection: { winner: 'another' } } },
      /the evidence's selection is not what was reviewed/,
    ],
    ['no personal data were counted', { reviewed: { privacy: null } }, /the review pack's facts.json is malformed/],
  ];
  for (const [what, options, message] of reviews) {
    it(`is refused when ${what}, and the channel stays`, async () => {
      const release = await approvedRelease(services, options);
      await rejects(deploy(services, release), { kind: 'ApprovalRefused', message });
      equal(await pointer(), undefined);
    });
  }

  it('is refused when the votes on the review are not, to the byte, those of the evidence', async () => {
    const release = await approvedRelease(services);
    const message = /the votes on the review are not those of the release's evidence/;
    for (const change of [{ comment: 'fine' }, { at: '2026-01-01T13:00:00.000Z' }, { approval: 'other' as 'review' }]) {
      const approvals = release.approvals.map((vote) => (vote.approval === 'review' ? { ...vote, ...change } : vote));
      await rejects(deploy(services, { ...release, approvals }), { kind: 'ApprovalRefused', message });
    }
    equal(await pointer(), undefined);
  });

  it('is refused for another bundle, channel or model than the evidence names', async () => {
    const release = await approvedRelease(services);
    const other = await approvedRelease(services, { labels: ['x', 'y'] });
    await rejects(deploy(services, { ...release, bundle: other.bundle }), {
      kind: 'ApprovalRefused',
      message: /evidence is about bundle/,
    });
    await rejects(
      deploy(services, { ...release, channel: 'staging' }),
      /evidence is for tiny-parity\/production, not tiny-parity\/staging/,
    );
    await rejects(deploy(services, { ...release, evidence: release.bundle }), /no facts\.json/);
    const swapped = await approvedRelease(services, { bundleFiles: { [`${MODEL}/1/model.onnx`]: 'other bytes' } });
    await rejects(deploy(services, swapped), {
      kind: 'ApprovalRefused',
      message: /model\.onnx is sha256:\w+, but sha256:\w+ was evaluated/,
    });
    equal(await pointer(), undefined);
  });

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

  describe('retried', () => {
    const move = async (run: string, release: DeployModelInput) =>
      movePointer(run, release, release.bundle, services, new AbortController().signal);

    it('never moves the channel back over a newer run, and names that run', async () => {
      const older = await approvedRelease(services);
      const newer = await approvedRelease(services, { labels: ['gerade', 'ungerade'] });
      await deploy(services, older, 'run-a');
      await deploy(services, newer, 'run-b');
      const superseded = {
        kind: 'Conflict',
        retryable: false,
        message: /release of run-a is superseded by run-b: tiny-parity\/production is at revision 2/,
      };
      await rejects(deploy(services, older, 'run-a'), superseded);
      deepEqual([(await pointer())?.bundle, (await pointer())?.revision], [newer.bundle, 2]);
      await deploy(services, newer, 'run-c');
      await rejects(deploy(services, older, 'run-a'), /superseded by run-c: .* revision 3/);
      equal((await deploy(services, older, 'run-d')).revision, 4, 'a new run may bring the older bundle back');
    });

    it('knows its own move also where the worker died before it was told of it', async () => {
      const release = await approvedRelease(services);
      const lost = dying(services, { after: true });
      await rejects(deploy(lost, release, 'run-a'), /the worker died/);
      equal((await pointer())?.revision, 1);
      await deploy(services, await approvedRelease(services, { labels: ['x', 'y'] }), 'run-b');
      await rejects(deploy(services, release, 'run-a'), { kind: 'Conflict', message: /superseded by run-b/ });
      equal((await pointer())?.revision, 2);
    });

    it('moves where the worker died before it had moved anything', async () => {
      const release = await approvedRelease(services);
      await rejects(deploy(dying(services, { after: false }), release, 'run-a'), /the worker died/);
      await deploy(services, await approvedRelease(services, { labels: ['x', 'y'] }), 'run-b');
      equal((await deploy(services, release, 'run-a')).revision, 2);
    });

    it('is superseded by what followed a release of its own that was taken back', async () => {
      const [first, refused] = [
        await approvedRelease(services),
        await approvedRelease(services, { labels: ['x', 'y'] }),
      ];
      await move('run-a', first);
      match(await takeBack(await move('run-b', refused), 'no', services), /again, as before/);
      equal((await move('run-a', first)).pointer.revision, 3);
      await move('run-c', first);
      await rejects(move('run-b', refused), { kind: 'Conflict', message: /run-b is superseded by run-c/ });
      await rejects(move('run-a', first), { kind: 'Conflict', message: /run-a is superseded by run-c/ });
    });

    it('takes nothing back once the channel has moved on', async () => {
      const release = await approvedRelease(services);
      const refused = await move('run-a', release);
      await move('run-b', release);
      match(await takeBack(refused, 'no', services), /has moved on since and was left as it is/);
      equal((await pointer())?.revision, 2);
    });
  });

  it('does not overwrite a pointer that it cannot read', async () => {
    await services.pointers.create(channelKey(MODEL, 'production'), { nonsense: true });
    await rejects(deploy(services, await approvedRelease(services)), (error: Error) => {
      equal((error as { kind?: string }).kind, 'Corrupt');
      match(error.message, /channel pointer is malformed/);
      return true;
    });
  });
});

/** Services whose worker dies at the channel's move: before the store has it, or after. */
function dying(services: ActivityServices, { after }: { readonly after: boolean }): ActivityServices {
  const { pointers } = services;
  const replace: Pointers['replace'] = async (key, value, version) => {
    if (after) await pointers.replace(key, value, version);
    throw new Error('the worker died');
  };
  return {
    ...services,
    pointers: { replace, read: pointers.read.bind(pointers), create: pointers.create.bind(pointers) } as Pointers,
  };
}

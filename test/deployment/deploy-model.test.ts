import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import type { ApprovalRecord } from '../../activities/contract.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey, type ChannelPointer, type ReleaseRecord } from '../../artifacts/bundle.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { readPredictions } from '../../artifacts/predictions.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy } from '../support/release.ts';
import { startTestServer } from '../support/model-server.ts';

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
      /holds one of the roles product-owner/,
    ],
    ["the run's starter approved", (vote) => [{ ...vote, approver: 'ada' }], /cannot approve its release/],
  ];
  for (const [what, change, message] of votes) {
    it(`is refused when ${what}, and the channel stays`, async () => {
      const release = await approvedRelease(services, { votes: change });
      await rejects(deploy(services, release), { kind: 'ApprovalRefused', message });
      equal(await pointer(), undefined);
    });
  }

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

  it('says how often the server disagrees with the evaluation', async () => {
    const wrong = new Float32Array(48);
    const release = await approvedRelease(services, {
      bundleFiles: { 'reference/probabilities.f32': new Uint8Array(wrong.buffer) },
    });
    const server = await startTestServer(services);
    try {
      const { serving } = await deploy({ ...services, servingUrl: server.url }, release);
      deepEqual(serving, { url: server.url, checkedRows: 16, agreement: 0 });
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

  it('gives up at once when the server refuses the bundle for good', async () => {
    const server = await startTestServer(services);
    try {
      const serving = { ...services, servingUrl: server.url };
      await deploy(serving, await approvedRelease(services));
      // An approved model that does not load: its config has fewer labels than its graph.
      const broken = await approvedRelease(services, { labels: ['only one'] });
      const startedAt = performance.now();
      await rejects(deploy(serving, broken, 'run-2'), {
        kind: 'ApprovalRefused',
        message: /it refused it \(.*labels/s,
      });
      ok(performance.now() - startedAt < 10_000);
      equal((await server.infer(MODEL, ['a'])).status, 200);
    } finally {
      await server.drain();
    }
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

import { deepEqual, equal, match, rejects } from 'node:assert/strict';
import type { ApprovalRecord } from '../../activities/contract/evidence.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey, type ChannelPointer, type ReleaseRecord } from '../../artifacts/bundle.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { MODEL, testPipeline, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy } from '../support/release.ts';

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

  it('does not overwrite a pointer that it cannot read', async () => {
    await services.pointers.create(channelKey(MODEL, 'production'), { nonsense: true });
    await rejects(deploy(services, await approvedRelease(services)), (error: Error) => {
      equal((error as { kind?: string }).kind, 'Corrupt');
      match(error.message, /channel pointer is malformed/);
      return true;
    });
  });
});

import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import type { ApprovalRecord } from '../../activities/contract/evidence.ts';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey } from '../../artifacts/bundle.ts';
import { digestBytes, digestJson } from '../../artifacts/digest.ts';
import { signStatement } from '../../artifacts/dsse.ts';
import { modelStatement } from '../../artifacts/model-signature.ts';
import type { Signer, TrustedKey, TrustedKeys } from '../../artifacts/signing-keys.ts';
import { openVote, statementProblems, type StatedVote } from '../../artifacts/vote-statement.ts';
import { verifyRelease } from '../../serving/release.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { approvedRelease, deploy, forge, withStatement } from '../support/release.ts';
import { newTestKey, TEST_KEY } from '../support/signing.ts';

describe('a vote’s signed statement', () => {
  const stranger = newTestKey();
  let services: ActivityServices;
  let input: DeployModelInput;
  before(async () => {
    services = await withServices();
    input = await approvedRelease(services);
  });

  /** The release with its release vote changed after it was signed, or signed otherwise. */
  const withVote = async (change: (unsigned: ApprovalRecord) => ApprovalRecord | Promise<ApprovalRecord>) => {
    const approvals: ApprovalRecord[] = [];
    for (const vote of input.approvals) {
      const { statement: _, ...unsigned } = vote;
      approvals.push(vote.approval === 'review' ? vote : await change(unsigned));
    }
    return { ...input, approvals };
  };
  const saying =
    (change: Partial<StatedVote>, signer?: Signer) =>
    (vote: ApprovalRecord): Promise<ApprovalRecord> =>
      withStatement(services.store, vote, change, signer);
  const stored = async (value: object, vote: ApprovalRecord): Promise<ApprovalRecord> => ({
    ...vote,
    statement: (await services.store.putJson(value, 'vote')).digest,
  });
  const served = async (trusted: TrustedKeys = TEST_KEY.trusted) => {
    const pointer = await services.pointers.read<unknown>(channelKey(MODEL, 'production'));
    return verifyRelease(services.store, pointer?.value, { model: MODEL, channel: 'production' }, trusted);
  };

  it('is what a release is deployed and served by, and says who voted what on which evidence, and how they were known', async () => {
    await deploy(services, input);
    equal((await served()).bundle, input.bundle.digest);
    const vote = input.approvals.find(({ approval }) => approval === 'release');
    const { value } = openVote(await services.store.getJson(vote?.statement ?? digestBytes('')), TEST_KEY.trusted);
    deepEqual(value, {
      run: 'test-run',
      approval: 'release',
      decision: 'approve',
      approver: 'olga',
      roles: null,
      comment: 'fine',
      evidenceDigest: input.evidence.digest,
      at: '2026-01-02T00:00:00.000Z',
      authentication: { method: 'operator', login: 'test' },
      delegation: null,
      breakGlass: false,
      keyId: TEST_KEY.signer.keyId,
    });
  });

  it('lets the roles stand that the identity provider said', async () => {
    await deploy(services, await withVote(saying({ roles: ['product-owner', 'legal'] })), 'by-groups');
    await served();
  });

  const wrong: readonly (readonly [
    string,
    (vote: ApprovalRecord) => ApprovalRecord | Promise<ApprovalRecord>,
    RegExp,
  ])[] = [
    ['is missing', (vote) => vote, /olga's vote on the release: it is not signed/],
    ['is not in the store', (vote) => ({ ...vote, statement: digestJson('lost') }), /sha256:\w+ is not in the store/],
    ['is by a key that is not trusted', saying({}, stranger.signer), /by key \w{64}, which is not trusted/],
    [
      'names a trusted key and is by another',
      saying({}, { ...stranger.signer, keyId: TEST_KEY.signer.keyId }),
      /is not what key \w{64} signed/,
    ],
    [
      'is something else that a trusted key signed',
      async (vote) => stored(await signStatement(modelStatement('m', []), TEST_KEY.signer), vote),
      /what was signed is not a vote/,
    ],
    ['is no statement', (vote) => stored({ decision: 'approve' }, vote), /is not a Sigstore bundle/],
    ['is a rejection', saying({ decision: 'reject' }), /the record's decision is not what was signed/],
    ['is of another person', saying({ approver: 'mallory' }), /the record's approver is not what was signed/],
    ['is on other evidence', saying({ evidenceDigest: digestJson('x') }), /the record's evidenceDigest is not/],
    ['is on the review', saying({ approval: 'review' }), /the record's approval is not/],
    ['has another comment', saying({ comment: 'only if tested' }), /the record's comment is not/],
    ['is for another run', saying({ run: 'other' }), /it was signed for run other, not test-run/],
    ['knows of other roles', saying({ roles: ['legal'] }), /knows nothing of the role product-owner/],
    ['knows of no role', saying({ roles: [] }), /knows nothing of the role product-owner/],
    ['is in somebody else’s name', saying({ delegation: { from: 'rita' } }), /the record's delegation is not/],
    ['breaks the glass', saying({ breakGlass: true }), /the record's breakGlass is not/],
    [
      'is of another day',
      saying({ at: '2026-01-01T00:00:00.000Z' }),
      /it was signed at 2026-01-01.* recorded at 2026-01-02/,
    ],
  ];
  for (const [what, change, message] of wrong) {
    it(`that ${what} is refused at deployment, and by the server where it was deployed past that`, async () => {
      const forged = await withVote(change);
      const before = await services.pointers.read(channelKey(MODEL, 'production'));
      await rejects(deploy(services, forged, 'wrong'), { kind: 'ApprovalRefused', message });
      equal((await services.pointers.read(channelKey(MODEL, 'production')))?.version, before?.version);
      await forge(services, forged);
      await rejects(served(), { kind: 'ApprovalRefused', message });
    });
  }

  it('holds a vote to the provider’s roles unless it is by delegation or breaks the glass, whose record it holds as well', async () => {
    const [vote] = input.approvals.filter(({ approval }) => approval === 'release');
    ok(vote);
    const { statement: _, ...unsigned } = vote;
    const problems = async (record: object, said: Partial<StatedVote>): Promise<string[]> => {
      const signed = await withStatement(services.store, unsigned, { roles: ['cook'], ...said });
      return statementProblems(services.store, 'test-run', [{ ...signed, ...record }], TEST_KEY.trusted);
    };
    const delegation = { from: 'rita' };
    deepEqual(await problems({ delegation }, { delegation }), []);
    deepEqual(await problems({ breakGlass: true, roles: ['break-glass'] }, { breakGlass: true }), []);
    match((await problems({}, {})).join(), /knows nothing of the role product-owner/);
    match((await problems({ delegation: { from: 'ida' } }, { delegation })).join(), /record's delegation is not/);
    match((await problems({ breakGlass: true }, {})).join(), /record's breakGlass is not/);
  });

  it('counts no more once its key is revoked, has ended or is trusted for releases alone; a vote signed anew counts again', async () => {
    const voters = newTestKey();
    const both: TrustedKeys = new Map([...TEST_KEY.trusted, ...voters.trusted]);
    const as = (terms: Partial<TrustedKey>): TrustedKeys =>
      new Map([...both].map(([id, found]) => [id, TEST_KEY.trusted.has(id) ? found : { ...found, ...terms }]));
    const votedByConsole = await withVote(saying({}, voters.signer));
    await deploy({ ...services, trusted: as({ purposes: ['votes'] }) }, votedByConsole, 'console-key');
    await served(as({ purposes: ['votes'] }));
    await rejects(served(as({ purposes: ['releases'] })), /is not trusted for votes/);
    await rejects(served(as({ until: new Date() })), /was trusted until/);
    await rejects(
      served(TEST_KEY.trusted),
      /olga's vote on the release: the signature is by key \w+, which is not trusted/,
    );
    await deploy(services, input, 'voted-anew');
    await served(TEST_KEY.trusted);
  });

  it('cannot be held to anything by a worker that trusts no key', async () => {
    const { trusted: _, ...blind } = services;
    await rejects(deploy(blind, input, 'blind'), { kind: 'BadConfig', where: 'ESPALIER_TRUSTED_KEYS' });
  });
});

import { equal, match, ok, rejects } from 'node:assert/strict';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey } from '../../artifacts/bundle.ts';
import { modelStatement, SIGNATURE_FILE } from '../../artifacts/model-signature.ts';
import { openStatement, signStatement } from '../../artifacts/dsse.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { APPROVAL_FILE, PROVENANCE_FILE, signRelease, type Grant } from '../../artifacts/signed-release.ts';
import type { Signer, TrustedKey, TrustedKeys } from '../../artifacts/signing-keys.ts';
import { verifyRelease } from '../../serving/release.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { startTestServer, until } from '../support/model-server.ts';
import { approvedRelease, deploy, forge, NO_PROVENANCE, withFiles } from '../support/release.ts';
import { newTestKey, TEST_KEY } from '../support/signing.ts';

describe('a release’s signature', () => {
  const stranger = newTestKey();
  let services: ActivityServices;
  let input: DeployModelInput;
  before(async () => {
    services = await withServices();
    input = await approvedRelease(services);
  });

  const wanted = { model: MODEL, channel: 'production' };
  const verified = async (trusted = TEST_KEY.trusted) => {
    const pointer = await services.pointers.read<unknown>(channelKey(MODEL, 'production'));
    return verifyRelease(services.store, pointer?.value, wanted, trusted);
  };
  const granted = (change: Partial<Grant> = {}): Grant => ({
    ...input,
    runId: 'forged',
    bundle: input.bundle.digest,
    ...change,
  });
  const signed = (change: Partial<Grant> = {}, signer: Signer = TEST_KEY.signer) =>
    signRelease(services.store, granted(change), NO_PROVENANCE, signer);
  /** The signed tree with files changed, signed anew by `signer` where there is one. */
  const changed = async (files: Readonly<Record<string, string | null>>, signer?: Signer): Promise<ArtifactRef> => {
    const tree = await withFiles(services, await signed(), files);
    if (signer === undefined) return tree;
    const entries = (await services.store.tree(tree)).entries.filter(({ path }) => path !== SIGNATURE_FILE);
    const signature = await signStatement(modelStatement(MODEL, entries), signer);
    return withFiles(services, tree, { [SIGNATURE_FILE]: JSON.stringify(signature) });
  };
  const signatureOf = async (tree: ArtifactRef): Promise<string> => {
    const entry = (await services.store.tree(tree)).entries.find(({ path }) => path === SIGNATURE_FILE);
    return (await services.store.getBytes(entry?.digest ?? tree)).toString('utf8');
  };

  it('is made when a release is deployed, and only then is it served', async () => {
    await deploy(services, input);
    equal((await verified()).bundle, input.bundle.digest);
  });

  it('says in statements of their own who approved what, and how it was made', async () => {
    const { release } = await deploy(services, input);
    const { signed: tree } = await services.store.getJson<{ signed: ArtifactRef }>(release);
    const { entries } = await services.store.tree(tree);
    const statement = async (path: string) => {
      const entry = entries.find((file) => file.path === path);
      return openStatement(await services.store.getJson(entry?.digest ?? tree), TEST_KEY.trusted, 'releases').value;
    };
    const hex = input.bundle.digest.slice('sha256:'.length);
    const approval = await statement(APPROVAL_FILE);
    equal(approval?.subject[0]?.digest.sha256, hex);
    match(JSON.stringify(approval?.predicate), /"approver":"olga".*"evidenceDigest":"sha256:/);
    const provenance = await statement(PROVENANCE_FILE);
    equal(provenance?.predicateType, 'https://slsa.dev/provenance/v1');
    equal(provenance?.subject[0]?.digest.sha256, hex);
    ok(provenance);
    const { buildDefinition, runDetails } = provenance.predicate as {
      buildDefinition: { resolvedDependencies: { name: string; digest: { sha256: string } }[] };
      runDetails: { metadata: { invocationId: string } };
    };
    const names = buildDefinition.resolvedDependencies.map(({ name }) => name);
    match(names.join(' '), /base-model base-model\/LICENSE.* dataset dataset\/test\.jsonl/);
    equal(runDetails.metadata.invocationId, 'test-run');
  });

  const forgeries: readonly (readonly [string, () => Promise<ArtifactRef | null>, RegExp])[] = [
    ['is missing', () => Promise.resolve(null), /the release is not signed/],
    ['is by a key that is not trusted', () => signed({}, stranger.signer), /by key \w{64}, which is not trusted/],
    [
      'names a trusted key and is by another',
      () => signed({}, { ...stranger.signer, keyId: TEST_KEY.signer.keyId }),
      /is not what key \w{64} signed/,
    ],
    [
      'is of other bytes',
      async () =>
        changed({ [SIGNATURE_FILE]: await signatureOf(await changed({ 'labels.txt': 'x' }, TEST_KEY.signer)) }),
      /labels\.txt was signed and is missing/,
    ],
    ['does not list a file', () => changed({ 'extra.py': 'print()' }), /extra\.py is not signed/],
    [
      'is of another byte in a file',
      () => changed({ [`${MODEL}/labels.txt`]: 'odd\neven\n' }),
      /labels\.txt is sha256:\w+, but sha256:\w+ was signed/,
    ],
    [
      'is of a file that is missing',
      () => changed({ 'MODEL_CARD.md': null }),
      /MODEL_CARD\.md was signed and is missing/,
    ],
    [
      'is of more than was approved',
      () => changed({ 'extra.py': 'print()' }, TEST_KEY.signer),
      /what was signed is not the bundle sha256:\w+ to the byte/,
    ],
    [
      'has no approval beside it',
      () => changed({ [APPROVAL_FILE]: null }, TEST_KEY.signer),
      /the approval statement: /,
    ],
    [
      'is of the approval of another channel',
      () => signed({ channel: 'staging' }),
      /the approval of something else than the release record says/,
    ],
    ['is of other votes', () => signed({ approvals: [] }), /the approval of something else/],
    ['is of a release that records no texts', () => signed({ recordText: true }), /the approval of something else/],
    ['is no signature', () => changed({ [SIGNATURE_FILE]: '{}' }), /is not a Sigstore bundle/],
  ];
  for (const [what, make, message] of forgeries) {
    it(`is refused when it ${what}`, async () => {
      await forge(services, input, await make());
      await rejects(verified(), { kind: 'ApprovalRefused', message });
    });
  }

  it('counts no more once its key is not trusted: a server that starts then loads nothing of it', async () => {
    await deploy(services, input, 'another-run');
    await verified();
    await rejects(verified(stranger.trusted), { kind: 'ApprovalRefused', message: /is not trusted/ });
    const server = await startTestServer(services, { trusted: stranger.trusted });
    try {
      await until('it is refused', async () => (await server.get(`/v2/models/${MODEL}`)).json.parameters?.refused);
      equal((await server.infer(MODEL, ['a'])).status, 503);
    } finally {
      await server.drain();
    }
  });

  it('counts no more once its key has ended, or is trusted for votes alone', async () => {
    await deploy(services, input, 'ended-run');
    const as = (terms: Partial<TrustedKey>): TrustedKeys =>
      new Map([...TEST_KEY.trusted].map(([id, found]) => [id, { ...found, ...terms }]));
    await verified(as({ until: new Date(Date.now() + 60_000), purposes: ['releases', 'votes'] }));
    await rejects(verified(as({ until: new Date() })), { kind: 'ApprovalRefused', message: /was trusted until/ });
    await rejects(verified(as({ purposes: ['votes'] })), { message: /is not trusted for releases/ });
  });

  it('by any of several trusted keys will do, so that keys can be changed one after the other', async () => {
    const both = new Map([...stranger.trusted, ...TEST_KEY.trusted]);
    await deploy(services, input, 'old-key');
    await verified(both);
    await deploy({ ...services, signer: stranger.signer }, input, 'new-key');
    await verified(both);
    await rejects(verified(TEST_KEY.trusted), /is not trusted/);
  });

  it('cannot be made by a worker without a key, and the channel stays', async () => {
    const { signer: _, ...keyless } = services;
    const before = await services.pointers.read(channelKey(MODEL, 'production'));
    await rejects(deploy(keyless, input, 'keyless'), { kind: 'BadConfig', where: 'ESPALIER_SIGNING_KEY' });
    equal((await services.pointers.read(channelKey(MODEL, 'production')))?.version, before?.version);
  });
});

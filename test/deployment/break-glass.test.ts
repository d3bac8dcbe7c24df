import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { Spec, Validation } from '@cyclonedx/cyclonedx-library';
import { parse } from 'yaml';
import type { ApprovalRecord } from '../../activities/contract/evidence.ts';
import type { DeployModelInput } from '../../activities/contract/deployment.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { BOM_FILE, CARD_FILE, marksOf } from '../../artifacts/break-glass.ts';
import { channelKey, type ChannelPointer, type ReleaseRecord } from '../../artifacts/bundle.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { STATEMENT_TYPE } from '../../artifacts/dsse.ts';
import type { Digest } from '../../artifacts/reference.ts';
import { signRelease } from '../../artifacts/signed-release.ts';
import { listModels, showModel } from '../../client/models.ts';
import { verifyRelease } from '../../serving/release.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { espalier } from '../support/command.ts';
import { approvedRelease, deploy, forge } from '../support/release.ts';
import { TEST_KEY } from '../support/signing.ts';
import { testFolder, type TestStore } from '../support/store.ts';

const broken = (vote: ApprovalRecord): ApprovalRecord[] => [
  { ...vote, approver: 'bruno', roles: [], breakGlass: true, comment: 'an outage:\n# refunds | *wait*' },
];
const NO_PROVENANCE = { _type: STATEMENT_TYPE, subject: [], predicateType: 'none', predicate: {} } as const;

describe('a release that somebody broke the glass for', () => {
  let services: TestStore & ActivityServices;
  before(async () => {
    services = await withServices();
  });

  const served = async (): Promise<{ readonly bundle: Digest }> => {
    const pointer = await services.pointers.read<unknown>(channelKey(MODEL, 'production'));
    return verifyRelease(services.store, pointer?.value, { model: MODEL, channel: 'production' }, TEST_KEY.trusted);
  };
  const file = async (tree: Digest, path: string): Promise<string> => {
    const entry = (await services.store.tree(tree)).entries.find((one) => one.path === path);
    ok(entry, path);
    return (await services.store.getBytes(entry.digest)).toString('utf8');
  };

  for (const [what, options] of [
    ['release', { votes: broken }],
    ['review', { reviews: broken }],
  ] as const) {
    it(`says so for ever in its card and its bill of materials, and is served as it was approved (${what})`, async () => {
      const input = await approvedRelease(services, options);
      const { release, bundle } = await deploy(services, input, `broken-${what}`);
      const { signed } = await services.store.getJson<ReleaseRecord>(release);
      ok(signed);
      const [card, bom] = [await file(signed.digest, CARD_FILE), await file(signed.digest, BOM_FILE)];
      const [, front = '', body = ''] = /^---\n([^]*?)\n---\n([^]*)$/.exec(card) ?? [];
      ok(parse(front), 'the front matter is still YAML');
      const mark = new RegExp(
        `^\\s*> \\*\\*Released by breaking the glass\\.\\*\\* bruno approved the ${what} alone at 2026-.*: an outage: \\\\# refunds \\\\\\| \\\\\\*wait\\\\\\*\\n`,
      );
      match(body, mark);
      const { metadata } = JSON.parse(bom) as { metadata: { properties: { name: string; value: string }[] } };
      const property = metadata.properties.find(({ name }) => name === `espalier:breakGlass:${what}`);
      match(property?.value ?? '', /^bruno at 2026-.*: an outage/);
      equal(await new Validation.JsonStrictValidator(Spec.Version.v1dot6).validate(bom), null);
      // The approved bundle knows nothing of it, and is what is served.
      ok(!(await file(bundle.digest, CARD_FILE)).includes('breaking the glass'));
      equal((await served()).bundle, input.bundle.digest);
    });
  }

  it('says so in the list of models, until a release that its seats approved takes its place', async () => {
    const { store, pointers, env } = services;
    const listed = async () => (await listModels(store, pointers))[0]?.brokenGlass;
    await deploy(services, await approvedRelease(services, { votes: broken }), 'broken-list');
    const { at, ...said } = (await listed())?.[0] ?? {};
    deepEqual(said, { approval: 'release', approver: 'bruno', comment: 'an outage:\n# refunds | *wait*' });
    equal((await showModel(store, pointers, MODEL)).brokenGlass?.[0]?.at, at);
    const models = async (...args: string[]) => {
      const { code, stdout } = await espalier(['models', ...args], {
        ...process.env,
        ...env,
        ESPALIER_STATE: testFolder(),
        NO_COLOR: '1',
      });
      equal(code, 0);
      return stdout;
    };
    match(await models('list'), /GLASS BROKEN by bruno$/m);
    match(await models('show', MODEL), /GLASS BROKEN +bruno approved the release alone: an outage: # refunds/);
    await deploy(services, await approvedRelease(services), 'by-its-seats');
    deepEqual(await listed(), []);
    const pointer = await pointers.read<ChannelPointer>(channelKey(MODEL, 'production'));
    ok(pointer);
    const gone = { ...pointer.value, release: { ...pointer.value.release, digest: digestJson('gone') } };
    ok(await pointers.replace(channelKey(MODEL, 'production'), gone, pointer.version));
    equal(await listed(), null, 'a record that is gone hides no model');
  });

  it('is refused where the mark was left out, or made where nobody broke it', async () => {
    const [with_, without]: DeployModelInput[] = await Promise.all([
      approvedRelease(services, { votes: broken }),
      approvedRelease(services),
    ]);
    ok(with_ && without);
    const signing = (input: DeployModelInput, approvals: readonly ApprovalRecord[]) =>
      signRelease(
        services.store,
        { ...input, runId: 'forged', bundle: input.bundle.digest, approvals },
        NO_PROVENANCE,
        TEST_KEY.signer,
      );
    await forge(services, with_, await signing(with_, without.approvals));
    await rejects(served(), /what was signed is not the bundle/);
    await forge(services, without, await signing(without, with_.approvals));
    await rejects(served(), /what was signed is not the bundle/);
  });

  it('leaves every other release as it is', () => {
    deepEqual(marksOf([]), {});
  });
});

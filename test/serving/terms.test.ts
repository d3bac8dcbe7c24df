import { deepEqual, equal, fail, match, ok } from 'node:assert/strict';
import { channelKey, type ChannelPointer } from '../../artifacts/bundle.ts';
import { termsKey } from '../../artifacts/model-terms.ts';
import { judge, SERVICE } from '../pipelines/licence/ask.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { startTestServer, until, type TestServer } from '../support/model-server.ts';
import { approvedRelease, deploy } from '../support/release.ts';

describe('the model server', () => {
  let server: TestServer | undefined;
  after(() => server?.drain());

  it('says under which terms the model is served, and where they are', async () => {
    const services = await withServices();
    const licence = {
      verdict: 'allow',
      declared: 'llama3.1',
      spdx: null,
      reasons: [],
      howToFix: [],
      policyDigest: `sha256:${'0'.repeat(64)}`,
      licences: ['llama3.1'],
      obligations: judge('llama3.1', { ...SERVICE, derivedName: 'llama-x', mauAtModelRelease: 1 }).obligations,
    } as const;
    const release = await approvedRelease(services, { base: { licence } });
    await deploy(services, release);
    server = await startTestServer(services);
    const metadata = () => server?.get(`/v2/models/${MODEL}`).then(({ json }) => json.parameters);
    await until('the new release is served', async () => (await metadata())?.built_with !== undefined);
    const { built_with: builtWith, terms, licences, restricted } = await metadata();
    deepEqual([builtWith, licences, restricted], ['Built with Llama', 'llama3.1', true]);
    const { status, bytes, headers } = await server.get(terms);
    deepEqual([status, headers.get('content-type')], [200, 'text/markdown; charset=utf-8']);
    match(bytes.toString(), /llama3\.1: excludes fields of use: military/);

    const { value } =
      (await services.pointers.read<ChannelPointer>(channelKey(MODEL, 'production'))) ?? fail('no pointer');
    const { release: of } = value;
    const since = '2026-05-01T08:30:00.000Z';
    const reopened = {
      state: of.digest,
      release: of.digest,
      runId: 'a-run',
      by: 'a check',
      since,
      reasons: ['the text LICENSE changed'],
      outcome: null,
    };
    const changed = {
      version: 1,
      model: MODEL,
      channel: 'production',
      checkedAt: since,
      verdict: 'changed',
      source: 'x',
      report: of,
      reopened,
    };
    equal((await metadata()).review_reopened, undefined);
    const key = termsKey(MODEL, 'production');
    ok(await services.pointers.create(key, changed));
    await until('the changed terms are told', async () => (await metadata()).review_reopened !== undefined);
    equal((await metadata()).review_reopened, 'review reopened at 2026-05-01T08:30: the text LICENSE changed');
    const accepted = { ...reopened, outcome: { state: 'deployed', reason: 'accepted', at: since } };
    ok(
      await services.pointers.replace(
        key,
        { ...changed, reopened: accepted },
        (await services.pointers.read(key))?.version,
      ),
    );
    await until('the decision stands again', async () => (await metadata()).review_reopened === undefined);
  });
});

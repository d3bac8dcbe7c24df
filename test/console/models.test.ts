import assert from 'node:assert/strict';
import { channelKey, type ChannelPointer } from '../../artifacts/bundle.ts';
import { TERMS_FILE, type BundleTerms } from '../../artifacts/bundle-terms.ts';
import type { ModelDetail, ModelSummary } from '../../client/models.ts';
import type { Problem } from '../../console/problems.ts';
import { startTestConsole, type TestConsole } from '../support/console.ts';
import { sampleFacts } from '../support/facts.ts';

describe('models over HTTP', () => {
  let console: TestConsole;
  before(async () => {
    console = await startTestConsole();
  });
  after(() => console.stop());

  it('lists what is served and shows why it may be, and its lineage', async () => {
    const { store, pointers } = console.store;
    const facts = await store.putJson(sampleFacts, 'facts.json');
    const evidence = await store.putManifest([{ path: 'facts.json', ref: facts }], 'evidence');
    const model = sampleFacts.pipeline.deploy.model;
    const release = await store.putJson({ version: 1, model, runId: 'a-run', evidence, approvals: [] }, 'release.json');
    const terms: BundleTerms = {
      version: 1,
      licences: ['llama3.1'],
      builtWith: ['Built with Llama'],
      machineGenerated: false,
      restrictions: [],
      duties: [],
    };
    const pointer: ChannelPointer = {
      version: 1,
      model,
      channel: 'production',
      bundle: await store.putManifest([{ path: TERMS_FILE, ref: await store.putJson(terms, 'terms.json') }], 'bundle'),
      release,
      revision: 3,
      updatedAt: '2026-01-01T00:00:00.000Z',
    };
    assert.ok(await pointers.create(channelKey(model, 'production'), pointer));

    const list = await console.call<ModelSummary[]>('GET /v1/models');
    assert.deepEqual(
      [list.status, list.body],
      [200, [{ ...pointer, drift: null, termsCheck: null, reviewReopened: null, brokenGlass: [] }]],
    );
    const { status, body } = await console.call<ModelDetail>(`GET /v1/models/${model}`);
    assert.equal(status, 200);
    assert.deepEqual([body.revision, body.releaseRecord.runId, body.releaseRecord.evidence], [3, 'a-run', evidence]);
    assert.deepEqual(body.terms, terms);
    assert.deepEqual(body.facts.data, sampleFacts.data);
    const staging = await console.call<Problem>(`GET /v1/models/${model}?channel=staging`);
    assert.deepEqual([staging.status, staging.body.kind], [404, 'NotFound']);
    assert.equal((await console.call(`GET /v1/models/${model}?channel=other`)).status, 400);
  });
});

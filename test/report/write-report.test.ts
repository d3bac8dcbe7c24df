import assert from 'node:assert/strict';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { RunFacts } from '../../activities/contract.ts';
import { writeReport } from '../../activities/report/write-report.ts';
import { stepKey, type ActivityServices } from '../../activities/step.ts';
import { sampleFacts, sampleHistory } from '../support/facts.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';

describe('the step report.write', () => {
  let services: ActivityServices;
  let facts: RunFacts;
  before(async () => {
    const { store, pointers } = await withStore();
    services = { store, pointers, python: { executable: 'unused', packages: 'unused' } };
    const history = await store.putJson(sampleHistory, 'history.json');
    assert.ok(sampleFacts.training);
    facts = { ...sampleFacts, training: { ...sampleFacts.training, history } };
  });

  it('stores the facts, canonical, and the page as one tree', async () => {
    const written = await runStep(writeReport, { kind: 'final', facts }, services);
    const tree = await services.store.tree(written.pack);
    assert.deepEqual(
      tree.entries.map(({ path, digest }) => [path, digest]),
      [
        ['facts.json', written.json.digest],
        ['report.html', written.html.digest],
      ],
    );
    assert.equal((await services.store.getBytes(written.json)).toString('utf8'), canonicalJson(facts));
    const page = (await services.store.getBytes(written.html)).toString('utf8');
    assert.match(page, /^<!doctype html>[\s\S]*loss-plot[\s\S]*<\/html>\s*$/i);
    assert.equal(written.html.mediaType, 'text/html; charset=utf-8');
  });

  it('gives the same evidence digest for the same facts, and another for another bundle or decision', async () => {
    const digestOf = async (given: RunFacts) =>
      (await runStep(writeReport, { kind: 'release', facts: given }, services)).pack.digest;
    const first = await digestOf(facts);
    assert.equal(await digestOf(structuredClone(facts)), first);
    assert.ok(facts.bundle);
    const other = { ...facts, bundle: { ...facts.bundle, digest: `sha256:${'0'.repeat(64)}` as const } };
    assert.notEqual(await digestOf(other), first);
    assert.notEqual(await digestOf({ ...facts, approvals: [] }), first);
    assert.notEqual(
      stepKey('report.write', 1, { kind: 'release', facts: other }, null),
      stepKey('report.write', 1, { kind: 'release', facts }, null),
    );
  });

  it('writes the evidence of a run that has not been tuned', async () => {
    const { training, exported, evaluation, gates, bundle, deployment, outcome, ...early } = facts;
    assert.ok(training && exported && evaluation && gates && bundle && deployment && outcome);
    const { html } = await runStep(writeReport, { kind: 'review', facts: early }, services);
    assert.match((await services.store.getBytes(html)).toString('utf8'), /evidence for the review/);
  });

  it('fails when the curves are gone, instead of writing a report without them', async () => {
    const lost = {
      ...facts,
      training: {
        ...facts.training,
        history: { digest: `sha256:${'1'.repeat(64)}`, mediaType: 'application/json', size: 2, name: 'gone' },
      },
    } as RunFacts;
    await assert.rejects(runStep(writeReport, { kind: 'final', facts: lost }, services), { kind: 'NotFound' });
  });
});

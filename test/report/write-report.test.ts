import assert from 'node:assert/strict';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { packageModel } from '../../activities/deployment/package-model.ts';
import { writeReport } from '../../activities/report/write-report.ts';
import { stepKey, type ActivityServices } from '../../activities/step.ts';
import { packageInput } from '../support/bundle.ts';
import { sampleFacts, sampleHistory } from '../support/facts.ts';
import { runStep } from '../support/step.ts';
import { withStore } from '../support/store.ts';

describe('the step report.write', () => {
  let services: ActivityServices;
  let facts: RunFacts;
  let bundle: ArtifactRef;
  before(async () => {
    const { store, pointers } = await withStore();
    services = { store, pointers, python: { executable: 'unused', packages: 'unused' } };
    const history = await store.putJson(sampleHistory, 'history.json');
    assert.ok(sampleFacts.training && sampleFacts.evaluation);
    const packaged = await runStep(packageModel, await packageInput(services), services);
    bundle = packaged.bundle;
    const [first] = sampleFacts.evaluation.mistakes;
    const details = await store.putJson(
      {
        mistakes: [
          { rowId: first?.rowId, text: 'my parcel is late, mail jane.doe@example.org or call' },
          { rowId: 'no text' },
        ],
      },
      'evaluation.json',
    );
    facts = {
      ...sampleFacts,
      training: { ...sampleFacts.training, history },
      evaluation: { ...sampleFacts.evaluation, details },
      bundle,
    };
  });

  it('stores the facts, canonical, and the page as one tree', async () => {
    const written = await runStep(writeReport, { kind: 'final', facts }, services);
    const tree = await services.store.tree(written.pack);
    assert.deepEqual(
      tree.entries.map(({ path, digest }) => [path, digest]),
      [
        ['DOSSIER.md', tree.entries[0]?.digest],
        ['evidence.json', tree.entries[1]?.digest],
        ['facts.json', written.json.digest],
        ['report.html', written.html.digest],
      ],
    );
    assert.equal((await services.store.getBytes(written.json)).toString('utf8'), canonicalJson(facts));
    const page = (await services.store.getBytes(written.html)).toString('utf8');
    assert.match(page, /^<!doctype html>[\s\S]*loss-plot[\s\S]*<\/html>\s*$/i);
    assert.equal(written.html.mediaType, 'text/html; charset=utf-8');
  });

  it('keeps for machines what the page shows besides the facts, without a personal value', async () => {
    const written = await runStep(writeReport, { kind: 'release', facts }, services);
    const { entries } = await services.store.tree(written.pack);
    const text = async (path: string): Promise<string> => {
      const entry = entries.find((file) => file.path === path);
      assert.ok(entry, path);
      return (await services.store.getBytes(entry.digest)).toString('utf8');
    };
    const evidence = JSON.parse(await text('evidence.json')) as {
      examples: { rowId: string; text: string | null }[];
      bom: { digest: string; parts: { what: string }[] };
      cost: { stored: { bytes: number; gone: number }; money: null };
    };
    assert.deepEqual(
      evidence.examples.map((example) => example.text),
      ['my parcel is late, mail <EMAIL_1> or call', null],
    );
    const bom = (await services.store.tree(bundle)).entries.find(({ path }) => path === 'bom.cdx.json');
    assert.equal(evidence.bom.digest, bom?.digest);
    assert.deepEqual(
      evidence.bom.parts.map(({ what }) => what),
      ['model', 'base model', 'data set'],
    );
    assert.ok(evidence.cost.stored.bytes > 0 && evidence.cost.stored.gone > 0, 'what is invented here is in no store');
    for (const path of ['evidence.json', 'report.html', 'facts.json']) {
      assert.doesNotMatch(await text(path), /jane\.doe/, path);
    }
    assert.match(await text('report.html'), /mail &lt;EMAIL_1&gt; or call/);
  });

  it('is another report by other prices, and the same by the same', async () => {
    const prices = { version: 1, currency: 'EUR', source: 'x', perHour: { espalier: 1 } } as const;
    const digestWith = async (given: object): Promise<string> =>
      (await runStep(writeReport, { kind: 'release', facts }, { ...services, ...given })).pack.digest;
    const priced = await digestWith({ prices });
    assert.equal(await digestWith({ prices: structuredClone(prices) }), priced);
    assert.notEqual(await digestWith({}), priced);
    const environment = await writeReport.environment?.({ kind: 'release', facts }, { ...services, prices });
    assert.deepEqual(environment, prices, 'so that the step is computed again where they changed');
  });

  it('gives the same evidence digest for the same facts, and another for another bundle or decision', async () => {
    const digestOf = async (given: RunFacts) =>
      (await runStep(writeReport, { kind: 'release', facts: given }, services)).pack.digest;
    const first = await digestOf(facts);
    assert.equal(await digestOf(structuredClone(facts)), first);
    assert.ok(facts.bundle);
    const input = await packageInput(services, { labels: ['gerade', 'ungerade'] });
    const other = { ...facts, bundle: (await runStep(packageModel, input, services)).bundle };
    assert.notEqual(await digestOf(other), first);
    assert.notEqual(await digestOf({ ...facts, approvals: [] }), first);
    assert.notEqual(
      stepKey('report.write', 2, { kind: 'release', facts: other }, null),
      stepKey('report.write', 2, { kind: 'release', facts }, null),
    );
  });

  it('writes the evidence of a run that has not been tuned', async () => {
    const { training, exported, evaluation, gates, bundle: made, production, comparison, ...rest } = facts;
    const { deployment, outcome, ...early } = rest;
    assert.ok(training && exported && evaluation && gates && made && production && comparison);
    assert.ok(deployment && outcome);
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

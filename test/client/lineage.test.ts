import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { takeBack } from '../../activities/deployment/move-pointer.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { channelKey, type ChannelPointer, type ReleaseRecord } from '../../artifacts/bundle.ts';
import { evaluatedModel } from '../../artifacts/release.ts';
import type { TreeManifest } from '../../artifacts/reference.ts';
import { lineageOf, lineageText, readLineage, type LineageNode } from '../../client/lineage.ts';
import { lineagePicture } from '../../client/lineage-picture.ts';
import { everyRelease, findRelease } from '../../client/releases.ts';
import { MODEL, withServices } from '../support/bundle.ts';
import { digestOf, refOf, sampleFacts } from '../support/facts.ts';
import { approvedRelease, deploy } from '../support/release.ts';
import { retrievalFacts, retrievalPipeline } from '../support/retrieval-facts.ts';

const sampleRecord: ReleaseRecord = {
  version: 1,
  model: 'support-intents',
  channel: 'production',
  runId: sampleFacts.run.id,
  bundle: digestOf('bundle'),
  signed: refOf('signed'),
  previousBundle: digestOf('bundle before'),
  evidence: refOf('evidence'),
  approvals: [
    {
      approval: 'release',
      decision: 'approve',
      approver: 'omar-product',
      roles: ['product-owner'],
      comment: 'better than <what> stands & safe',
      evidenceDigest: digestOf('evidence'),
      at: '2026-03-02T10:00:00.000Z',
      openedAt: '2026-03-02T09:00:00.000Z',
      deadline: '2026-03-09T09:00:00.000Z',
    },
  ],
  monitor: {},
  recordText: false,
  runInput: refOf('run input'),
};
const files = (...paths: string[]): TreeManifest => ({
  version: 1,
  entries: paths.map((path) => ({ path, digest: digestOf(path), size: 1, mode: '644' })),
});
const sample = (): LineageNode =>
  lineageOf(
    { ref: refOf('release'), record: sampleRecord, facts: sampleFacts },
    {
      steps: new Map([['train', { codeVersion: 3 }]]),
      base: files(...Array.from({ length: 20 }, (_, index) => `file-${index}.json`)),
      dataset: files('test.jsonl', 'train.jsonl', 'validation.jsonl'),
    },
  );

describe('the release behind a digest', () => {
  let services: ActivityServices;
  before(async () => {
    services = await withServices();
  });

  it('is found by every digest of it, whole or in its first digits, also when others followed it', async () => {
    const { store, pointers } = services;
    const first = await approvedRelease(services);
    const deployed = await deploy(services, first, 'run-1');
    const record = await store.getJson<ReleaseRecord>(deployed.release);
    await deploy(services, await approvedRelease(services, { labels: ['gerade', 'ungerade'] }), 'run-2');
    const digests = [first.bundle, deployed.release, record.signed].map((ref) => ref?.digest ?? '');
    for (const digest of [...digests, first.bundle.digest.slice('sha256:'.length, 20)]) {
      equal((await findRelease(store, pointers, digest)).record.runId, 'run-1', digest);
    }
    const { exported } = (await findRelease(store, pointers, first.bundle.digest)).facts;
    const classifier = exported === undefined ? '' : evaluatedModel({ exported }).digest;
    equal((await findRelease(store, pointers, classifier)).record.runId, 'run-1');
  });

  it('is found after it was taken back', async () => {
    const { store, pointers } = services;
    const release = await approvedRelease(services, { labels: ['pari', 'dispari'] });
    const deployed = await deploy(services, release, 'run-3');
    const pointer = (await pointers.read<ChannelPointer>(channelKey(MODEL, 'production')))?.value;
    ok(pointer);
    await takeBack({ pointer, release: await store.getJson<ReleaseRecord>(deployed.release) }, 'too slow', services);
    equal((await findRelease(store, pointers, release.bundle.digest)).record.runId, 'run-3');
    const all: string[] = [];
    for await (const { record } of everyRelease(store, pointers)) all.push(record.runId);
    deepEqual(all, ['run-3', 'run-2', 'run-1']);
  });

  it('is the newest of several of one bundle, and no other is invented', async () => {
    const { store, pointers } = services;
    const release = await approvedRelease(services);
    const later = release.approvals.map((vote) => ({ ...vote, at: '2026-01-02T00:05:00.000Z' }));
    const review = later.filter(({ approval }) => approval !== 'review');
    const old = release.approvals.filter(({ approval }) => approval === 'review');
    await deploy(services, { ...release, approvals: [...old, ...review] }, 'run-4');
    equal((await findRelease(store, pointers, release.bundle.digest)).record.runId, 'run-4');
    await rejects(findRelease(store, pointers, digestOf('unknown')), { kind: 'NotFound' });
    await rejects(findRelease(store, pointers, 'abc'), { kind: 'BadConfig', message: /'abc' is not a digest/ });
  });

  it('leads to the base model, the data and the definition', async () => {
    const { store, pointers } = services;
    const release = await approvedRelease(services);
    const lineage = await readLineage(store, pointers, await findRelease(store, pointers, release.bundle.digest));
    deepEqual(
      lineage.from.map(({ kind, facts }) => [kind, facts['by'] ?? null]),
      [
        ['approval', 'lena (legal)'],
        ['approval', 'olga (product-owner)'],
        ['gates', null],
      ],
    );
    const training = lineage.from.at(-1)?.from[0];
    deepEqual(
      training?.from.map(({ kind }) => kind),
      ['base-model', 'dataset', 'definition'],
    );
    const [base, dataset] = training?.from ?? [];
    ok(base?.facts['LICENSE']?.startsWith('sha256:'), 'every file of the base model is named');
    ok(dataset?.facts['test.jsonl']?.startsWith('sha256:'));
    equal(base?.facts['licence'], 'apache-2.0; judged: allow');
  });
});

describe('the lineage', () => {
  it('as text names every link in full', () => {
    const text = lineageText(sample());
    for (const digest of ['bundle', 'signed', 'evidence', 'dataset', 'base model', 'file-19.json']) {
      match(text, new RegExp(digestOf(digest)), digest);
    }
    match(text, /^support-intents\/production\n│ {3}bundle +sha256:/);
    match(text, /├─ release: approve\n│ {6}by +omar-product \(product-owner\)\n/);
    match(text, /└─ gates: warn|└─ gates: pass/);
    match(text, /code version +3\n/);
    match(text, /hardware class +cpu, \d+ threads/);
  });

  it('as a picture is the same again, escapes what people wrote and puts no box on another', () => {
    const picture = lineagePicture(sample());
    equal(lineagePicture(sample()), picture);
    match(picture, /better than &lt;what&gt; stands/);
    match(picture, /and 13 more<\/text>/);
    const boxes = [...picture.matchAll(/<rect x="(\d+)" y="(\d+)" width="(\d+)" height="(\d+)" rx/g)].map((found) =>
      found.slice(1).map(Number),
    );
    equal(boxes.length, 7);
    for (const [index, [x = 0, y = 0, width = 0, height = 0]] of boxes.entries()) {
      for (const [otherX = 0, otherY = 0] of boxes.slice(index + 1)) {
        ok(otherX >= x + width || otherX + width <= x || otherY >= y + height || otherY < y, 'boxes overlap');
      }
    }
  });
});

describe('the lineage of a model that finds pictures', () => {
  const made = (facts: Parameters<typeof lineageOf>[0]['facts']): LineageNode => {
    const details = { steps: new Map(), base: files('model.safetensors'), dataset: files('train.jsonl') };
    const release = lineageOf({ ref: refOf('release'), record: sampleRecord, facts }, details);
    const gates = release.from.find(({ kind }) => kind === 'gates');
    ok(gates !== undefined && gates.from[0] !== undefined);
    match(gates.facts['recallAtK'] ?? '', /^pass: 0\.923 \(min 0\.9\)/);
    return gates.from[0];
  };

  it('goes from the index to the base model where nothing was tuned, and over the training where it was', () => {
    const frozen = made(retrievalFacts);
    deepEqual([frozen.kind, frozen.facts['index']], ['index', refOf('index').digest]);
    deepEqual(
      frozen.from.map(({ kind }) => kind),
      ['base-model', 'dataset', 'definition'],
    );
    const { training } = sampleFacts;
    ok(training);
    const tuned = made({ ...retrievalFacts, training, pipeline: retrievalPipeline({ training: { method: 'lora' } }) });
    deepEqual(
      tuned.from.map(({ kind, title }) => [kind, title]),
      [['training', 'training: lora']],
    );
  });
});

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bomSummary } from '../../activities/report/bom.ts';
import { costOf } from '../../activities/report/cost.ts';
import { examplesOf } from '../../activities/report/examples.ts';
import { readPrices } from '../../activities/report/prices.ts';
import { measureStored } from '../../activities/report/stored.ts';
import type { StepFact } from '../../activities/contract/evidence.ts';
import { digestOf, refOf, sampleFacts } from '../support/facts.ts';
import { withStore } from '../support/store.ts';

describe('what a run took', () => {
  const step = (id: string, queue: string, more: Partial<StepFact> = {}): StepFact => ({
    id,
    title: id,
    state: 'done',
    queue,
    attempt: 1,
    reused: false,
    startedAt: '2026-01-01T00:00:00.000Z',
    finishedAt: '2026-01-01T00:01:40.000Z',
    ranSeconds: 60,
    ...more,
  });
  const { training, pipeline } = sampleFacts;
  assert.ok(training);
  const steps = [
    step('train', 'espalier-gpu', { attempt: 3 }),
    step('evaluate', 'espalier-cpu'),
    step('export:a', 'espalier-cpu', { state: 'reused', reused: true }),
    { id: 'report', title: 'report', state: 'running', queue: 'espalier', startedAt: '2026-01-01T00:02:00.000Z' },
    { id: 'approve-review', title: 'approval', state: 'done' },
  ];

  it('counts seconds by queue, a training once a device, and nothing for what was reused or has not ended', () => {
    const two = { ...training, environment: { ...training.environment, device: 'cuda:H100', processes: 2 } };
    const { queues, device, devices, money } = costOf({ steps, training: two, pipeline }, null);
    assert.deepEqual(queues, [
      { queue: 'espalier-cpu', computed: 1, reused: 1, attempts: 1, ranSeconds: 60, elapsedSeconds: 100 },
      { queue: 'espalier-gpu', computed: 1, reused: 0, attempts: 3, ranSeconds: 120, elapsedSeconds: 200 },
    ]);
    assert.deepEqual([device, devices, money], ['cuda:H100', 2, null]);
    const [, ...untrained] = steps;
    assert.equal(costOf({ steps: untrained, training, pipeline }, null).device, null);
  });

  it('is worth what the prices say, between what ran and all the time, and names the queues without a price', () => {
    const prices = {
      version: 1,
      currency: 'CHF',
      source: 'rates',
      perHour: { 'espalier-gpu': 36 },
      perGigabyteMonth: 0.5,
    } as const;
    const stored = { artifacts: 3, bytes: 4e9, gone: 0 };
    assert.deepEqual(costOf({ steps, training, pipeline }, stored, prices).money, {
      currency: 'CHF',
      source: 'rates',
      computing: { least: 0.6, most: 1 },
      storageAMonth: 2,
      unpriced: ['espalier-cpu'],
    });
  });

  describe('by prices from a file', () => {
    let folder: string;
    before(() => (folder = mkdtempSync(join(tmpdir(), 'espalier-prices-'))));
    after(() => rmSync(folder, { recursive: true }));
    const read = (text: string) => {
      const path = join(folder, 'prices.yaml');
      writeFileSync(path, text);
      return readPrices({ ESPALIER_PRICES: path });
    };

    it('reads YAML, and no file is no money', async () => {
      const text = 'version: 1\ncurrency: EUR\nsource: finance, 2026\nperHour:\n  espalier-gpu: 2.4\n';
      const prices = { version: 1, currency: 'EUR', source: 'finance, 2026', perHour: { 'espalier-gpu': 2.4 } };
      assert.deepEqual(await read(text), { prices });
      assert.deepEqual(await readPrices({}), {});
    });

    const wrong: readonly (readonly [string, string, RegExp])[] = [
      ['a currency that is none', 'version: 1\ncurrency: euro\nsource: x\nperHour: {}', /ISO 4217[\s\S]*currency/],
      ['a price below nothing', 'version: 1\ncurrency: EUR\nsource: x\nperHour: {espalier: -1}', /perHour/],
      ['a price that is no number', 'version: 1\ncurrency: EUR\nsource: x\nperHour: {espalier: .nan}', /perHour/],
      [
        'a queue that is none',
        'version: 1\ncurrency: EUR\nsource: x\nperHour: {gpu: 1}',
        /Invalid key[\s\S]*perHour\.gpu/,
      ],
      ['an unknown field', 'version: 1\ncurrency: EUR\nsource: x\nperHour: {}\ntax: 0.2', /tax/],
      ['a bomb of aliases', 'a: &a [x, x]\nb: *a', /alias/i],
      ['text', 'free of charge', /expected object/],
    ];
    for (const [what, text, reason] of wrong) {
      it(`refuses ${what}`, async () => {
        await assert.rejects(read(text), (error: { kind?: string; message: string }) => {
          assert.equal(error.kind, 'BadConfig');
          assert.match(error.message, reason);
          return true;
        });
      });
    }
    it('refuses a file that is not there', async () => {
      await assert.rejects(readPrices({ ESPALIER_PRICES: join(folder, 'none.yaml') }), { kind: 'BadConfig' });
    });
  });

  it('counts each stored file once, however many trees hold it, and says what is gone', async () => {
    const { store } = await withStore();
    const file = await store.putBytes('x'.repeat(1000), { name: 'a', mediaType: 'text/plain' });
    const one = await store.putManifest([{ path: 'a', ref: file }], 'one');
    const other = await store.putManifest(
      [
        { path: 'a', ref: file },
        { path: 'b', ref: file },
      ],
      'other',
    );
    const stored = await measureStored(
      {
        deep: [
          { one, again: one },
          { other, file },
        ],
        gone: refOf('gone'),
      },
      store,
    );
    assert.deepEqual(stored, { artifacts: 3, bytes: 1000 + one.size + other.size + refOf('gone').size, gone: 1 });
  });
});

describe('the surest mistakes', () => {
  const mistake = (rowId: string) => ({ rowId, expected: 'a', predicted: 'b', probability: 0.9 });

  it('show no personal value, and the same placeholder for the same one', async () => {
    const texts = new Map([
      ['1', 'write to jane@example.org or jane@example.org'],
      ['2', 'card 4111 1111 1111 1111, JANE@example.org'],
    ]);
    const examples = await examplesOf([mistake('1'), mistake('2'), mistake('3')], texts);
    assert.deepEqual(
      examples.map(({ text }) => text),
      ['write to <EMAIL_1> or <EMAIL_1>', 'card <CARD_1>, <EMAIL_1>', null],
    );
  });

  it('are cut between characters, after what is personal was found in the whole text', async () => {
    const text = `${'😀'.repeat(275)} jane.doe@example.org`;
    const [example] = await examplesOf([mistake('1')], new Map([['1', text]]));
    assert.equal(example?.text, `${'😀'.repeat(275)} <EMA…`);
    assert.ok((example?.text ?? '').isWellFormed());
  });
});

describe('the bill of materials in short', () => {
  it('is refused where the document is none', () => {
    assert.throws(() => bomSummary(digestOf('x'), { specVersion: '1.6' }), /serialNumber/);
  });
});

import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadLabels, loadSplit, SPLITS } from '../../activities/data/dataset.ts';
import { normaliseText } from '../../activities/data/normalise.ts';
import type { DatasetSummary } from '../../activities/contract/data.ts';
import { csv, dataServices, jsonl, prepare, refusal, sentences, type Labelled } from './fixtures.ts';

describe('data preparation', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const rows = sentences(60, ['billing', 'delivery', 'garden']);

  async function texts(summary: DatasetSummary): Promise<Record<string, string[]>> {
    const sides = await Promise.all(SPLITS.map((split) => loadSplit(services.store, summary.dataset, split)));
    return Object.fromEntries(SPLITS.map((split, index) => [split, (sides[index] ?? []).map(({ text }) => text)]));
  }

  it('splits one file by the shares and describes it', async () => {
    const summary = await prepare(services, [{ path: 'messages.csv', content: csv(rows) }]);
    deepEqual(summary.labels, ['billing', 'delivery', 'garden']);
    deepEqual(summary.rows, { train: 42, validation: 9, test: 9 });
    deepEqual(summary.labelCounts['billing'], { train: 14, validation: 3, test: 3 });
    deepEqual(summary.dropped, {});
    deepEqual(await loadLabels(services.store, summary.dataset), summary.labels);
    const provenance = JSON.parse(
      await readFile(await services.store.fileInTree(summary.dataset, 'dataset.json'), 'utf8'),
    ) as { files: { path: string; sha256: string; rows: number }[]; licence: string; rows: unknown };
    equal(provenance.licence, 'CC0-1.0');
    deepEqual(
      provenance.files.map(({ path, rows: count }) => [path, count]),
      [['messages.csv', 60]],
    );
    match(provenance.files[0]?.sha256 ?? '', /^[0-9a-f]{64}$/);
    const sides = await texts(summary);
    deepEqual(Object.values(sides).flat().toSorted(), rows.map(({ text }) => text).toSorted());
  });

  it('gives the same tree for the same file, and the same rows whatever the order of the file', async () => {
    const [one, same, reversed, other] = [
      await prepare(services, [{ path: 'a.jsonl', content: jsonl(rows) }]),
      await prepare(services, [{ path: 'a.jsonl', content: jsonl(rows) }]),
      await prepare(services, [{ path: 'a.jsonl', content: jsonl(rows.toReversed()) }]),
      await prepare(services, [{ path: 'a.jsonl', content: jsonl(rows) }], { split: { seed: 8 } }),
    ];
    equal(one.dataset.digest, same.dataset.digest);
    deepEqual(await texts(one), await texts(reversed));
    ok((await texts(one))['test']?.join() !== (await texts(other))['test']?.join());
  });

  it('keeps texts with line separators readable', async () => {
    const odd = { text: 'a line\u2028and a paragraph\u2029 and "quotes"\r\nhere', label: 'billing' };
    const summary = await prepare(services, [{ path: 'a.jsonl', content: jsonl([...rows, odd]) }]);
    ok(
      Object.values(await texts(summary))
        .flat()
        .includes(odd.text),
    );
  });

  it('refuses bad rows with file, line, the total and the way out', async () => {
    const bad = Array.from({ length: 12 }, (_, index) => ({
      text: index % 2 ? ' \u200B' : 'x',
      label: index % 2 ? 'billing' : ' ',
    }));
    const error = await refusal(prepare(services, [{ path: 'a.jsonl', content: jsonl([...rows, ...bad]) }]));
    equal(error.kind, 'BadData');
    match(error.message, /^12 rows are bad:/);
    match(error.message, /a\.jsonl:61: the label is empty \(empty-label\)/);
    match(error.message, /a\.jsonl:62: the text is empty \(empty-text\)/);
    match(error.message, /… and 2 more$/);
    equal(error.message.match(/a\.jsonl:/g)?.length, 10);
    match(error.fix ?? '', /data\.onBadRow to 'drop'/);
  });

  it('drops and counts bad rows where the definition says so', async () => {
    const bad = [
      { text: '', label: 'billing' },
      { text: 'five', label: 5 },
      { text: 'x'.repeat(5_000_000), label: 'billing' },
      { text: 'a very new thing', label: 'unheard' },
      { text: rows[0]?.text.toUpperCase(), label: 'delivery' },
    ];
    const summary = await prepare(services, [{ path: 'a.jsonl', content: jsonl([...rows, ...bad]) }], {
      onBadRow: 'drop',
      labels: ['garden', 'delivery', 'billing'],
    });
    deepEqual(summary.labels, ['garden', 'delivery', 'billing']);
    deepEqual(summary.dropped, {
      'conflicting-duplicate': 2,
      'empty-text': 1,
      'not-a-string': 1,
      'too-long': 1,
      'unknown-label': 1,
    });
    equal(summary.rows.train + summary.rows.validation + summary.rows.test, 59);
    const conflict = summary.findings.find(({ reason, line }) => reason === 'conflicting-duplicate' && line === 65);
    match(conflict?.message ?? '', /the same text as a\.jsonl:1, which has the label 'billing' instead of 'delivery'/);
  });

  it('drops repeated rows always, and never shows more than 50 findings', async () => {
    const again = rows.map(({ text, label }) => ({ text: ` ${text.toUpperCase()}  `, label }));
    const summary = await prepare(services, [{ path: 'a.jsonl', content: jsonl([...rows, ...again]) }]);
    deepEqual(summary.dropped, { duplicate: 60 });
    equal(summary.findings.length, 50);
    const all = (await services.store.getBytes(summary.findingsFile)).toString().trimEnd().split('\n');
    equal(all.filter((line) => (JSON.parse(line) as { reason: string }).reason === 'duplicate').length, 60);
  });

  it('keeps declared splits, and takes a text that straddles them out of train', async () => {
    const [train, validation, test] = [rows.slice(0, 40), rows.slice(40, 50), rows.slice(50)];
    const leaked = [validation[0], test[0], test[1]] as Labelled[];
    const summary = await prepare(services, [
      { path: 'train.jsonl', content: jsonl([...train, ...leaked]), split: 'train' },
      { path: 'validation.csv', content: csv(validation), split: 'validation' },
      { path: 'test.jsonl', content: jsonl(test), split: 'test' },
    ]);
    deepEqual(summary.rows, { train: 40, validation: 10, test: 10 });
    deepEqual(summary.dropped, { duplicate: 3 });
    deepEqual((await texts(summary))['test']?.toSorted(), test.map(({ text }) => text).toSorted());
    ok(summary.findings.every(({ reason, file }) => reason !== 'duplicate' || file === 'train.jsonl'));
  });

  it('splits validation off from train where only a test file is declared', async () => {
    const summary = await prepare(services, [
      { path: 'train.jsonl', content: jsonl(rows.slice(0, 51)), split: 'train' },
      { path: 'test.jsonl', content: jsonl(rows.slice(51)), split: 'test' },
    ]);
    equal(summary.rows.test, 9);
    equal(summary.rows.train + summary.rows.validation, 51);
    // 0.15 / 0.85 of 17 rows a label is 3.
    deepEqual(
      summary.labels.map((label) => summary.labelCounts[label]?.validation),
      [3, 3, 3],
    );
  });

  it('warns of near-identical texts across declared splits, and of labels a split cannot measure', async () => {
    const near = rows.slice(0, 5).map(({ text, label }) => ({ text: `${text}!!! 123`, label }));
    const summary = await prepare(services, [
      { path: 'train.jsonl', content: jsonl(rows), split: 'train' },
      { path: 'test.jsonl', content: jsonl(near.filter(({ label }) => label !== 'garden')), split: 'test' },
    ]);
    deepEqual(
      summary.findings.map(({ reason }) => reason),
      ['near-duplicate', 'near-twin', 'label-not-measured'],
    );
  });

  it('refuses a label that training never sees', async () => {
    const files = [
      { path: 'train.jsonl', content: jsonl(rows), split: 'train' as const },
      {
        path: 'test.jsonl',
        content: jsonl([...rows.slice(0, 3), { text: 'to the moon', label: 'space' }]),
        split: 'test' as const,
      },
    ];
    const error = await refusal(prepare(services, files));
    match(error.message, /test\.jsonl:4: the label 'space' is in test but never in train \(unknown-label\)/);
    deepEqual((await prepare(services, files, { onBadRow: 'drop' })).dropped, { duplicate: 3, 'unknown-label': 1 });
  });

  const refused: readonly { readonly title: string; readonly rows: readonly unknown[]; readonly says: RegExp }[] = [
    { title: 'one class', rows: sentences(20, ['only']), says: /20 rows of one label, 'only'; .*at least two labels/ },
    {
      title: '3 rows',
      rows: sentences(3, ['a', 'b']),
      says: /3 usable rows are too few.*at least 6 .*'a' has 2, 'b' has 1/,
    },
    { title: 'one row', rows: sentences(1, ['a']), says: /1 row of one label/ },
    {
      title: 'a label with too few rows',
      rows: [...sentences(40, ['a', 'b']), { text: 'a rare one', label: 'rare' }],
      says: /41 usable rows are too few.*'rare' has 1/,
    },
    {
      title: 'a label whose texts are all nearly the same',
      rows: [
        ...sentences(40, ['a', 'b']),
        ...Array.from({ length: 9 }, (_, index) => ({ text: `Order ${index}!`, label: 'c' })),
      ],
      says: /the rows of 'c' are nearly the same text/,
    },
  ];
  for (const { title, rows: content, says } of refused) {
    it(`refuses ${title}`, async () => {
      const error = await refusal(prepare(services, [{ path: 'a.jsonl', content: jsonl(content) }]));
      equal(error.kind, 'BadData');
      match(error.message, says);
      ok(error.fix);
    });
  }

  it('refuses a train side that lost a declared label', async () => {
    const test = sentences(30, ['a', 'b']);
    const train = test.filter(({ label }) => label === 'b').concat(sentences(60, ['a']).slice(30));
    const error = await refusal(
      prepare(
        services,
        [
          { path: 'train.jsonl', content: jsonl(train), split: 'train' },
          { path: 'test.jsonl', content: jsonl(test), split: 'test' },
        ],
        { labels: ['a', 'b'] },
      ),
    );
    match(error.message, /train has no row of 'b' \(15 rows were left out/);
  });

  it('stops when it is cancelled', async () => {
    const stopped = AbortSignal.abort(new DOMException('cancelled', 'AbortError'));
    const { runStep } = await import('../support/step.ts');
    const { prepareData } = await import('../../activities/data/prepare-data.ts');
    const { TextDataSchema } = await import('../../pipelines/definition/data.ts');
    const ref = await services.store.putBytes(csv(rows), { name: 'a.csv', mediaType: 'text/csv' });
    const data = TextDataSchema.parse({
      files: ['a.csv'],
      text: 'text',
      label: 'label',
      licence: 'mit',
      source: 'test',
    });
    const input = { files: [{ path: 'a.csv', format: 'csv' as const, split: 'all' as const, ref }], data };
    const failure: unknown = await runStep(prepareData, input, services, { signal: stopped }).catch(
      (error: unknown) => error,
    );
    equal((failure as Error).name, 'AbortError');
  });

  it('prepares 100,000 rows without comparing all with all, and lets the event loop run', async function () {
    this.timeout(240_000);
    const many = sentences(100_000, ['a', 'b', 'c', 'd', 'e']);
    const content = csv(many);
    // CPU time: the wall clock would also measure whatever else the machine does.
    const from = process.cpuUsage();
    let longest = 0;
    let last = from;
    const timer = setInterval(() => {
      longest = Math.max(longest, process.cpuUsage(last).user / 1e6);
      last = process.cpuUsage();
    }, 20);
    const summary = await prepare(services, [{ path: 'many.csv', content }]);
    clearInterval(timer);
    equal(summary.rows.train + summary.rows.validation + summary.rows.test, 100_000);
    // All with all would take hours: the test's own limit ends that. A share is the same on any machine.
    const seconds = process.cpuUsage(from).user / 1e6;
    ok(longest < seconds / 3, `blocked the event loop for ${longest} of ${seconds} s`);
  });

  const realData = process.env['ESPALIER_TEST_DATA'];
  it('[real-data] prepares banking77 from CSV and JSONL alike', async function () {
    if (realData === undefined) this.skip();
    const folder = join(realData, 'datasets/banking77');
    const load = async (path: string, split: 'train' | 'test') => ({
      path: join(path),
      split,
      content: await readFile(join(folder, path)),
    });
    const fromJsonl = await prepare(services, [await load('train.jsonl', 'train'), await load('test.jsonl', 'test')], {
      onBadRow: 'drop',
    });
    const fromCsv = await prepare(
      services,
      [await load('raw/train.csv', 'train'), await load('raw/test.csv', 'test')],
      {
        label: 'category',
        onBadRow: 'drop',
      },
    );
    equal(fromJsonl.labels.length, 77);
    const kept = fromJsonl.rows.train + fromJsonl.rows.validation + fromJsonl.rows.test;
    const dropped = Object.values(fromJsonl.dropped).reduce((sum, count) => sum + count, 0);
    equal(kept + dropped, 13_083);
    ok(kept > 12_800, `kept ${kept}`);
    deepEqual(fromCsv.rows, fromJsonl.rows);
    const sides = await texts(fromJsonl);
    const seen = new Set(sides['train']?.map(normaliseText));
    ok([...(sides['validation'] ?? []), ...(sides['test'] ?? [])].every((text) => !seen.has(normaliseText(text))));
  });

  it('[real-data] prepares SST-2 with its declared splits', async function () {
    if (realData === undefined) this.skip();
    const folder = join(realData, 'datasets/sst2');
    const load = async (path: string, split: 'train' | 'validation' | 'test') => ({
      path,
      split,
      content: await readFile(join(folder, path)),
    });
    const summary = await prepare(
      services,
      [await load('train.jsonl', 'train'), await load('dev.jsonl', 'validation'), await load('test.jsonl', 'test')],
      { onBadRow: 'drop', licence: 'unknown' },
    );
    deepEqual(summary.labels, ['negative', 'positive']);
    ok(summary.rows.test >= 1800 && summary.rows.validation >= 860, JSON.stringify(summary.rows));
    ok(summary.findings.every(({ reason }) => reason !== 'label-in-text' && reason !== 'label-leak'));
  });
});

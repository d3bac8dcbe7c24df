import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { loadClassified, loadSplit, SPLITS } from '../../activities/data/dataset.ts';
import { classifiedBlocks, pickRows } from '../../activities/data/row-blocks.ts';
import { hasShifted, SHIFTED_FILE } from '../../activities/data/shifted.ts';
import { dataServices, prepare, sentences } from './fixtures.ts';

describe('rows from elsewhere', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());
  const rows = sentences(60, ['billing', 'delivery', 'garden']);
  const files = (label: string) => [
    { path: 'a.jsonl', content: rows.map((row) => `${JSON.stringify(row)}\n`).join('') },
    {
      path: 'elsewhere.jsonl',
      content: `${JSON.stringify({ text: 'mail me at jane.doe@example.com', label })}\n`,
      split: 'shifted' as const,
    },
  ];

  it('stand in the dataset beside the splits, redacted as they are, and in none of them', async () => {
    const summary = await prepare(services, files('garden'), { onPersonalData: 'redact' });
    equal(await hasShifted(services.store, summary.dataset), true);
    const [shifted] = await pickRows(classifiedBlocks(services.store, summary.dataset, SHIFTED_FILE, summary.labels), [
      [0],
    ]);
    deepEqual(shifted?.texts, ['mail me at <EMAIL_1>']);
    deepEqual([...(shifted?.classes ?? [])], [summary.labels.indexOf('garden')]);
    deepEqual(Object.values(summary.rows), [42, 9, 9]);
    const without = await prepare(services, files('garden').slice(0, 1));
    equal(await hasShifted(services.store, without.dataset), false);
  });

  it('are refused by file and line where their label is unknown', () =>
    rejects(prepare(services, files('kitchen')), { kind: 'BadData', message: /elsewhere\.jsonl:1/ }));
});

describe('declared groups', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const rows = sentences(60, ['billing', 'delivery', 'garden']);
  const grouped = (valueOf: (row: number) => string | undefined): string =>
    rows.map((row, at) => `${JSON.stringify({ ...row, region: valueOf(at) })}\n`).join('');

  it('are kept with every row that has one, in every split, and are no part of the text', async () => {
    const content = grouped((row) => (row % 3 === 0 ? undefined : [' north ', 'south'][row % 2]));
    const summary = await prepare(services, [{ path: 'a.jsonl', content }], { groups: ['region'] });
    const kept = await Promise.all(SPLITS.map((split) => loadSplit(services.store, summary.dataset, split)));
    for (const side of kept) ok(side.every(({ groups }) => groups !== undefined));
    const values = kept.flat().map(({ groups }) => groups?.['region'] ?? 'none');
    deepEqual([...new Set(values)].toSorted(), ['none', 'north', 'south']);
    const test = await loadClassified(services.store, summary.dataset, 'test', summary.labels);
    equal(test.groups?.length, test.ids.length);
  });

  for (const [title, valueOf, why] of [
    ['nobody has', () => undefined, /no row has a value there/],
    ['of names rather than groups', (row: number) => `person ${row}`, /60 different values are no groups/],
    ['of somebody’s addresses', () => 'jane.doe@example.com', /personal data \(email\)/],
  ] as const) {
    it(`are refused as a column ${title}`, async () => {
      const files = [{ path: 'a.jsonl', content: grouped(valueOf) }];
      await rejects(prepare(services, files, { groups: ['region'] }), {
        kind: 'BadData',
        where: 'data.groups',
        message: why,
      });
    });
  }
});

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
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

  const elsewhere = (...said: object[]) => ({
    path: 'later.jsonl',
    content: said.map((row) => `${JSON.stringify(row)}\n`).join(''),
    split: 'shifted' as const,
  });
  const split = { train: ['a.jsonl'], validation: ['b.jsonl'], test: ['c.jsonl'] };
  const parts = (
    [
      ['a.jsonl', 'train', 0, 36],
      ['b.jsonl', 'validation', 36, 48],
      ['c.jsonl', 'test', 48, 60],
    ] as const
  ).map(([path, side, from, to]) => ({
    path,
    content: rows
      .slice(from, to)
      .map((row) => `${JSON.stringify(row)}\n`)
      .join(''),
    split: side,
  }));

  it('are only those that no split has, each once, and what is left out is counted and says why', async () => {
    const fresh = { text: 'quite another matter', label: 'garden' };
    const later = elsewhere(
      { ...rows[3], text: `  ${rows[3]!.text.toUpperCase()}` },
      { ...rows[40], label: 'garden' },
      rows[50]!,
      fresh,
      fresh,
      { text: ' ', label: 'garden' },
      { text: 'mail jane.doe@example.com', label: 'garden' },
    );
    const options = { files: split, onBadRow: 'drop', onPersonalData: 'drop' } as const;
    const summary = await prepare(services, [...parts, later], options);
    const [shifted] = await pickRows(classifiedBlocks(services.store, summary.dataset, SHIFTED_FILE, summary.labels), [
      [0],
    ]);
    deepEqual(shifted?.texts, [fresh.text]);
    deepEqual(summary.dropped, { 'empty-text': 1, 'personal-data': 1, duplicate: 1, 'not-elsewhere': 3 });
    deepEqual(
      summary.findings
        .filter(({ file }) => file === 'later.jsonl')
        .map(({ severity, line, message }) => `${severity} ${line}: ${message}`)
        .toSorted(),
      [
        'error 6: the text is empty',
        'warning 1: a.jsonl:4, a row of the splits, has its text, too: it is not from elsewhere',
        'warning 2: b.jsonl:5, a row of the splits, has its text, too: it is not from elsewhere',
        'warning 3: c.jsonl:3, a row of the splits, has its text, too: it is not from elsewhere',
        'warning 5: the same text and label as later.jsonl:4',
        'warning 7: the row holds personal data: email',
      ],
    );
    const alone = await prepare(services, parts, { files: split });
    deepEqual(summary.rows, alone.rows);
    const origin = await services.store.fileInTree(summary.dataset, 'dataset.json');
    const { files: told } = JSON.parse(await readFile(origin, 'utf8')) as { files: { path: string; rows: number }[] };
    equal(told.find(({ path }) => path === 'later.jsonl')?.rows, 7);
  });

  it('are refused where none can be used, and where two contradict each other', async () => {
    const [one, other] = [
      { text: 'of one label', label: 'garden' },
      { text: 'Of one label', label: 'billing' },
    ];
    await rejects(prepare(services, [...parts, elsewhere(rows[3]!, rows[50]!)], { files: split }), {
      kind: 'BadData',
      message: /no row of data\.shiftedFiles can be used: 2 of them are among the rows of train, validation and test/,
    });
    await rejects(prepare(services, [...parts, elsewhere(one, other)], { files: split }), {
      kind: 'BadData',
      message: /later\.jsonl:1: the same text as later\.jsonl:2, which has the label 'billing' instead of 'garden'/,
    });
    await rejects(prepare(services, [...parts, elsewhere(one, other)], { files: split, onBadRow: 'drop' }), {
      message: /no row of data\.shiftedFiles can be used: later\.jsonl, 1: the same text/,
    });
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

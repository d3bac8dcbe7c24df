import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import type { DataFile, DatasetSummary } from '../../activities/contract/data.ts';
import { preparePrompts } from '../../activities/data/prepare-prompts.ts';
import { sampleIndices, seededRandom } from '../../activities/validation/random.ts';
import { countPrompts, loadGeneralText, loadPrompts, samplePrompts } from '../../activities/data/prompts.ts';
import { scanPrivacy } from '../../activities/review/scan-privacy.ts';
import { PromptDataSchema } from '../../pipelines/definition/data.ts';
import { runStep } from '../support/step.ts';
import { dataServices, jsonl, refusal, sentences, type TestFile } from './fixtures.ts';

describe('preparing prompts', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const rows = sentences(40, ['x']).map(({ text }) => ({ say: text, answer: `About it: ${text}.` }));
  async function prepare(
    files: readonly TestFile[],
    options: Partial<z.input<typeof PromptDataSchema>> = {},
  ): Promise<DatasetSummary> {
    const columns = { prompt: 'say', completion: 'answer' };
    const paths = files.map(({ path }) => path);
    const data = PromptDataSchema.parse({ files: paths, licence: 'CC0-1.0', source: 'test', ...columns, ...options });
    const stored: DataFile[] = [];
    for (const { path, content, split = 'all' } of files) {
      const ref = await services.store.putBytes(content, { name: path, mediaType: 'application/octet-stream' });
      const format = path.endsWith('.csv') ? 'csv' : path.endsWith('.txt') ? 'text' : 'jsonl';
      stored.push({ path, format, split, ref });
    }
    return runStep(preparePrompts, { files: stored, data }, services);
  }
  const load = (summary: DatasetSummary, split: 'train' | 'validation' | 'test') =>
    loadPrompts(services.store, summary.dataset, split);

  it('splits prompts, keeps their answers and facts, and says which rows have none', async () => {
    const given = [
      ...rows,
      { say: 'and who pays for the way back', facts: ['The shop pays.', ' ', 'Within 30 days.'] },
    ];
    const summary = await prepare([{ path: 'a.jsonl', content: jsonl(given) }], { facts: 'facts' });
    equal(summary.rows.train + summary.rows.validation + summary.rows.test, 41);
    deepEqual(summary.labels, []);
    const all = [await load(summary, 'train'), await load(summary, 'validation'), await load(summary, 'test')].flat();
    const bare = all.find(({ facts }) => facts !== undefined);
    deepEqual(bare?.facts, ['The shop pays.', 'Within 30 days.']);
    equal(bare?.completion, undefined);
    match(all.find(({ prompt }) => prompt === rows[0]?.say)?.completion ?? '', /^About it/);
    ok(summary.findings.some(({ reason }) => reason === 'no-completion'));
  });

  it('keeps declared groups with every row of a split that has one, and no part of what is asked', async () => {
    const lines = rows.map((row, at) => ({ ...row, region: [' north ', 'south', ''][at % 3], age: 'old' }));
    const elsewhere = {
      path: 'b.jsonl',
      content: jsonl([{ say: 'quite another matter', region: 'jane.doe@example.com' }]),
      split: 'shifted',
    };
    const files = [{ path: 'a.jsonl', content: jsonl(lines) }, elsewhere as TestFile];
    const summary = await prepare(files, { groups: ['region', 'age'] });
    const all = [await load(summary, 'train'), await load(summary, 'validation'), await load(summary, 'test')];
    const regions = all.flat().map(({ groups }) => groups?.['region'] ?? 'none');
    deepEqual([...new Set(regions)].toSorted(), ['none', 'north', 'south']);
    ok(
      all
        .flat()
        .every(
          ({ prompt, completion, groups }) =>
            !/north|south/.test(`${prompt}${completion}`) && groups?.['age'] === 'old',
        ),
    );
    const [other] = await loadPrompts(services.store, summary.dataset, 'shifted');
    deepEqual(
      [other?.prompt, other?.groups],
      ['quite another matter', undefined],
      'whom nobody has looked at for personal data',
    );
    equal(preparePrompts.version, 8);
    const told = summary.findings.filter(({ reason }) => reason === 'few-in-groups').map(({ message }) => message);
    deepEqual(told.length, 2);
    match(told[0] ?? '', /no value of the group 'region' has 30 test prompts beside 30 others/);
    const csv = `say,answer,region\n${rows.map(({ say, answer }, at) => `"${say}","${answer}",${at % 2 === 0 ? 'north' : 'south'}`).join('\n')}\n`;
    const ofCsv = await prepare([{ path: 'a.csv', content: csv }], { groups: ['region'] });
    ok((await load(ofCsv, 'test')).every(({ groups }) => groups?.['region'] !== undefined));
    const plain = await prepare([{ path: 'a.jsonl', content: jsonl(lines) }]);
    ok((await load(plain, 'test')).every((row) => !('groups' in row)));
  });

  for (const [title, valueOf, why] of [
    ['nobody has', () => undefined, /'region' cannot say which group a row is of: no row has a value there/],
    ['of somebody’s addresses', () => 'jane.doe@example.com', /personal data \(email\)/],
    ['of names rather than groups', (at: number) => `person ${at}`, /60 different values are no groups/],
  ] as const) {
    it(`refuses a column of groups ${title}`, async () => {
      const many = sentences(60, ['x']).map(({ text }, at) => ({ say: text, answer: 'It is.', region: valueOf(at) }));
      const files = [{ path: 'a.jsonl', content: jsonl(many) }];
      await rejects(prepare(files, { groups: ['region'] }), { kind: 'BadData', where: 'data.groups', message: why });
    });
  }

  it('gives the same dataset whatever the order of the rows, and one row a prompt', async () => {
    const one = await prepare([{ path: 'a.jsonl', content: jsonl(rows) }]);
    const other = await prepare([{ path: 'a.jsonl', content: jsonl([...rows.toReversed(), rows[3]]) }]);
    deepEqual(await load(one, 'test'), await load(other, 'test'));
    equal(other.dropped['duplicate'], 1);
  });

  it('gives all rows, or those that a seed draws, one after the other', async () => {
    const summary = await prepare([{ path: 'a.jsonl', content: jsonl(rows) }]);
    const all = await load(summary, 'train');
    const of = [services.store, summary.dataset, 'train'] as const;
    equal(await countPrompts(...of), all.length);
    deepEqual(await samplePrompts(of, 1000, { seed: 3 }), { rows: all, of: all.length });
    const few = await samplePrompts(of, 5, { seed: 3, stream: 2 });
    deepEqual(few, {
      rows: sampleIndices(all.length, 5, seededRandom(3, 2)).map((place) => all[place]),
      of: all.length,
    });
  });

  it('keeps prompts from elsewhere apart: checked and redacted as all are, each once, on no side of the split', async () => {
    const main = { path: 'a.jsonl', content: jsonl(rows) };
    const later = (...prompts: object[]) => ({
      path: 'later.jsonl',
      content: jsonl(prompts),
      split: 'shifted' as const,
    });
    const said = [{ say: 'write to ada@example.org' }, { say: 'where is my bus' }, { say: 'where is my bus' }];
    const summary = await prepare([main, later(...said)], { onPersonalData: 'redact' });
    const alone = await prepare([main], { onPersonalData: 'redact' });
    deepEqual(summary.rows, alone.rows);
    deepEqual(
      (await loadPrompts(services.store, summary.dataset, 'shifted')).map(({ prompt }) => prompt),
      ['write to <EMAIL_1>', 'where is my bus'],
    );
    deepEqual(
      (await services.store.tree(alone.dataset)).entries.filter(({ path }) => path === 'shifted.jsonl'),
      [],
    );
    const bad = await refusal(prepare([main, later(...said, { say: ' ' })]));
    match(bad.message, /later\.jsonl:4/);
    const kept = await prepare([main, later(...said, { say: ' ' })], { onBadRow: 'drop' });
    equal(await countPrompts(services.store, kept.dataset, 'shifted'), 2);
    deepEqual(kept.dropped, { 'empty-text': 1, duplicate: 1 });
    ok(kept.findings.some(({ file, line, severity }) => file === 'later.jsonl' && line === 4 && severity === 'error'));
    const without = await prepare([main, later(...said)], { onPersonalData: 'drop' });
    deepEqual(without.dropped, { 'personal-data': 1, duplicate: 1 });
    const none = await refusal(prepare([main, later({ say: ' ' })], { onBadRow: 'drop' }));
    match(none.message, /no prompt of data\.shiftedFiles can be used/);
  });

  it('leaves out prompts from elsewhere that a split has, and says which: a later export may hold the earlier year', async () => {
    const split = { train: ['a.jsonl'], validation: ['b.jsonl'], test: ['c.jsonl'] };
    const files = [
      { path: 'a.jsonl', content: jsonl(rows.slice(0, 20)), split: 'train' as const },
      { path: 'b.jsonl', content: jsonl(rows.slice(20, 30)), split: 'validation' as const },
      { path: 'c.jsonl', content: jsonl(rows.slice(30)), split: 'test' as const },
    ];
    const later = (...prompts: object[]) => ({
      path: 'later.jsonl',
      content: jsonl(prompts),
      split: 'shifted' as const,
    });
    const [learnt, chosenBy, tested] = [rows[3]!, rows[25]!, rows[35]!];
    const prompts = [{ say: `${learnt.say.toUpperCase()} ` }, chosenBy, tested, { say: 'where is my bus' }];
    const summary = await prepare([...files, later(...prompts)], { files: split });
    deepEqual(
      (await loadPrompts(services.store, summary.dataset, 'shifted')).map(({ prompt }) => prompt),
      ['where is my bus'],
    );
    deepEqual(summary.dropped, { 'not-elsewhere': 3 });
    deepEqual(
      summary.findings
        .filter(({ reason }) => reason === 'not-elsewhere')
        .map(({ file, line, message }) => [file, line, message]),
      [
        ['later.jsonl', 1, 'a.jsonl:4, a row of the splits, asks it, too: it is not from elsewhere'],
        ['later.jsonl', 2, 'b.jsonl:6, a row of the splits, asks it, too: it is not from elsewhere'],
        ['later.jsonl', 3, 'c.jsonl:6, a row of the splits, asks it, too: it is not from elsewhere'],
      ],
    );
    const origin = JSON.parse(
      await readFile(await services.store.fileInTree(summary.dataset, 'dataset.json'), 'utf8'),
    ) as { files: { path: string; rows: number }[] };
    equal(origin.files.find(({ path }) => path === 'later.jsonl')?.rows, 4);
    const none = await refusal(prepare([...files, later(learnt)], { files: split }));
    match(none.message, /no prompt of data\.shiftedFiles can be used: 1 of them are among the prompts of train/);
  });

  it('redacts prompts, answers and facts alike, one value by one name', async () => {
    const secret = {
      say: 'my address is jo@example.org, please confirm',
      answer: 'We wrote to jo@example.org.',
      facts: 'On file: jo@example.org',
    };
    const summary = await prepare([{ path: 'a.jsonl', content: jsonl([...rows, secret]) }], {
      facts: 'facts',
      onPersonalData: 'redact',
    });
    const all = [await load(summary, 'train'), await load(summary, 'validation'), await load(summary, 'test')].flat();
    const row = all.find(({ prompt }) => prompt.startsWith('my address'));
    deepEqual(row && [row.prompt, row.completion, row.facts], [
      'my address is <EMAIL_1>, please confirm',
      'We wrote to <EMAIL_1>.',
      ['On file: <EMAIL_1>'],
    ]);
    equal(summary.personalData?.rowsRedacted, 1);
  });

  it('is scanned for personal data in answers and facts, too', async () => {
    const secret = { say: 'which card do you have of mine', answer: 'It is 4111 1111 1111 1111.' };
    const { dataset } = await prepare([{ path: 'a.jsonl', content: jsonl([...rows, secret]) }]);
    const { counts } = await runStep(scanPrivacy, { dataset, onPersonalData: 'warn' }, services);
    const cards = Object.values(counts.card ?? {}).reduce((sum, { rows: found }) => sum + found, 0);
    equal(cards, 1);
  });

  it('reads CSV, and general text by its empty lines', async () => {
    const csv = `say,answer\n${rows.map(({ say, answer }) => `"${say}","${answer}"\n`).join('')}`;
    const general = { path: 'g.txt', content: 'Once upon\na time.\n\n \nThe end.\n', split: 'general' } as const;
    const summary = await prepare([{ path: 'a.csv', content: csv }, general]);
    deepEqual(await loadGeneralText(services.store, summary.dataset), ['Once upon\na time.', 'The end.']);
    equal(summary.rows.train, 28);
  });

  it('refuses bad rows by file and line, a wrong column, and a side without prompts', async () => {
    const bad = [...rows, { say: '  ', answer: 'x' }, { say: 5 }];
    const { message, kind } = await refusal(prepare([{ path: 'a.jsonl', content: jsonl(bad) }]));
    equal(kind, 'BadData');
    match(message, /a\.jsonl:41: the prompt is empty.*\n.*a\.jsonl:42/);
    match((await refusal(prepare([{ path: 'a.jsonl', content: jsonl(rows) }], { prompt: 'nope' }))).message, /nope/);
    const untaught = await refusal(prepare([{ path: 'a.jsonl', content: jsonl(rows) }], { completion: 'reply' }));
    match(untaught.message, /no row of train has one/);
    const few = await refusal(
      prepare([
        { path: 'a.jsonl', content: jsonl(rows), split: 'train' },
        { path: 'b.jsonl', content: jsonl([{ say: 'one alone' }]), split: 'test' },
      ]),
    );
    match(few.message, /test has 1 prompts/);
  });
});

import { deepEqual, equal, match, notEqual, ok } from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { loadClassified, loadSplit, SPLITS, type DatasetRow } from '../../activities/data/dataset.ts';
import { textIdentity } from '../../activities/data/normalise.ts';
import { scanPrivacy } from '../../activities/review/scan-privacy.ts';
import type { DatasetSummary } from '../../activities/contract/data.ts';
import { checkPipeline } from '../../pipelines/check.ts';
import { TextDataSchema } from '../../pipelines/definition/data.ts';
import { runStep } from '../support/step.ts';
import { testPipeline } from '../support/bundle.ts';
import { dataServices, jsonl, prepare, refusal, sentences, type DataOptions } from './fixtures.ts';

describe('data of pairs', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const rows = sentences(60, ['same', 'other']).map(({ text, label }, index) => ({
    text,
    second: label === 'same' ? `${text}, is it` : `what about ${'abcdefghij'[index % 10]} then, number ${index}`,
    label,
  }));
  const pairs = (more: readonly object[] = [], options: DataOptions = {}, name = 'a.jsonl'): Promise<DatasetSummary> =>
    prepare(services, [{ path: name, content: jsonl([...rows, ...more]) }], { pair: 'second', ...options });
  async function all(summary: DatasetSummary): Promise<DatasetRow[]> {
    return (await Promise.all(SPLITS.map((split) => loadSplit(services.store, summary.dataset, split)))).flat();
  }

  it('keep both texts, in their order, with an id of both', async () => {
    const summary = await pairs();
    const kept = await all(summary);
    equal(kept.length, 60);
    for (const { id, text, pair } of kept) {
      equal(pair, rows.find((row) => row.text === text)?.second);
      equal(id, textIdentity(text, pair).id);
      notEqual(id, textIdentity(pair ?? '', text).id);
    }
    const { texts } = await loadClassified(services.store, summary.dataset, 'test', summary.labels);
    ok(texts.every((input) => Array.isArray(input) && input.length === 2));
    const about = await readFile(await services.store.fileInTree(summary.dataset, 'dataset.json'), 'utf8');
    deepEqual((JSON.parse(about) as { columns: object }).columns, { label: 'label', pair: 'second', text: 'text' });
  });

  it('count as the same only where both texts are', async () => {
    const [first] = rows as [(typeof rows)[number]];
    const summary = await pairs([
      { ...first, text: ` ${first.text.toUpperCase()}` },
      { ...first, second: 'quite another one' },
      { ...first, text: first.second, second: first.text },
    ]);
    deepEqual(summary.dropped, { duplicate: 1 });
    equal((await all(summary)).length, 62);
    const conflict = await refusal(pairs([{ ...first, label: 'other' }]));
    match(conflict.message, /the same text as a\.jsonl:1, which has the label 'same' instead of 'other'/);
  });

  it('refuse rows whose second text is missing, empty or too long, by file and line', async () => {
    const problem = await refusal(
      pairs(
        [
          { text: 'a', label: 'same' },
          { text: 'a', second: ' ', label: 'same' },
          { text: 'a', second: 'x'.repeat(600), label: 'same' },
        ],
        { maxTextBytes: 512 },
      ),
    );
    match(problem.message, /a\.jsonl:61: no value for 'second'/);
    match(problem.message, /a\.jsonl:62: the second text is empty/);
    match(problem.message, /a\.jsonl:63: the second text has 600 bytes/);
    match((await refusal(pairs([], { pair: 'reply' }))).message, /no column 'reply'/);
  });

  it('are scanned and redacted in both texts, and a row once', async () => {
    const held = [
      { text: 'write to jo@x.example now', second: 'or to jo@x.example', label: 'same' },
      { text: 'a call is best', second: 'ring al@x.example', label: 'other' },
    ];
    const counted = await runStep(
      scanPrivacy,
      { dataset: (await pairs(held)).dataset, onPersonalData: 'warn' },
      services,
    );
    const { train, validation, test } = counted.counts.email!;
    equal(train.rows + validation.rows + test.rows, 2);
    equal(train.matches + validation.matches + test.matches, 3);

    const redacted = await pairs(held, { onPersonalData: 'redact' });
    equal(redacted.personalData?.rowsRedacted, 2);
    const changed = (await all(redacted)).filter(({ text, pair }) => `${text}${pair}`.includes('<EMAIL_'));
    equal(changed.length, 2);
    for (const { id, text, pair } of changed) equal(id, textIdentity(text, pair).id);
    deepEqual((await pairs(held, { onPersonalData: 'drop' })).dropped, { 'personal-data': 2 });
  });

  it('are compared with evaluation files and rows from elsewhere by both texts', async () => {
    const [first, second] = rows as [(typeof rows)[number], (typeof rows)[number]];
    const elsewhere = [first, { ...first, second: second.second }];
    const summary = await prepare(
      services,
      [
        { path: 'a.jsonl', content: jsonl(rows) },
        { path: 'bench.jsonl', content: jsonl(elsewhere), split: 'evaluation' },
        { path: 'later.jsonl', content: jsonl(elsewhere.slice(1)), split: 'shifted' },
      ],
      { pair: 'second', files: ['a.jsonl'] },
    );
    deepEqual(
      summary.contamination?.evaluation.map(({ rows: count, exact }) => [count, exact]),
      [[2, 1]],
    );
    const shifted = await readFile(await services.store.fileInTree(summary.dataset, 'shifted.jsonl'), 'utf8');
    equal((JSON.parse(shifted) as DatasetRow).pair, second.second);
  });

  it('are asked for by a column of their own, and leave other definitions as they were', () => {
    const definition = testPipeline();
    ok(!('pair' in TextDataSchema.parse(definition.data)));
    const same = checkPipeline({ ...definition, data: { ...definition.data, pair: 'text' } });
    match(JSON.stringify(same), /data\.pair.*is the same column as data\.text/);
  });
});

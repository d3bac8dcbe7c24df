import { deepEqual, equal, match, notEqual } from 'node:assert/strict';
import type { DataFile } from '../../activities/contract/data.ts';
import { loadBehaviour } from '../../activities/data/behaviour.ts';
import { prepareData } from '../../activities/data/prepare-data.ts';
import { subsetData } from '../../activities/data/subset-data.ts';
import { TextDataSchema } from '../../pipelines/definition/data.ts';
import type { BehaviourTables } from '../../pipelines/definition/behaviour.ts';
import { runStep } from '../support/step.ts';
import { dataServices, refusal, sentences } from './fixtures.ts';

describe('behaviour tests beside the data', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  const rows = sentences(60, ['billing', 'delivery', 'garden']);
  async function prepared(
    tables: Readonly<Record<string, { readonly content: string } & BehaviourTables[string]>>,
    onPersonalData: 'warn' | 'redact' | 'drop' = 'warn',
    pair?: string,
  ) {
    const put = async (path: string, content: string, split: DataFile['split']): Promise<DataFile> => ({
      path,
      split,
      format: path.endsWith('.csv') ? 'csv' : 'jsonl',
      ref: await services.store.putBytes(content, { name: path, mediaType: 'text/csv' }),
    });
    const files = [
      await put(
        'a.jsonl',
        rows.map((row) => `${JSON.stringify({ ...row, second: `is it ${row.text.length}` })}\n`).join(''),
        'all',
      ),
    ];
    for (const { file, content } of Object.values(tables)) files.push(await put(file, content, 'behaviour'));
    const behaviour = Object.fromEntries(
      Object.entries(tables).map(([name, { kind, file }]) => [name, { kind, file }] as const),
    );
    const data = TextDataSchema.parse({
      files: ['a.jsonl'],
      text: 'text',
      pair,
      label: 'label',
      licence: 'CC0-1.0',
      source: 'written for this test',
      onPersonalData,
    });
    return runStep(prepareData, { files, data, behaviour }, services);
  }
  const late = (content: string) => ({
    late: { kind: 'minimum-functionality' as const, file: 'late.csv', content: `text,label\n${content}` },
  });

  it('are kept with where they were written, and no row of the data is another for them', async () => {
    const without = await prepared({});
    deepEqual(await loadBehaviour(services.store, without.dataset), []);
    const summary = await prepared({
      ...late('where is it,delivery\n"two\nlines",garden\n'),
      same: { kind: 'invariance', file: 'same.jsonl', content: '{"text":"a","other":"b"}' },
    });
    deepEqual(summary.rows, without.rows);
    notEqual(summary.dataset.digest, without.dataset.digest);
    const tests = [
      {
        table: 'late',
        file: 'late.csv',
        line: 2,
        test: { kind: 'minimum-functionality', label: 'delivery', text: 'where is it' },
      },
      {
        table: 'late',
        file: 'late.csv',
        line: 3,
        test: { kind: 'minimum-functionality', label: 'garden', text: 'two\nlines' },
      },
      { table: 'same', file: 'same.jsonl', line: 1, test: { kind: 'invariance', text: 'a', other: 'b' } },
    ];
    deepEqual(await loadBehaviour(services.store, summary.dataset), tests);
    const part = await runStep(
      subsetData,
      { dataset: summary.dataset, rows: { train: { most: 9 }, validation: { most: 3 }, test: { most: 3 } }, seed: 1 },
      services,
    );
    deepEqual(await loadBehaviour(services.store, part.dataset), tests);
  });

  it('are redacted, or dropped, as the data are: what must not be stored is not stored here either', async () => {
    const pair = {
      same: {
        kind: 'invariance' as const,
        file: 'same.csv',
        content: 'text,other\nwrite to jane.doe@example.com,write to me\nfine,also fine\n',
      },
    };
    const redacted = await loadBehaviour(services.store, (await prepared(pair, 'redact')).dataset);
    deepEqual(redacted[0]?.test, { kind: 'invariance', text: 'write to <EMAIL_1>', other: 'write to me' });
    const dropped = await loadBehaviour(services.store, (await prepared(pair, 'drop')).dataset);
    deepEqual(
      dropped.map(({ line }) => line),
      [3],
    );
  });

  it('are refused where only the writing of what is redacted told their texts apart: what is left always holds', async () => {
    const pair = {
      moved: {
        kind: 'directional' as const,
        file: 'moved.csv',
        content:
          'text,edited,label,mustNot,by\nfine,not fine,garden,fall,0\nask jo@example.com,ask Jo@Example.com,garden,fall,0\n',
      },
    };
    equal((await loadBehaviour(services.store, (await prepared(pair)).dataset)).length, 2);
    const { kind, message } = await refusal(prepared(pair, 'redact'));
    equal(kind, 'BadData');
    match(message, /moved\.csv:3: edited is, where personal data are redacted, the same as text, so that the test/);
  });

  it('of pairs are kept, redacted and refused with both texts', async () => {
    const head = 'text,pair,other,otherPair';
    const pairs = (content: string) => ({
      same: { kind: 'invariance' as const, file: 'same.csv', content: `${head}\n${content}` },
    });
    const held = pairs('who is it,ask jo@example.com,,ask her\nfine,so so,not fine,\n');
    const { dataset } = await prepared(held, 'warn', 'second');
    const whole = (test: object) => ({ kind: 'invariance', ...test });
    deepEqual(
      (await loadBehaviour(services.store, dataset)).map(({ test }) => test),
      [
        whole({ text: 'who is it', pair: 'ask jo@example.com', other: 'who is it', otherPair: 'ask her' }),
        whole({ text: 'fine', pair: 'so so', other: 'not fine', otherPair: 'so so' }),
      ],
    );
    const [redacted] = await loadBehaviour(services.store, (await prepared(held, 'redact', 'second')).dataset);
    deepEqual(
      redacted?.test,
      whole({ text: 'who is it', pair: 'ask <EMAIL_1>', other: 'who is it', otherPair: 'ask her' }),
    );
    const kept = await loadBehaviour(services.store, (await prepared(held, 'drop', 'second')).dataset);
    deepEqual(
      kept.map(({ line }) => line),
      [3],
    );
    const alike = pairs('x,ask jo@example.com,,ask Jo@Example.com\n');
    equal((await loadBehaviour(services.store, (await prepared(alike, 'warn', 'second')).dataset)).length, 1);
    match(
      (await refusal(prepared(alike, 'redact', 'second'))).message,
      /same\.csv:2: other is, where personal data are redacted, the same as text, and otherPair as pair, so that/,
    );
    match(
      (await refusal(prepared(late('where is it,delivery\n'), 'warn', 'second'))).message,
      /late\.csv:2: pair is missing: with data\.pair/,
    );
  });

  it('are refused by file, line and field, whatever is done about bad rows', async () => {
    const label = await refusal(prepared(late('where is it,kitchen\nx,garden\n')));
    equal(label.kind, 'BadData');
    match(label.message, /'late'.*\n {2}late\.csv:2: label is 'kitchen', which the data do not have/);
    match((await refusal(prepared(late('x,garden\n,garden\n')))).message, /late\.csv:3: text is empty/);
  });
});

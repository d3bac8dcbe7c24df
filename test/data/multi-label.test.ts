import { deepEqual, equal, match, ok } from 'node:assert/strict';
import * as fc from 'fast-check';
import type { DatasetSummary } from '../../activities/contract/data.ts';
import { loadSplit, multiLabelled, SPLITS } from '../../activities/data/dataset.ts';
import { loadBehaviour } from '../../activities/data/behaviour.ts';
import { prepareData } from '../../activities/data/prepare-data.ts';
import { giveaways, namedLabels } from '../../activities/data/leaks.ts';
import { textIdentity } from '../../activities/data/normalise.ts';
import { splitRows } from '../../activities/data/split.ts';
import { subsetData } from '../../activities/data/subset-data.ts';
import { TextDataSchema } from '../../pipelines/definition/data.ts';
import { runStep } from '../support/step.ts';
import { dataServices, jsonl, prepare, refusal, sentences } from './fixtures.ts';

const SHARES = { train: 0.7, validation: 0.15, test: 0.15 };
/** Every third row about money, every fifth about delivery, every seventh about returns; many about nothing. */
const topicsOf = (at: number): string[] => [
  ...(at % 3 === 0 ? ['money'] : []),
  ...(at % 5 === 0 ? ['delivery'] : []),
  ...(at % 7 === 0 ? ['returns'] : []),
];
const rows = sentences(210, ['']).map(({ text }, at) => ({ text, topics: topicsOf(at) }));
const options = { label: 'topics', multiLabel: {} };

describe('rows with none, one or several labels', () => {
  let services: Awaited<ReturnType<typeof dataServices>>;
  before(async () => {
    services = await dataServices();
  });
  after(() => services.opened.close());

  it('keeps behaviour tests with all labels of a text, none included, and refuses a label that the data do not have', async () => {
    const prepareWith = async (table: string) => {
      const put = (content: string, path: string) =>
        services.store.putBytes(content, { name: path, mediaType: 'text/csv' });
      const files = [
        { path: 'a.jsonl', split: 'all' as const, format: 'jsonl' as const, ref: await put(jsonl(rows), 'a.jsonl') },
        { path: 'b.csv', split: 'behaviour' as const, format: 'csv' as const, ref: await put(table, 'b.csv') },
      ];
      const needed = { files: ['a.jsonl'], text: 'text', licence: 'CC0-1.0', source: 'written for this test' };
      const data = TextDataSchema.parse({ ...needed, ...options });
      const behaviour = { plain: { kind: 'minimum-functionality' as const, file: 'b.csv' } };
      return runStep(prepareData, { files, data, behaviour }, services);
    };
    const { dataset } = await prepareWith('text,labels\nmy money late,money;delivery\nhello,\n');
    deepEqual(
      (await loadBehaviour(services.store, dataset)).map(({ line, test }) => [line, 'labels' in test && test.labels]),
      [
        [2, ['money', 'delivery']],
        [3, []],
      ],
    );
    match((await refusal(prepareWith('text,labels\nx,money;garden\n'))).message, /b\.csv:2: labels is 'garden', which/);
  });

  it('gives each split its share of every label', async () => {
    const summary = await prepare(services, [{ path: 'a.jsonl', content: jsonl(rows) }], options);
    deepEqual(summary.labels, ['delivery', 'money', 'returns']);
    for (const [label, all] of [['money', 70] as const, ['delivery', 42] as const, ['returns', 30] as const]) {
      for (const split of SPLITS) {
        const [got, wanted] = [summary.labelCounts[label]?.[split] ?? 0, all * SHARES[split]];
        ok(Math.abs(got - wanted) <= 1.5, `${label} in ${split}: ${got} instead of ${wanted}`);
      }
    }
    for (const split of SPLITS)
      ok(Math.abs(summary.rows[split] - 210 * SHARES[split]) <= 4, `${split}: ${summary.rows[split]}`);
    const stored = await loadSplit(services.store, summary.dataset, 'test');
    deepEqual(
      stored.find(({ labels }) => labels?.length === 3)?.labels ?? ['delivery', 'money', 'returns'],
      summary.labels,
    );
    const { targets, ids } = multiLabelled(
      await loadSplit(services.store, summary.dataset, 'test'),
      summary.labels,
      'test.jsonl',
    );
    equal(targets.length, ids.length * 3);
    equal(
      targets.filter((_, at) => at % 3 === 1).reduce((sum, one) => sum + one, 0),
      summary.labelCounts['money']?.test,
    );
  });

  it('leaves the test its share where all rows without a label have nearly the same text', () => {
    const labelled = sentences(120, ['a', 'b']).map(({ text, label }) => ({ near: text, label, labels: [label] }));
    const empty = Array.from({ length: 30 }, () => ({ near: 'good morning', label: '', labels: [] }));
    const { sides, unsplittable } = splitRows([...labelled, ...empty], SHARES, 7);
    deepEqual(unsplittable, []);
    equal(sides.train.filter(({ labels }) => labels.length === 0).length, 30);
    ok(sides.test.length <= 24, `${sides.test.length} of 150 rows are the test`);
  });

  it('reads a cell of CSV as labels parted by the separator, an empty cell as none, whatever their order and spaces', async () => {
    const cells = rows.map(({ text, topics }, at) =>
      [text, (at % 2 === 0 ? topics : topics.toReversed()).join(at % 2 === 0 ? '|' : ' | ')].join(','),
    );
    const csv = { path: 'a.csv', content: `text,topics\n${cells.join('\n')}\n` };
    const [one, other] = [
      await prepare(services, [csv], { ...options, multiLabel: { separator: '|' } }),
      await prepare(services, [{ path: 'a.jsonl', content: jsonl(rows) }], options),
    ];
    deepEqual(one.labelCounts, other.labelCounts);
    const lines = async (summary: DatasetSummary) => loadSplit(services.store, summary.dataset, 'train');
    deepEqual(await lines(one), await lines(other));
  });

  it('says of a row that is not such a list what is wrong with it, and where', async () => {
    const bad: readonly [unknown, RegExp][] = [
      ['money;delivery', /a\.jsonl:1: 'topics' is no list of strings \(not-a-list\)/],
      [['money', 3], /'topics' is no list of strings/],
      [['money', ' money'], /the label 'money' is given twice \(repeated-label\)/],
      [['money', ' '], /one of its labels is empty \(empty-label\)/],
      [null, /no value for 'topics' \(missing-value\)/],
    ];
    for (const [topics, message] of bad) {
      const content = jsonl([{ text: 'what a day', topics }, ...rows]);
      match((await refusal(prepare(services, [{ path: 'a.jsonl', content }], options))).message, message);
    }
    const known = { ...options, labels: ['money', 'delivery'] };
    const { message } = await refusal(prepare(services, [{ path: 'a.jsonl', content: jsonl(rows) }], known));
    match(message, /the label 'returns' is not in data\.labels \(unknown-label\)/);
  });

  it('takes the same text with other labels for a contradiction, and with the same for a duplicate', async () => {
    const [first] = rows;
    const same = { text: first?.text.toUpperCase(), topics: first?.topics.toReversed() };
    const content = jsonl([...rows, same]);
    equal((await prepare(services, [{ path: 'a.jsonl', content }], options)).dropped['duplicate'], 1);
    const contradiction = jsonl([...rows, { ...same, topics: ['money'] }]);
    match(
      (await refusal(prepare(services, [{ path: 'a.jsonl', content: contradiction }], options))).message,
      /which has the labels '\["delivery","money","returns"\]' instead of '\["money"\]'|instead of '\["delivery","money","returns"\]'/,
    );
  });

  it('refuses a label that nearly every row has: there is nothing to tell apart', async () => {
    const content = jsonl(rows.map(({ text, topics }) => ({ text, topics: [...topics, 'any'] })));
    match(
      (await refusal(prepare(services, [{ path: 'a.jsonl', content }], options))).message,
      /only 0 of 210 usable rows are without 'any'/,
    );
  });

  it('finds a label that stands in its texts, and words that give every label away, among rows of several labels', () => {
    const told = rows.map(({ topics }, at) => {
      const text = `${topics.map((topic) => `${topic} ${topic}word`).join(' and ')} row ${'abcdefghij'[at % 10]}`;
      return { text, label: '', labels: topics, ...textIdentity(text) };
    });
    deepEqual(
      namedLabels(told).map(({ reason }) => reason),
      ['label-in-text', 'label-in-text', 'label-in-text'],
    );
    deepEqual(
      giveaways(told).map(({ reason }) => reason),
      ['label-leak'],
    );
    const plain = rows.map(({ text, topics }) => ({ text, label: '', labels: topics, ...textIdentity(text) }));
    deepEqual([...namedLabels(plain), ...giveaways(plain)], []);
  });

  it('keeps some of every label in a small part for prototypes', async () => {
    const { dataset } = await prepare(services, [{ path: 'a.jsonl', content: jsonl(rows) }], options);
    const part = await runStep(
      subsetData,
      { dataset, rows: { train: { most: 20 }, validation: {}, test: {} }, seed: 7 },
      services,
    );
    equal(part.rows.train, 20);
    for (const label of ['money', 'delivery', 'returns']) ok((part.labelCounts[label]?.train ?? 0) >= 2, label);
  });

  it('loses no row and has every label that can be there on every side, however the labels fall', () => {
    const row = fc.record({
      text: fc.stringMatching(/^[a-z]{3,9}$/),
      labels: fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd'), { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.uniqueArray(row, { selector: ({ text }) => text, minLength: 12, maxLength: 80 }), (drawn) => {
        const given = drawn.map((one) => ({ ...one, label: JSON.stringify(one.labels), ...textIdentity(one.text) }));
        const { sides, unsplittable } = splitRows(given, SHARES, 7);
        deepEqual(
          Object.values(sides)
            .flat()
            .map(({ text }) => text)
            .toSorted(),
          given.map(({ text }) => text).toSorted(),
        );
        for (const label of ['a', 'b', 'c', 'd']) {
          if (unsplittable.includes(label) || !given.some(({ labels }) => labels.includes(label))) continue;
          for (const split of SPLITS)
            ok(
              sides[split].some(({ labels }) => labels.includes(label)),
              `${label} in ${split}`,
            );
        }
        ok(!unsplittable.includes(''));
        deepEqual(
          splitRows(given.toReversed(), SHARES, 7)
            .sides.test.map(({ text }) => text)
            .toSorted(),
          sides.test.map(({ text }) => text).toSorted(),
        );
      }),
      { numRuns: 100 },
    );
  });
});

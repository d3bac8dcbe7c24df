import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readBehaviourTable, inputsOf, unknownLabels, withInputs } from '../../../pipelines/behaviour/table.ts';
import { checkPipeline } from '../../../pipelines/check.ts';
import type { PipelineDefinition } from '../../../pipelines/definition.ts';

const read = (content: string | Uint8Array, kind: Parameters<typeof readBehaviourTable>[1], format: 'csv' | 'jsonl') =>
  readBehaviourTable(Buffer.from(content), kind, format);
const told = ({ problems }: ReturnType<typeof read>) =>
  problems.map(({ line, field, message }) => `${line} ${field ?? ''} ${message}`);

describe('a table of behaviour tests', () => {
  it('is CSV or JSONL, each test with the line it begins on, whatever stands in quotes before it', () => {
    const csv = '\uFEFFnote,text,label\r\na,"two\r\nlines",card\r\n\r\nb,"say ""hi""",  loan \r\n';
    const { tests, problems } = read(csv, 'minimum-functionality', 'csv');
    deepEqual(problems, []);
    deepEqual(tests, [
      { line: 2, test: { kind: 'minimum-functionality', text: 'two\r\nlines', label: 'card' } },
      { line: 5, test: { kind: 'minimum-functionality', text: 'say "hi"', label: 'loan' } },
    ]);
    const directional = { text: 'a', edited: 'b', label: 'x', mustNot: 'fall', by: 0.1 };
    const jsonl = `\n${JSON.stringify(directional)}\n${JSON.stringify({ ...directional, by: '.2', capability: 7 })}`;
    deepEqual(
      read(jsonl, 'directional', 'jsonl').tests.map(({ line, test }) => [line, 'by' in test && test.by]),
      [
        [2, 0.1],
        [3, 0.2],
      ],
    );
  });

  it('tells every mistake by line and field', () => {
    const rows = ['text,label', 'hello,card', ',card', 'hello,', '\u200b,card', `${'x'.repeat(40_000)},card`];
    deepEqual(told(read(rows.join('\n'), 'minimum-functionality', 'csv')), [
      '3 text is empty',
      '4 label is empty',
      '5 text is empty',
      '6 text has more than 32768 bytes',
    ]);
    const one = { text: 'a', edited: 'b', label: 'x', mustNot: 'fall', by: 0.1 };
    const wrong = [
      { ...one, by: 1.5 },
      { ...one, by: 'much' },
      { ...one, by: 1 },
      { ...one, mustNot: 'drop' },
      { text: 7 },
      'no',
      [one],
      { ...one, mustNot: 'a text in the wrong column' },
    ];
    deepEqual(told(read(wrong.map((row) => JSON.stringify(row)).join('\n'), 'directional', 'jsonl')), [
      "1 by is '1.5', and must be a number from 0, below 1: nothing changes by more than 1",
      "2 by is 'much', and must be a number from 0, below 1: nothing changes by more than 1",
      "3 by is '1', and must be a number from 0, below 1: nothing changes by more than 1",
      "4 mustNot is 'drop', and must be fall or rise",
      '5 text must be a string',
      '5 edited is missing',
      '5 label is missing',
      '5 mustNot is missing',
      '5 by is missing',
      '6  is no JSON object',
      '7  is no JSON object',
      '8 mustNot must be fall or rise',
    ]);
  });

  it('refuses what always holds: a text beside itself, however its spaces and letters are written, by line and field', () => {
    const invariance = 'text,other\nsame,same\na  b, a b \n"caf\u00e9","cafe\u0301"\nCase,case\na,a.\n';
    const always = 'is the same as text, so that the test always holds';
    deepEqual(
      told(read(invariance, 'invariance', 'csv')),
      [2, 3, 4].map((line) => `${line} other ${always}`),
    );
    const directional = 'text,edited,label,mustNot,by\na,a,x,fall,0\na,b,x,rise,0.99\n';
    deepEqual(told(read(directional, 'directional', 'csv')), [`2 edited ${always}`]);
  });

  it('is refused as a whole where it cannot be read: no UTF-8, ragged, unclosed, doubled columns, empty, too many', () => {
    const fault = (content: string | Uint8Array, format: 'csv' | 'jsonl' = 'csv') => {
      const found = read(content, 'invariance', format);
      deepEqual(found.tests, []);
      return told(found).join();
    };
    match(fault(Uint8Array.of(0xff, 0xfe, 0x41)), /^1 {2}the table is not UTF-8$/);
    match(fault('text,other\na,b\na,b,c'), /^3 {2}has 3 cells where the header has 2/);
    match(fault('text,other\na,"b'), /is not CSV/);
    match(fault('id,a text of jo,label,a text of jo\na,b,c,d'), /^1 {2}has the same name for the columns 2 and 4$/);
    for (const empty of ['', 'text,other\n']) match(fault(empty), /has no tests/);
    match(fault('\n\n', 'jsonl'), /has no tests/);
    match(fault(`text,other\n${'a,b\n'.repeat(10_001)}`), /10001 tests; at most 10000/);
    match(fault('other\nb'), /2 text is missing/);
    match(fault('{"text":"\\ud800","other":"b"}', 'jsonl'), /1 text is not valid UTF-8/);
    match(fault('{"__proto__":{"text":"a"},"other":"b"}', 'jsonl'), /1 text is missing/);
  });

  it('says all labels of a text where it may have several: in CSV parted as those of the data, in JSONL a list', () => {
    const several = (content: string, format: 'csv' | 'jsonl', kind: Parameters<typeof readBehaviourTable>[1]) =>
      readBehaviourTable(Buffer.from(content), kind, format, { separator: '|' });
    const minimum = 'minimum-functionality';
    const csv = several('text,labels\na, loan | card\nb,\nc,card|\nd,card|card', 'csv', minimum);
    deepEqual(csv.tests, [
      { line: 2, test: { kind: minimum, text: 'a', labels: ['loan', 'card'] } },
      { line: 3, test: { kind: minimum, text: 'b', labels: [] } },
    ]);
    deepEqual(told(csv), ['4 labels has an empty name', '5 labels has a label twice']);
    const lines = ['{"text":"a","labels":["card"]}', '{"text":"b","labels":"card"}', '{"text":"c","labels":[1]}'];
    const jsonl = several([...lines, '{"text":"d","label":"card"}'].join('\n'), 'jsonl', minimum);
    deepEqual(told(jsonl), [
      '2 labels must be a list of strings',
      '3 labels must be a list of strings',
      '4 labels is missing',
    ]);
    deepEqual(
      unknownLabels(csv.tests, new Set(['card']), (name) => `is ${name}`).map(({ line, field, message }) => {
        return `${line} ${field} ${message}`;
      }),
      ['2 labels is loan'],
    );
    // Of one label's probability the test names that label, however many there are.
    const moved = several('text,edited,label,mustNot,by\na,b,card,fall,0', 'csv', 'directional');
    deepEqual([moved.problems.length, moved.tests.length], [0, 1]);
  });

  it('gives the texts that are asked, and takes others in their place', () => {
    const test = { kind: 'invariance', text: 'a', other: 'b' } as const;
    deepEqual(inputsOf(withInputs(test, ['c', 'd'])), ['c', 'd']);
    deepEqual(withInputs({ kind: 'minimum-functionality', text: 'a', label: 'x' }, ['c']), {
      kind: 'minimum-functionality',
      text: 'c',
      label: 'x',
    });
  });
});

describe('behaviour tables in a definition', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-behaviour-'));
    await writeFile(join(folder, 'rows.csv'), 'text,label\nx,card\n');
    await writeFile(join(folder, 'good.csv'), 'text,label\nwhere is it,card\n');
    await writeFile(join(folder, 'bad.jsonl'), '{"text":"a","other":"b"}\n{"text":"a"}\n');
  });
  after(() => rm(folder, { recursive: true }));

  const check = (behaviour: unknown, more: object = {}) => {
    const data = { files: ['rows.csv'], text: 'text', label: 'label', licence: 'CC0-1.0', source: 'ours', ...more };
    const definition: PipelineDefinition = {
      name: 'sorter',
      task: 'text-classification',
      data,
      intendedUse: { commercial: false, domain: 'support' },
      candidates: [{ id: 'tiny', model: `hf:org/name@${'0'.repeat(40)}` }],
      approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
      deploy: { model: 'sorter' },
    };
    const checked = checkPipeline({ ...definition, behaviour, customGates: { mine: { min: 0 } } }, { folder });
    return checked.ok ? [] : checked.problems.map(({ path, message, fix }) => `${path}: ${message}; ${fix ?? ''}`);
  };
  const table = { kind: 'minimum-functionality', file: 'good.csv', min: 1 };

  it('say all labels of a text where the data do, parted as theirs are', async () => {
    await writeFile(join(folder, 'sets.csv'), 'text,labels\nwhere is it,card;loan\nhello,\n');
    const sets = { ...table, file: 'sets.csv' };
    const more = { multiLabel: {}, labels: ['card', 'loan'] };
    const ofTables = check({ late: sets }, more).filter((problem) => problem.startsWith('behaviour'));
    deepEqual(ofTables, []);
    match(
      check({ late: sets }, { ...more, labels: ['card', 'garden'] }).join(),
      /sets\.csv:2: labels is 'loan', which/,
    );
    match(check({ late: table }, more).join(), /good\.csv:2: labels is missing; correct the row/);
    match(check({ late: sets }).join(), /sets\.csv:2: label is missing/);
  });

  it('are read before anything runs: rows of a local file, its labels, its place and its name', () => {
    deepEqual(check({ late: table }), []);
    deepEqual(check({ late: table }, { labels: ['loan', 'garden'] }), [
      "behaviour.late.file: good.csv:2: label is 'card', which is not in data.labels; correct the row (docs/gates.md says what each kind of test needs)",
    ]);
    deepEqual(check({ same: { ...table, kind: 'invariance', file: 'bad.jsonl' } }), [
      'behaviour.same.file: bad.jsonl:2: other is missing; correct the row (docs/gates.md says what each kind of test needs)',
    ]);
    match(check({ late: { ...table, file: 'none.csv' } }).join(), /there is no file 'none\.csv'/);
    match(check({ late: { ...table, file: 'good.txt' } }).join(), /cannot be told by its ending/);
    match(check({ accuracy: table }).join(), /^behaviour\.accuracy: is the name of another gate/);
    match(check({ mine: table }).join(), /^behaviour\.mine: is the name of another gate/);
    match(check({ one: table, two: table }).join(), /names 'good\.csv' again \(also behaviour\.one\.file\)/);
    match(check({ late: { ...table, min: 95 } }).join(), /at most 1/);
    match(check({ late: { kind: 'minimum-functionality', file: 'good.csv' } }).join(), /min: is missing/);
    match(check({ 'late-parcels': table }).join(), /write a name like/);
    equal(check({ far: { ...table, file: 's3://bucket/table.csv' } }).length, 0);
  });

  it('are shown the first ten mistakes of, and told how many more there are', async () => {
    await writeFile(join(folder, 'many.csv'), `text,label\n${',card\n'.repeat(14)}`);
    const problems = check({ late: { ...table, file: 'many.csv' } });
    equal(problems.length, 11);
    ok(problems.at(-1)?.includes("4 more are wrong in 'many.csv'"));
  });
});

import { deepEqual, match } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { comparedWithItself, inputsOf, readBehaviourTable, withInputs } from '../../../pipelines/behaviour/table.ts';
import { checkPipeline } from '../../../pipelines/check.ts';
import { testPipeline } from '../../support/bundle.ts';

type Kind = Parameters<typeof readBehaviourTable>[1];
const read = (content: string, kind: Kind, format: 'csv' | 'jsonl' = 'csv', separator?: string) =>
  readBehaviourTable(Buffer.from(content), kind, format, { pairs: true, separator });
const told = ({ problems }: ReturnType<typeof read>) =>
  problems.map(({ line, field, message }) => `${line} ${field ?? ''} ${message}`);

describe('a table of behaviour tests of pairs', () => {
  it('has both texts of a row, and what they are compared with: another first, another second, or both', () => {
    const minimum = read('text,pair,label\nIs it wet?,"No, dry.",answers\n', 'minimum-functionality');
    deepEqual(minimum, {
      tests: [
        {
          line: 2,
          test: { kind: 'minimum-functionality', text: 'Is it wet?', pair: 'No, dry.', label: 'answers' },
        },
      ],
      problems: [],
    });
    const same = read('text,pair,other,otherPair\na,b,A,\na,b,,B\na,b,b,a\n', 'invariance');
    deepEqual(told(same), []);
    deepEqual(
      same.tests.map(({ test }) => inputsOf(test)),
      [
        [
          ['a', 'b'],
          ['A', 'b'],
        ],
        [
          ['a', 'b'],
          ['a', 'B'],
        ],
        [
          ['a', 'b'],
          ['b', 'a'],
        ],
      ],
    );
    const moved = { text: 'a', pair: 'b', edited: '', editedPair: 'not b', label: 'x', mustNot: 'rise', by: 0.1 };
    deepEqual(read(JSON.stringify(moved), 'directional', 'jsonl').tests, [
      { line: 1, test: { kind: 'directional', ...moved, edited: 'a' } },
    ]);
  });

  it('says all labels of a pair where it may have several', () => {
    const { tests } = read('text,pair,labels\na,b,x|y\na,c,\n', 'minimum-functionality', 'csv', '|');
    deepEqual(
      tests.map(({ test }) => 'labels' in test && [inputsOf(test), test.labels]),
      [
        [[['a', 'b']], ['x', 'y']],
        [[['a', 'c']], []],
      ],
    );
  });

  it('tells every mistake by line and field, and never takes a column of another name for an unchanged text', () => {
    const called = 'is missing: with data.pair the two texts of a test are called text and pair';
    deepEqual(told(read('question,answer,label\na,b,x\n', 'minimum-functionality')), [
      `2 text ${called}`,
      `2 pair ${called}`,
    ]);
    deepEqual(told(read('text,pair,other,other_pair\na,b,A,B\n', 'invariance')), [
      '2 otherPair is missing: leave it empty where it is the same as pair',
    ]);
    const rows = ['text,pair,other,otherPair', ',b,c,d', 'a, ,c,d', 'a,b,\u200b,d', `a,b,c,${'x'.repeat(40_000)}`];
    deepEqual(told(read(rows.join('\n'), 'invariance')), [
      '2 text is empty',
      '3 pair is empty',
      '4 other has nothing that can be seen',
      '5 otherPair has more than 32768 bytes',
    ]);
    const lines = [
      { text: 'a', pair: 7, edited: 'c', editedPair: null, label: 'x', mustNot: 'fall', by: 0 },
      { text: 'a', pair: 'b', edited: '\ud800', editedPair: '', label: 'x', mustNot: 'fall', by: 1 },
    ];
    deepEqual(told(read(lines.map((line) => JSON.stringify(line)).join('\n'), 'directional', 'jsonl')), [
      '1 pair must be a string',
      '1 editedPair must be a string',
      '2 edited is not valid UTF-8',
      '2 edited has nothing that can be seen',
      "2 by is '1', and must be a number from 0, below 1: nothing changes by more than 1",
    ]);
  });

  it('refuses a pair beside itself, written out or left empty, and takes one of which either text is another', () => {
    const rows = ['text,pair,other,otherPair', 'a,b,,', 'a  b,c, a b ,"c "', 'a,b,a,c', 'a,b,c,b', 'a,a,a,a'];
    const always = 'is the same as text, and otherPair as pair, so that the test always holds';
    deepEqual(
      told(read(rows.join('\n'), 'invariance')),
      [2, 3, 6].map((line) => `${line} other ${always}`),
    );
    deepEqual(told(read('text,pair,edited,editedPair,label,mustNot,by\na,b,,,x,fall,0\n', 'directional')), [
      '2 edited is the same as text, and editedPair as pair, so that the test always holds',
    ]);
  });

  it('gives others in place of its texts, in their order', () => {
    for (const { test } of [
      ...read('text,pair,label\na,b,x\n', 'minimum-functionality').tests,
      ...read('text,pair,other,otherPair\na,b,c,d\n', 'invariance').tests,
      ...read('text,pair,edited,editedPair,label,mustNot,by\na,b,c,d,x,fall,0\n', 'directional').tests,
    ]) {
      const others = inputsOf(test).map((_, at) => [`${at} first`, `${at} second`] as const);
      const renamed = withInputs(test, others);
      deepEqual(inputsOf(renamed), others);
      deepEqual(Object.keys(renamed).toSorted(), Object.keys(test).toSorted());
      deepEqual(comparedWithItself(2, renamed, 'is'), []);
    }
  });
});

describe('behaviour tables of a definition with data.pair', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-pair-tables-'));
    await writeFile(join(folder, 'rows.csv'), 'question,answer,label\nx,y,answers\n');
    await writeFile(join(folder, 'one.csv'), 'text,label\nIs it wet?,answers\n');
    await writeFile(join(folder, 'two.csv'), 'text,pair,label\nIs it wet?,No.,answers\n"Is it\nwet?",Blue.,evade\n');
    await writeFile(join(folder, 'sets.csv'), 'text,pair,labels\nIs it wet?,No.,answers;evades\nIs it wet?,Hm.,\n');
  });
  after(() => rm(folder, { recursive: true }));

  const check = (file: string, more: object = {}) => {
    const definition = testPipeline();
    const { licence, source } = definition.data;
    const data = { files: ['rows.csv'], text: 'question', pair: 'answer', label: 'label', licence, source, ...more };
    const behaviour = { plain: { kind: 'minimum-functionality', file, min: 1 } };
    const checked = checkPipeline({ ...definition, data, behaviour }, { folder });
    const problems = checked.ok ? [] : checked.problems;
    return problems.flatMap(({ path, message, fix }) =>
      path.startsWith('behaviour') ? `${path}: ${message}; ${fix ?? ''}` : [],
    );
  };

  it('are read before anything runs, each mistake by file, line, field, value and the way out', () => {
    deepEqual(check('two.csv'), []);
    deepEqual(check('two.csv', { labels: ['answers', 'evades'] }), [
      "behaviour.plain.file: two.csv:3: label is 'evade', which is not in data.labels; correct the row (docs/gates.md says what each kind of test needs)",
    ]);
    match(
      check('one.csv').join(),
      /one\.csv:2: pair is missing: with data\.pair the two texts of a test are called text/,
    );
    deepEqual(check('two.csv', { pair: undefined }), []);
  });

  it('say all labels of a pair where the data do', () => {
    const several = { multiLabel: {}, labels: ['answers', 'evades'] };
    deepEqual(check('sets.csv', several), []);
    match(check('two.csv', several).join(), /two\.csv:2: labels is missing/);
    match(
      check('sets.csv', { ...several, labels: ['answers', 'asks'] }).join(),
      /sets\.csv:2: labels is 'evades', which/,
    );
  });
});

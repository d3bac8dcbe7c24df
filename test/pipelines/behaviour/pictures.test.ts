import { deepEqual, equal, match } from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  inputsOf,
  picturesOf,
  readBehaviourTable,
  withInputs,
  withPictures,
} from '../../../pipelines/behaviour/table.ts';
import { checkPipeline } from '../../../pipelines/check.ts';

const read = (content: string, kind: Parameters<typeof readBehaviourTable>[1]) =>
  readBehaviourTable(Buffer.from(content), kind, 'csv', { input: 'image' });

describe('a table of behaviour tests of pictures', () => {
  it('names pictures below its folder in place of texts', () => {
    const { tests, problems } = read('image,other\n./a/1.jpg,a/2.jpg\n', 'invariance');
    deepEqual([problems, tests], [[], [{ line: 2, test: { kind: 'invariance', image: 'a/1.jpg', other: 'a/2.jpg' } }]]);
    const moved = read('image,edited,label,mustNot,by\na.jpg,b.jpg,cat,fall,0.1\n', 'directional').tests[0]!.test;
    deepEqual(inputsOf(moved), ['a.jpg', 'b.jpg']);
    deepEqual(inputsOf(withInputs(moved, ['c', 'd'])), ['c', 'd']);
    deepEqual(withInputs({ kind: 'minimum-functionality', image: 'a', label: 'x' }, ['c']), {
      kind: 'minimum-functionality',
      image: 'c',
      label: 'x',
    });
  });

  it('says of what a finder finds how much must be the same, where it is more than the first', () => {
    const content = 'image,other,overlap\na,b,\na,b,0.8\na,b,much\na,b,0\na,b,1.01\n';
    const { tests, problems } = readBehaviourTable(Buffer.from(content), 'invariance', 'csv', {
      input: 'image',
      finds: true,
    });
    deepEqual(
      tests.map(({ line, test }) => [line, 'overlap' in test ? test.overlap : undefined]),
      [
        [2, undefined],
        [3, 0.8],
      ],
    );
    deepEqual(
      problems,
      ['much', '0', '1.01'].map((value, at) => {
        const message = `is '${value}', and must be a number above 0, at most 1: none is always the same`;
        return { line: at + 4, field: 'overlap', message };
      }),
    );
    const json = readBehaviourTable(Buffer.from('{"image":"a","other":"b"}'), 'invariance', 'jsonl', {
      input: 'image',
      finds: true,
    });
    deepEqual([json.tests.length, json.problems], [1, []]);
    // Of a classifier it is a column for people.
    deepEqual([read(content, 'invariance').tests.length, read(content, 'invariance').problems], [5, []]);
  });

  it('names the very picture that a finder must find in place of a label', () => {
    const content = 'image,label,neighbour\na.jpg,,b/c.jpg\na.jpg,cat,\na.jpg,,\na.jpg,,../b.jpg\n';
    const { tests, problems } = readBehaviourTable(Buffer.from(content), 'minimum-functionality', 'csv', {
      input: 'image',
      finds: true,
    });
    deepEqual(
      tests.map(({ test }) => picturesOf(test)),
      [
        [
          { field: 'image', name: 'a.jpg' },
          { field: 'neighbour', name: 'b/c.jpg' },
        ],
        [{ field: 'image', name: 'a.jpg' }],
      ],
    );
    deepEqual(
      problems.map(({ line, field }) => `${line} ${field}`),
      ['4 label', '5 neighbour'],
    );
    deepEqual(
      withPictures(tests[0]!.test, (name) => `kept/${name}`),
      {
        kind: 'minimum-functionality',
        image: 'kept/a.jpg',
        neighbour: 'kept/b/c.jpg',
      },
    );
  });

  it('names none outside it, however the way out is written, and no hidden file', () => {
    const paths = ['/etc/passwd', '../a.jpg', 'a/../../b.jpg', 'a\\..\\b.jpg', 'C:\\a.jpg', '.listing', 'a/.b.jpg', ''];
    const { tests, problems } = read(
      `label,image\n${paths.map((path) => `cat,${path}\n`).join('')}`,
      'minimum-functionality',
    );
    deepEqual(tests, []);
    equal(problems.length, paths.length);
    match(problems[0]!.message, /^is no path inside the table's folder/);
    match(read('text,label\na,b', 'minimum-functionality').problems[0]!.message, /is missing/);
  });
});

describe('tables of pictures in a definition', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-picture-tables-'));
    await mkdir(join(folder, 'tests', 'deep'), { recursive: true });
    await mkdir(join(folder, 'pictures'));
    for (const name of ['tests/a.jpg', 'tests/deep/b.jpg', 'outside.jpg'])
      await writeFile(join(folder, name), 'picture');
    await writeFile(join(folder, 'tests', 'none.jpg'), '');
    await writeFile(join(folder, 'tests', 'large.jpg'), 'x'.repeat(2000));
    await symlink('../outside.jpg', join(folder, 'tests', 'link.jpg'));
    await writeFile(join(folder, 'tests', 'good.csv'), 'image,label\na.jpg,cat\ndeep/b.jpg,dog\n');
    const bad = ['gone.jpg', 'a.jpg', 'deep', 'none.jpg', 'large.jpg', 'link.jpg', 'a.jpg'];
    const rows = bad.map((other, at) => JSON.stringify({ image: 'a.jpg', other, ...(at === 6 ? { other: 7 } : {}) }));
    await writeFile(join(folder, 'tests', 'bad.jsonl'), rows.join('\n'));
  });
  after(() => rm(folder, { recursive: true }));

  const check = (
    behaviour: unknown,
    data: object = {},
    at = folder,
    task = 'image-classification',
  ): readonly string[] => {
    const checked = checkPipeline(
      {
        name: 'parts',
        task,
        data: { files: ['pictures'], licence: 'CC0-1.0', source: 'ours', maxImageBytes: 1024, ...data },
        intendedUse: { commercial: false, domain: 'sorting' },
        candidates: [{ id: 'resnet', model: `hf:org/name@${'0'.repeat(40)}` }],
        approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'owner' }] } },
        deploy: { model: 'parts' },
        behaviour,
      },
      { folder: at },
    );
    return checked.ok ? [] : checked.problems.map(({ path, message, fix }) => `${path}: ${message}; ${fix ?? ''}`);
  };

  it('are read before anything runs, with the files that they name', () => {
    const good = { kind: 'minimum-functionality', file: 'tests/good.csv', min: 1 };
    deepEqual(check({ plain: good }), []);
    const [label] = check({ plain: good }, { labels: ['cat', 'bird'] });
    match(label!, /^behaviour\.plain\.file: tests\/good\.csv:3: label is 'dog', which is not in data\.labels; correct/);
    const told = check({ same: { kind: 'invariance', file: 'tests/bad.jsonl', min: 0.9 } });
    deepEqual(
      told.map((problem) => problem.split('; ')[0]),
      [
        "1: other is 'gone.jpg', and there is no such file beside the table",
        '2: other is the same as image, so that the test always holds',
        "3: other is 'deep', which is no file",
        "4: other is 'none.jpg', which is empty",
        "5: other is 'large.jpg', which has 2000 bytes, more than 1024 (data.maxImageBytes)",
        "6: other is 'link.jpg', which leads out of the table's folder",
        '7: other must be a string',
      ].map((problem) => `behaviour.same.file: tests/bad.jsonl:${problem}`),
    );
  });

  it('are read of a model that finds pictures as well, by names that its own gates do not have', async () => {
    await writeFile(join(folder, 'tests', 'near.csv'), 'image,other,overlap\na.jpg,deep/b.jpg,2\n');
    const near = { kind: 'invariance', file: 'tests/near.csv', min: 1 };
    const told = check({ near, recallAtK: { ...near, file: 'tests/good.csv' } }, {}, folder, 'image-retrieval').join();
    match(told, /behaviour\.near\.file: tests\/near\.csv:2: overlap is '2', and must be a number above 0, at most 1/);
    match(told, /behaviour\.recallAtK: is the name of another gate/);
    const good = { kind: 'minimum-functionality', file: 'tests/good.csv', min: 1 };
    deepEqual(check({ accuracy: good }, {}, folder, 'image-retrieval'), []);
  });

  it('are on this machine, with their pictures beside them', () => {
    const far = { far: { kind: 'invariance', file: 's3://bucket/table.csv', min: 1 } };
    match(check(far).join(), /names pictures beside it, and these are read from this machine; put the table and its/);
  });
});

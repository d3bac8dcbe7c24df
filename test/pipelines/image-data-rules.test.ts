import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { imageDataProblems } from '../../pipelines/image-data-rules.ts';

const data = { licence: 'MIT', source: 'our camera' };
const paths = (value: object, folder?: string): readonly string[] =>
  imageDataProblems({ task: 'image-classification', data: { ...data, ...value } }, folder).map(
    ({ path, message }) => `${path}: ${message}`,
  );

describe('the data of pictures in a definition', () => {
  it('come from folders, tar shards and lists that are there, and from tar shards in S3', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-rules-'));
    try {
      await mkdir(join(folder, 'pictures'));
      await writeFile(join(folder, 'list.csv'), 'image,label\n');
      await writeFile(join(folder, 'a.tar'), 'x');
      const good = { files: ['pictures', 'list.csv', 'a.tar', 's3://bucket/train-0001.tar', 'hf:org/pictures#a.tar'] };
      assert.deepEqual(paths(good, folder), []);
      const bad = [
        'pictures',
        'pictures',
        's3://bucket/folder/',
        'https://example.org/a.tar',
        'none',
        'pictures/../a.tar/',
      ];
      assert.deepEqual(paths({ files: bad }, folder), [
        "data.files[1]: names 'pictures' again",
        "data.files[2]: 's3://bucket/folder/' is not a tar shard",
        "data.files[3]: data cannot be read from 'https://'",
        `data.files[4]: there is no 'none' in ${folder}`,
        "data.files[5]: 'pictures/../a.tar/' is not a folder",
      ]);
      assert.deepEqual(paths({ files: ['pictures'], shiftedFiles: ['a.tar', 'pictures', 'gone.tar'] }, folder), [
        "data.shiftedFiles[1]: names 'pictures' again",
        `data.shiftedFiles[2]: there is no 'gone.tar' in ${folder}`,
      ]);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('need shares that fit together, labels once, and two columns', () => {
    assert.deepEqual(
      paths({
        files: ['a'],
        split: { train: 0.5, validation: 0, test: 0.2 },
        labels: ['x', 'x'],
        image: 'y',
        label: 'y',
      }),
      [
        "data.labels[1]: the label 'x' is there twice",
        "data.label: is the same column as data.image ('y')",
        'data.split: the shares add up to 0.7, not 1',
        'data.split.validation: is 0, and no file is declared for it',
      ],
    );
  });
});

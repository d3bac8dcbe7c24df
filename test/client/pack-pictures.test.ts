import { deepEqual, equal, ok } from 'node:assert/strict';
import { cp, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPictures } from '../../activities/data/images/sources.ts';
import { packFolder, packList } from '../../client/pack-pictures.ts';

describe('packing pictures', () => {
  let folder: string;
  let pictures: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-pack-'));
    pictures = join(folder, 'pictures');
    for (const label of ['cat', 'Dög']) {
      await mkdir(join(pictures, label), { recursive: true });
      for (const name of ['a.jpg', 'b.PNG', 'notes.txt', '.DS_Store'])
        await writeFile(join(pictures, label, name), label + name);
    }
    await writeFile(join(folder, 'secret.jpg'), 'secret');
    await symlink('../../secret.jpg', join(pictures, 'cat', 'out.jpg'));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const columns = { image: 'image', label: 'label', maxImageBytes: 1e6 };
  async function read(format: 'tar' | 'csv' | 'jsonl', path: string): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const one of readPictures({ path, name: 'p', format }, columns, folder)) {
      found.push(
        'problem' in one ? `${one.line} ${one.problem.reason}` : `${one.line} ${one.label} ${one.bytes.toString()}`,
      );
    }
    return found;
  }

  it('takes the pictures of a folder, and follows no link', async () => {
    const out = join(folder, 'a.tar');
    await packFolder(pictures, out);
    // A picture waits for what may stand beside it; what is wrong is told at once.
    deepEqual((await read('tar', out)).toSorted(), [
      '1 Dög Döga.jpg',
      '2 Dög Dögb.PNG',
      '3 cat cata.jpg',
      '4 cat catb.PNG',
      '5 not-a-file',
    ]);
    ok(!(await readFile(out)).includes('secret.jpg'));
  });

  it('makes the same tar of the same files, whenever and wherever they were written', async () => {
    const copy = join(folder, 'copy');
    await cp(pictures, copy, { recursive: true, verbatimSymlinks: true });
    await utimes(join(copy, 'cat', 'a.jpg'), 1, 1);
    await packFolder(pictures, join(folder, 'b.tar'));
    await packFolder(copy, join(folder, 'c.tar'));
    ok((await readFile(join(folder, 'b.tar'))).equals(await readFile(join(folder, 'c.tar'))));
  });

  it('takes the pictures that a list names, and none outside its folder', async () => {
    const rows = [
      ['./cat/a.jpg', 'C'],
      ['Dög/b.PNG', 'D'],
      ['../secret.jpg', 'S'],
      [join(folder, 'secret.jpg'), 'S'],
      ['cat/out.jpg', 'S'],
      ['cat/a.jpg', 'again'],
    ];
    const expected = [
      '1 C cata.jpg',
      '6 again cata.jpg',
      '2 D Dögb.PNG',
      '3 missing-file',
      '4 missing-file',
      '5 missing-file',
    ];
    const shifted = expected.map((text) => text.replace(/^\d/, (line) => String(Number(line) + 1)));
    await writeFile(join(pictures, 'list.csv'), `image,label\n${rows.map((row) => `${row.join(',')}\n`).join('')}`);
    await packList(join(pictures, 'list.csv'), 'image', join(folder, 'd.tar'));
    deepEqual(await read('csv', join(folder, 'd.tar')), shifted);
    await writeFile(
      join(pictures, 'list.jsonl'),
      rows.map(([image, label]) => `${JSON.stringify({ image, label })}\n`).join(''),
    );
    await packList(join(pictures, 'list.jsonl'), 'image', join(folder, 'e.tar'));
    deepEqual(await read('jsonl', join(folder, 'e.tar')), expected);
    equal((await readFile(join(folder, 'e.tar'))).includes('secret\0'), false);
  });
});

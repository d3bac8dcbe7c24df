import { deepEqual } from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPictures, type SourcePicture } from '../../../activities/data/images/sources.ts';
import { temporaryFolder } from '../../training/fixtures.ts';
import { tar, type Member } from './fixtures.ts';

async function read(members: readonly Member[], groups?: readonly string[]): Promise<readonly SourcePicture[]> {
  const folder = await temporaryFolder();
  const path = join(folder, 'shard.tar');
  await writeFile(path, await tar(members));
  const found: SourcePicture[] = [];
  const columns = { image: 'image', label: 'label', maxImageBytes: 1000, ...(groups && { groups: [...groups] }) };
  for await (const one of readPictures({ path, name: 'shard.tar', format: 'tar' }, columns, folder)) found.push(one);
  return found;
}

const told = (found: readonly SourcePicture[]) =>
  found.map((one) => [one.line, 'problem' in one ? one.problem.reason : `${one.label}: ${one.bytes.length}`]);

describe('the pictures of a shard', () => {
  it('come one by one where all their names begin alike: no group of them is held until it ends', async () => {
    const scans = Array.from({ length: 5 }, (_, at): Member => {
      return [`cats/scan.${at}.png`, Buffer.alloc(at === 2 ? 2000 : 10 + at)];
    });
    // What cannot be taken is told in its place, not before all that stand around it.
    deepEqual(told(await read(scans)), [
      [1, 'cats: 10'],
      [2, 'cats: 11'],
      [3, 'too-large'],
      [4, 'cats: 13'],
      [5, 'cats: 14'],
    ]);
  });

  it('have the label that stands before or behind them, of files that stand together only', async () => {
    const members: Member[] = [
      ['a/one.png', Buffer.alloc(1)],
      ['a/one.side.png', Buffer.alloc(2)],
      ['a/one.cls', 'wolf\n'],
      ['a/two.json', '{"label":7}'],
      ['a/huge.png', Buffer.alloc(5000)],
      ['a/two.png', Buffer.alloc(3)],
      ['a/three.png', Buffer.alloc(4)],
      ['a/one.png.png', Buffer.alloc(5)],
      ['a/four.cls', 'fox'],
      ['a/four.json', 'no JSON'],
      ['a/four.png', Buffer.alloc(6)],
      ['five.png', Buffer.alloc(7)],
    ];
    deepEqual(told(await read(members)), [
      [1, 'wolf: 1'],
      [2, 'wolf: 2'],
      [5, 'too-large'],
      [6, '7: 3'],
      [7, 'a: 4'],
      [8, 'a: 5'],
      [11, 'fox: 6'],
      [12, 'empty-label'],
    ]);
  });

  it('are refused where a declared group is said by what is neither text nor number, as it is in a list', async () => {
    const said = ['"yes"', '1', 'null', 'true', '["yes"]', '{}'];
    const members = said.flatMap((night, at): Member[] => [
      [`a/${at}.json`, `{"night":${night},"other":true}`],
      [`a/${at}.png`, Buffer.alloc(1)],
    ]);
    const found = await read(members, ['night']);
    deepEqual(
      found.map((one) => ('problem' in one ? one.problem : one.groups)),
      [
        { night: 'yes' },
        { night: '1' },
        {},
        ...[
          [3, 'boolean'],
          [4, 'array'],
          [5, 'object'],
        ].map(([at, type]) => ({
          reason: 'not-a-string',
          message: `'a/${at}.png': 'night' in 'a/${at}.json' is of type ${type}, not a string`,
        })),
      ],
    );
    // Nobody asked for groups: what is said of them is nobody's business.
    deepEqual(told(await read(members)).length, said.length);
  });
});

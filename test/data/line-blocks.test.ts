import { deepEqual, equal, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countLines, lineBlocks } from '../../activities/data/line-blocks.ts';

describe('a file of JSON lines in blocks', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-lines-'));
  });
  after(() => rm(folder, { recursive: true }));

  async function read(content: string) {
    const path = join(folder, 'rows.jsonl');
    await writeFile(path, content);
    const blocks: unknown[][] = [];
    for await (const block of lineBlocks(path, 'rows.jsonl')) blocks.push(block);
    return { blocks, count: await countLines(path) };
  }

  it('holds every line once and in order, in blocks of 2048, and counts them without parsing', async () => {
    const rows = Array.from({ length: 5000 }, (_, row) => ({ row, text: `a\u2028b ${row}` }));
    const { blocks, count } = await read(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    deepEqual(
      blocks.map(({ length }) => length),
      [2048, 2048, 904],
    );
    deepEqual(blocks.flat(), rows);
    equal(count, 5000);
  });

  it('makes shorter blocks of long lines, still whole batches of 32', async () => {
    const long = JSON.stringify('x'.repeat(300_000));
    const { blocks } = await read(`${long}\n`.repeat(70));
    deepEqual(
      blocks.map(({ length }) => length),
      [32, 32, 6],
    );
  });

  it('takes a last line without its end, and an empty file', async () => {
    deepEqual(await read('1\n2'), { blocks: [[1, 2]], count: 2 });
    deepEqual(await read(''), { blocks: [], count: 0 });
  });

  it('names the line that is no JSON, and not what it holds', () =>
    rejects(read('1\n{"text": "jane.doe@example.com\n'), { kind: 'BadData', message: 'rows.jsonl:2 is not JSON' }));
});

import { deepEqual, equal, rejects } from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { countLines, lineBlocks, lineSizes } from '../../activities/data/line-blocks.ts';

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

  it('knows the bytes of every line, the last one ended or not, over the edges of what is read at once', async () => {
    const path = join(folder, 'sizes.jsonl');
    const lines = [3, 700_000, 1, ...Array.from({ length: 3000 }, (_, at) => (at % 5) + 1)].map((size) =>
      '7'.repeat(size),
    );
    for (const end of ['', '\n']) {
      await writeFile(path, `${lines.join('\n')}${end}`);
      deepEqual(
        [...(await lineSizes(path))],
        lines.map(({ length }) => length),
      );
    }
    await writeFile(path, '"ß\u{1F600}"\n');
    deepEqual([...(await lineSizes(path))], [8]);
    await writeFile(path, '');
    equal((await lineSizes(path)).length, 0);
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

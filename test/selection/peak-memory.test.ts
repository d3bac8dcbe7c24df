import { ok } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const MODULE = new URL('../../activities/selection/peak-memory.ts', import.meta.url).href;

describe('the most memory of a process', () => {
  it('is its own, however large the process is that started it', async () => {
    const held = Buffer.alloc(600e6, 1);
    const program = `
      import { peakMemoryMb } from '${MODULE}';
      const before = peakMemoryMb();
      const held = Buffer.alloc(150e6, 1);
      console.log(JSON.stringify({ before, after: peakMemoryMb(), held: held.length }));`;
    const argv = ['--import', 'tsx', '--input-type=module', '-e', program];
    const { stdout } = await promisify(execFile)(process.execPath, argv);
    const { before, after } = JSON.parse(stdout) as { before: number; after: number };
    ok(before > 20 && before < held.length / 1e6 / 2, `${before} MB`);
    ok(after - before > 100, `${before} and then ${after} MB`);
  }).timeout(30_000);
});

import { equal } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const CHILD = new URL('../../activities/selection/profile-child.ts', import.meta.url).href;

describe('the program that times a model', () => {
  it('decodes a picture on one thread, also where sharp would take more by itself', async () => {
    const program = `
      import sharp from 'sharp';
      const before = sharp.concurrency();
      await import('${CHILD}');
      console.log(JSON.stringify([before, sharp.concurrency()]));`;
    const argv = ['--import', 'tsx', '--input-type=module', '-e', program];
    const env = { ...process.env, VIPS_CONCURRENCY: '3', MALLOC_ARENA_MAX: '2' };
    const { stdout } = await promisify(execFile)(process.execPath, argv, { env });
    equal(stdout.trim(), '[3,1]');
  }).timeout(30_000);
});

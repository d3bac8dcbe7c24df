/**
 * From `npm start` to the first finished step, on a machine where set-up has been done: goal < 15 s. Each round begins with
 * an empty state folder.
 *
 *   npx tsx bench/start.ts [rounds]
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../infra/root.ts';
import { median } from './support.ts';

const rounds = Number(process.argv[2] ?? 3);
const GOAL_SECONDS = 15;

/** Seconds until a line matches; then Ctrl-C, and the wait for a clean end. */
async function secondsTo(args: readonly string[], line: RegExp, env: NodeJS.ProcessEnv): Promise<number> {
  const begin = performance.now();
  const child = spawn('npm', args, { cwd: packageRoot, env, stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const found = await new Promise<number>((resolve, reject) => {
    let output = '';
    const read = (chunk: Buffer): void => {
      output += chunk.toString();
      if (line.test(output)) resolve((performance.now() - begin) / 1000);
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    child.once('close', () => reject(new Error(`it ended without ${line}:\n${output}`)));
  });
  process.kill(-(child.pid ?? 0), 'SIGINT');
  await ended;
  return found;
}
const times: number[] = [];
for (let round = 0; round < rounds; round++) {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-start-'));
  const env = { ...process.env, ESPALIER_STATE: join(folder, 'state'), NO_COLOR: '1' };
  times.push(await secondsTo(['start', '--', '--yes'], /✓ take a snapshot of the data/, env));
  await rm(folder, { recursive: true, force: true });
}
console.log(
  `npm start to the first finished step: ${median(times).toFixed(1)} s (goal < ${GOAL_SECONDS} s; median of ${rounds})`,
);
process.exitCode = median(times) < GOAL_SECONDS ? 0 : 1;

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { withStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import { isAlive } from '../training/fixtures.ts';

describe('a gpu worker', function () {
  this.timeout(120_000);
  const started: ChildProcess[] = [];
  afterEach(() => started.splice(0).forEach((worker) => worker.kill('SIGKILL')));

  const ready = async (changes: NodeJS.ProcessEnv, lines: string[] = []): Promise<ChildProcess> => {
    const { env } = await withStore({ XDG_CACHE_HOME: process.env['XDG_CACHE_HOME'] }); // the trainer's Python is there
    const { address } = await temporalForTests();
    const script = fileURLToPath(new URL('../../workers/gpu.ts', import.meta.url));
    const worker = spawn(process.execPath, ['--import', 'tsx', script], {
      env: { ...process.env, ...env, TEMPORAL_ADDRESS: address, ESPALIER_GPU_DEVICES: 'none', ...changes },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    started.push(worker);
    for await (const line of createInterface({ input: worker.stderr })) {
      lines.push(line);
      if (/"message":"ready"/.test(line)) break;
    }
    worker.stderr.resume();
    return worker;
  };
  const standingBy = ({ pid }: ChildProcess): number[] =>
    readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .map(Number)
      .filter((child) => child > 0 && /espalier_trainer\0standby\0/.test(commandOf(child)));

  /** Empty for one that is gone: a worker also has children that only look whether something is there. */
  const commandOf = (pid: number): string => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
    } catch {
      return '';
    }
  };

  it('keeps one process standing by, and takes it along when it stops', async function () {
    if (process.platform !== 'linux') this.skip(); // children are found in /proc
    const worker = await ready({ ESPALIER_STANDBY: '1' });
    while (standingBy(worker).length === 0) await sleep(50);
    const [child = 0, ...others] = standingBy(worker);
    assert.deepEqual(others, []);
    worker.kill('SIGTERM');
    const [code] = (await once(worker, 'exit')) as [number | null];
    assert.equal(code, 0);
    const deadline = Date.now() + 20_000; // left alone it would stand by for ever
    while (isAlive(child) && Date.now() < deadline) await sleep(20);
    assert.ok(!isAlive(child), 'it is gone');
  });

  it('polls the queue that it is told, and ends by itself when nothing comes', async () => {
    const lines: string[] = [];
    const told = { ESPALIER_GPU_QUEUE: 'espalier-gpu-of-one', ESPALIER_IDLE_SECONDS: '1', ESPALIER_STANDBY: '0' };
    const worker = await ready(told, lines);
    assert.deepEqual((JSON.parse(lines.at(-1) ?? '') as { queues: string[] }).queues, ['espalier-gpu-of-one']);
    const [code] = (await once(worker, 'exit')) as [number | null];
    assert.equal(code, 0);
  });

  it('keeps none where ESPALIER_STANDBY is 0', async function () {
    if (process.platform !== 'linux') this.skip();
    const worker = await ready({ ESPALIER_STANDBY: '0' });
    await sleep(500); // with one, it is there by now: it begins when the worker is ready
    assert.deepEqual(standingBy(worker), []);
  });
});

import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { EspalierError } from '../../artifacts/errors.ts';
import { discoverDevices, openDevices, parseDeviceList } from '../../workers/devices.ts';
import { testFolder } from '../support/store.ts';

const [A, B] = ['GPU-8f1c5f2e-0000-4c1b-9d70-aaaaaaaaaaaa', 'GPU-9b2d6e3f-1111-4c1b-9d70-bbbbbbbbbbbb'];
const [M1, M2] = ['MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f', 'MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb'];
const LISTED = `GPU 0: NVIDIA H200 (UUID: ${A})\nGPU 1: NVIDIA A100-SXM4-40GB (UUID: ${B})\n`;
const DIVIDED = `GPU 0: NVIDIA A100-SXM4-40GB (UUID: ${A})
  MIG 1g.5gb      Device  0: (UUID: ${M1})
  MIG 1g.5gb      Device  1: (UUID: ${M2})
GPU 1: NVIDIA A100-SXM4-40GB (UUID: ${B})
`;

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof EspalierError && error.kind === 'BadConfig' && pattern.test(error.message);

describe('the devices of a worker', () => {
  /** An environment in which `nvidia-smi` prints this; without it there is no such program. */
  async function machine(prints?: string): Promise<Record<string, string>> {
    const folder = await mkdtemp(join(testFolder(), 'machine-'));
    const bin = join(folder, 'bin');
    await mkdir(bin);
    if (prints !== undefined) {
      await writeFile(join(bin, 'nvidia-smi'), `#!/bin/sh\n[ "$1" = -L ] || exit 2\nprintf '%s' '${prints}'\n`);
      await chmod(join(bin, 'nvidia-smi'), 0o755);
    }
    return { PATH: bin, ESPALIER_DEVICE_LOCKS: join(folder, 'locks') };
  }

  it('are what nvidia-smi lists, and none where there is no such program', async () => {
    assert.deepEqual(await discoverDevices(await machine(LISTED)), [A, B]);
    assert.deepEqual(await discoverDevices(await machine('')), []);
    assert.deepEqual(await discoverDevices(await machine()), []);
    assert.deepEqual(await discoverDevices(await machine(DIVIDED)), [M1, M2, B], 'a divided one is its instances');
    assert.deepEqual(parseDeviceList(LISTED)[1], { index: '1', uuid: B, usable: [B] });
  });

  it('are chosen by ESPALIER_GPU_DEVICES, else CUDA_VISIBLE_DEVICES, and called by one name however they are written', async () => {
    const gpus = await machine(LISTED);
    for (const name of ['1', B, 'GPU-9b2d']) {
      assert.deepEqual(await discoverDevices({ ...gpus, CUDA_VISIBLE_DEVICES: name }), [B], name);
      assert.deepEqual(await discoverDevices({ ...gpus, CUDA_VISIBLE_DEVICES: '0', ESPALIER_GPU_DEVICES: name }), [B]);
    }
    assert.deepEqual(await discoverDevices({ ...gpus, ESPALIER_GPU_DEVICES: '1, 0' }), [B, A]);
    assert.deepEqual(await discoverDevices({ ...(await machine(DIVIDED)), CUDA_VISIBLE_DEVICES: M2 }), [M2]);
    assert.deepEqual(await discoverDevices({ ...(await machine()), CUDA_VISIBLE_DEVICES: '0,1' }), ['0', '1']);
    for (const none of ['', 'none', '-1']) {
      assert.deepEqual(await discoverDevices({ ...gpus, ESPALIER_GPU_DEVICES: none }), [], `'${none}'`);
    }
  });

  it('are refused when they are not there, or there twice', async () => {
    const gpus = await machine(LISTED);
    await assert.rejects(discoverDevices({ ...gpus, CUDA_VISIBLE_DEVICES: '2' }), refused(/no device '2'/));
    await assert.rejects(discoverDevices({ ...gpus, CUDA_VISIBLE_DEVICES: 'GPU-' }), refused(/no device 'GPU-'/));
    await assert.rejects(discoverDevices({ ...gpus, CUDA_VISIBLE_DEVICES: `0,${A}` }), refused(/twice/));
    await assert.rejects(
      discoverDevices({ ...(await machine()), CUDA_VISIBLE_DEVICES: '0,,1' }),
      refused(/none between/),
    );
  });

  it('give one slot each, and the CPU one for all', async () => {
    assert.equal((await openDevices(await machine(LISTED))).slots, 2);
    const none = await openDevices(await machine());
    assert.deepEqual([none.slots, none.names], [1, []]);
    const lease = await none.acquire({ count: 2, signal: new AbortController().signal });
    assert.equal(lease.visible, '', 'no accelerator that was not leased is seen');
  });
});

describe('a device lease', function () {
  const { signal } = new AbortController();
  const children: ChildProcess[] = [];
  let env: Record<string, string>;
  beforeEach(async () => {
    const folder = await mkdtemp(join(testFolder(), 'devices-'));
    const marks = join(folder, 'marks');
    await mkdir(marks);
    env = {
      PATH: '/usr/bin:/bin',
      ESPALIER_GPU_DEVICES: 'a,b',
      ESPALIER_DEVICE_LOCKS: join(folder, 'locks'),
      MARKS: marks,
    };
  });
  afterEach(() => children.splice(0).forEach((child) => child.kill('SIGKILL')));

  function borrower(...args: string[]): ChildProcess & { stdout: NodeJS.ReadableStream } {
    const file = fileURLToPath(new URL('borrower.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', file, ...args], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    return child;
  }

  async function answerOf(child: ChildProcess & { stdout: NodeJS.ReadableStream }): Promise<Record<string, unknown>> {
    const [printed] = (await once(child.stdout, 'data')) as [Buffer];
    return JSON.parse(String(printed)) as Record<string, unknown>;
  }

  it('is of one device and of nobody else, until it is given back', async () => {
    const [one, other] = [await openDevices(env), await openDevices(env)];
    const first = await one.acquire({ signal });
    const second = await other.acquire({ signal });
    assert.deepEqual([first.visible, second.visible], ['a', 'b']);
    const waited: string[] = [];
    const third = one.acquire({ signal, onWait: (holders) => waited.push(holders) });
    while (waited.length === 0) await sleep(5);
    second.release();
    assert.equal((await third).visible, 'b');
    assert.deepEqual(waited, [`a by process ${process.pid}, b by process ${process.pid}`]);
    second.release();
    const stop = new AbortController();
    const fourth = one.acquire({ signal: stop.signal });
    stop.abort(new Error('cancelled'));
    await assert.rejects(fourth, /cancelled/, 'a lease given back twice frees nothing of others');
  });

  it('may be of several devices: all at one moment or none', async () => {
    const devices = await openDevices({ ...env, ESPALIER_GPU_DEVICES: 'a,b,c' });
    const two = await devices.acquire({ count: 2, signal });
    assert.equal(two.visible, 'a,b');
    const pair = devices.acquire({ count: 2, signal });
    const single = await devices.acquire({ signal });
    assert.equal(single.visible, 'c', 'one that waits for two holds none');
    single.release();
    two.release();
    assert.equal((await pair).visible.split(',').length, 2);
    await assert.rejects(
      devices.acquire({ count: 4, signal }),
      refused(/4 devices are asked for and this worker has 3/),
    );
  });

  it('is never given twice to 50 trainings at once in two processes', async () => {
    const [one, other] = [borrower('many', '25'), borrower('many', '25')];
    const ended = Promise.all([one, other].map(async (child) => (await once(child, 'exit'))[0] as number));
    const borrowed = await Promise.all([answerOf(one), answerOf(other)]);
    assert.deepEqual(await ended, [0, 0], 'a mark that is there already ends the process');
    const counts = borrowed.flatMap((byDevice) => Object.values(byDevice) as number[]);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      50,
    );
    assert.deepEqual(new Set(borrowed.flatMap((byDevice) => Object.keys(byDevice))), new Set(['a', 'b']));
  });

  it('ends with the process that holds it, however that ends', async () => {
    env['ESPALIER_GPU_DEVICES'] = 'a';
    const holder = borrower('hold');
    assert.equal((await answerOf(holder))['visible'], 'a');
    const devices = await openDevices(env);
    const waited: string[] = [];
    const next = devices.acquire({ signal, onWait: (holders) => waited.push(holders) });
    while (waited.length === 0) await sleep(20);
    assert.equal(waited[0], `a by process ${holder.pid}`);
    holder.kill('SIGKILL');
    const lease = await next;
    assert.equal(lease.visible, 'a');
    lease.release();
  });

  it('outlives its worker as long as the training itself is still on the device', async () => {
    env['ESPALIER_GPU_DEVICES'] = 'a';
    const worker = borrower('orphan');
    const training = (await answerOf(worker))['child'] as number;
    worker.kill('SIGKILL');
    await once(worker, 'exit');
    const devices = await openDevices(env);
    const waited: string[] = [];
    let taken = false;
    const next = devices.acquire({ signal, onWait: (holders) => waited.push(holders) }).finally(() => (taken = true));
    while (waited.length === 0) await sleep(20);
    await sleep(800);
    assert.equal(taken, false);
    assert.equal(waited[0], `a by process ${training}, whose worker is gone`);
    process.kill(training, 'SIGKILL');
    (await next).release();
  });
});

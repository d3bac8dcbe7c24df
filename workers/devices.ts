/**
 * Which accelerators this worker may use, and the leases on them: a lock a device, in a folder that all workers of this
 * user on this machine share, so that no two trainings ever compute on one device. A lock dies with its holder.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { DeviceLease, Devices } from '../activities/devices.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Environment } from '../client/connection.ts';
import { isRunning, processIdentity, tryLock } from '../infra/lock.mjs';

export interface DevicePool extends Devices {
  /** As CUDA names them; empty: no accelerator, training runs on the CPU. */
  readonly names: readonly string[];
  /** Trainings at a time: one a device. */
  readonly slots: number;
}

/** Throws BadConfig for a device that this machine does not have. */
export async function openDevices(env: Environment): Promise<DevicePool> {
  const names = await discoverDevices(env);
  const folder = env['ESPALIER_DEVICE_LOCKS'] ?? join(tmpdir(), `espalier-devices-${userInfo().uid}`);
  return names.length === 0 ? cpu() : leases(names, folder);
}

/**
 * The devices by `ESPALIER_GPU_DEVICES`, else by `CUDA_VISIBLE_DEVICES`, else all that `nvidia-smi` lists. Where it runs,
 * numbers become its UUIDs: two workers must not call one device by two names.
 */
export async function discoverDevices(env: Environment): Promise<string[]> {
  const [variable, wanted] = ['ESPALIER_GPU_DEVICES', 'CUDA_VISIBLE_DEVICES']
    .map((name) => [name, env[name]] as const)
    .find(([, value]) => value !== undefined) ?? ['', undefined];
  if (wanted !== undefined && /^\s*(none|-1)?\s*$/.test(wanted)) return [];
  const present = parseDeviceList(await listed(env));
  if (wanted === undefined) return present.flatMap(({ usable }) => usable);
  const names = wanted.split(',').map((name) => name.trim());
  const found = present.length === 0 ? names : names.flatMap((name) => resolve(name, present, variable));
  if (found.includes('') || new Set(found).size < found.length) {
    throw new EspalierError('BadConfig', `${variable}='${wanted}' names a device twice, or none between two commas`, {
      where: variable,
      fix: 'separate different devices by commas: 0,1',
    });
  }
  return found;
}

export interface PresentDevice {
  readonly index: string;
  readonly uuid: string;
  /** Itself, or the instances that it is divided into (MIG). */
  readonly usable: readonly string[];
}

/** Reads `nvidia-smi -L`. */
export function parseDeviceList(output: string): PresentDevice[] {
  const devices: { index: string; uuid: string; instances: string[] }[] = [];
  for (const line of output.split('\n')) {
    const [, index, uuid] = /^GPU (\d+): .*\(UUID: (GPU-[\w-]+)\)/.exec(line) ?? [];
    if (index !== undefined && uuid !== undefined) devices.push({ index, uuid, instances: [] });
    const [, instance] = /^\s+MIG .*\(UUID: (MIG-[\w/-]+)\)/.exec(line) ?? [];
    if (instance !== undefined) devices.at(-1)?.instances.push(instance);
  }
  return devices.map(({ index, uuid, instances }) => ({
    index,
    uuid,
    usable: instances.length === 0 ? [uuid] : instances,
  }));
}

/** A number, a UUID or, as CUDA allows, the beginning of one. */
function resolve(name: string, present: readonly PresentDevice[], variable: string): readonly string[] {
  const byIndex = present.find(({ index }) => index === name);
  if (byIndex !== undefined) return byIndex.usable;
  const named = name.length < 5 ? [] : present.filter(({ uuid }) => uuid.startsWith(name));
  const instances = present.flatMap(({ uuid, usable }) => usable.filter((one) => one === name && one !== uuid));
  const [found, ...others] = [...named.map(({ usable }) => usable), ...instances.map((one) => [one])];
  if (found !== undefined && others.length === 0) return found;
  throw new EspalierError('BadConfig', `there is no device '${name}' on this machine`, {
    where: variable,
    fix: `name devices of this list, or none: ${present.map(({ index, uuid }) => `${index} (${uuid})`).join(', ')}`,
  });
}

async function listed(env: Environment): Promise<string> {
  try {
    return (await promisify(execFile)('nvidia-smi', ['-L'], { env: { ...env }, timeout: 10_000 })).stdout;
  } catch {
    return ''; // no driver here
  }
}

/** One training at a time on the CPU, by the worker's one slot; another worker's is slow company, not a conflict. */
function cpu(): DevicePool {
  const lease: DeviceLease = { visible: '', usedBy: () => {}, release: () => {} };
  return {
    names: [],
    slots: 1,
    acquire: ({ signal }) => (signal.aborted ? Promise.reject(signal.reason as Error) : Promise.resolve(lease)),
  };
}

const POLL_MS = 250;

function leases(names: readonly string[], folder: string): DevicePool {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return {
    names,
    slots: names.length,
    async acquire({ count = 1, signal, onWait }) {
      if (count > names.length) {
        throw new EspalierError('BadConfig', `${count} devices are asked for and this worker has ${names.length}`, {
          where: 'ESPALIER_GPU_DEVICES',
          fix: `ask for at most ${names.length}, or run a worker where there are more`,
        });
      }
      for (let round = 0; ; round++) {
        signal.throwIfAborted();
        const { taken, holders } = takeFree(names, folder, count);
        if (taken.length === count) return leaseOf(taken);
        for (const { release } of taken) release();
        if (round % 4 === 0) onWait?.(holders.join(', '));
        // Two that want several each must not take turns at failing.
        await sleep(POLL_MS * (0.5 + Math.random()), undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    },
  };
}

interface Taken {
  readonly name: string;
  readonly userFile: string;
  release(): void;
}

/** As many as are free, up to `count`, in the order of the list; nothing is waited for. */
function takeFree(names: readonly string[], folder: string, count: number): { taken: Taken[]; holders: string[] } {
  const taken: Taken[] = [];
  const holders: string[] = [];
  for (const name of names) {
    if (taken.length === count) break;
    const path = join(folder, name.replaceAll(/[^\w-]/g, '_'));
    const result = tryLock(path);
    if (!('lock' in result)) {
      holders.push(`${name} by process ${result.holder?.pid ?? 'unknown'}`);
      continue;
    }
    const userFile = `${path}.user`;
    const user = readUser(userFile);
    if (user !== undefined && isRunning(user)) {
      // Its worker was killed; it ends by itself as soon as it notices.
      holders.push(`${name} by process ${user.pid}, whose worker is gone`);
      result.lock.release();
      continue;
    }
    taken.push({ name, userFile, release: () => result.lock.release() });
  }
  return { taken, holders };
}

function leaseOf(taken: readonly Taken[]): DeviceLease {
  let held = true;
  return {
    visible: taken.map(({ name }) => name).join(','),
    usedBy(pid) {
      const identity = processIdentity(pid);
      if (!held || identity === undefined) return;
      for (const { userFile } of taken) writeFileSync(userFile, JSON.stringify({ pid, identity }));
    },
    release() {
      if (!held) return;
      held = false;
      for (const { userFile, release } of taken) {
        rmSync(userFile, { force: true });
        release();
      }
    },
  };
}

/** A half-written file is one of a worker killed in that moment: the training it was about dies with it. */
function readUser(path: string): { pid: number; identity: string } | undefined {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as { pid: number; identity: string };
  } catch {
    return undefined;
  }
}

/** Where the steps of a worker process keep their files: one folder a process, cleared by the next one after a kill. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { processIdentity } from '../infra/lock.mjs';

export interface WorkFolder {
  readonly path: string;
  remove(): void;
}

/**
 * Makes this process's folder. Its name says whose it is before anything is in it: machine, process id, and what tells
 * the process from a later one with that id.
 */
export function openWorkFolder(parent = tmpdir()): WorkFolder {
  const owner = `${machine()}-${process.pid}-${short(processIdentity(process.pid) ?? '')}`;
  const path = mkdtempSync(join(parent, `espalier-worker-${owner}-`));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Removes the folders of this machine's dead worker processes; leaves everything that it is not sure of. Gives their number. */
export async function clearDeadWorkFolders(parent = tmpdir()): Promise<number> {
  const mine = machine();
  let cleared = 0;
  for (const name of readdirSync(parent)) {
    const [, where, pid, identity] = /^espalier-worker-([0-9a-f]{8})-(\d+)-([0-9a-f]{8})-\w{6}$/.exec(name) ?? [];
    if (where !== mine || pid === undefined) continue;
    const running = processIdentity(Number(pid));
    if (running !== undefined && short(running) === identity) continue;
    await rm(join(parent, name), { recursive: true, force: true }).then(
      () => cleared++,
      () => {}, // another user's
    );
  }
  return cleared;
}

/** Process ids mean something only on one machine, and in a container only there. */
function machine(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {
    // not Linux: one namespace
  }
  return short(`${hostname()} ${namespace}`);
}

function short(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

/**
 * What has arrived of objects that are not whole yet, on this host: files that outlive the process that fetched them. A part
 * is one process's alone, which its name says; of one that has ended anybody may take it over.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';

/** One version of an object. */
export interface ObjectVersion {
  readonly bucket: string;
  readonly key: string;
  readonly etag: string;
  readonly size: number;
}

export interface HeldPart {
  readonly path: string;
  /** Another version of the object had been begun, and was thrown away. */
  readonly otherVersion: boolean;
  /** The part stays, for whoever goes on with it. */
  letGo(): void;
  /** Not needed any more. */
  remove(): Promise<void>;
}

/** A run that is taken up again within a week finds what it had, as with the parts of other sources (espalier_fetch/resumable.py). */
const STALE_MS = 7 * 24 * 3_600_000;
/** Of a process on another host that shares the folder nothing is known but when it wrote last. */
const FOREIGN_MS = 10 * 60_000;
const NAME = /^([0-9a-f]{16})-([0-9a-f]{16})\.([0-9a-f]{8})-(\d{1,10})-[0-9a-f]{8}\.part$/;

export function partsFolder(env: NodeJS.ProcessEnv = process.env): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'espalier', 'objects');
}

const hash = (value: unknown, length: number): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, length);

/** Parts in this process's hands, by their names. */
const held = new Set<string>();

/** A part of the object's version in our hands alone: one that was left behind, else one that nothing is in yet and that is no file. */
export async function holdPart(endpoint: string, version: ObjectVersion, folder: string): Promise<HeldPart> {
  await mkdir(folder, { recursive: true });
  const { bucket, key, etag, size } = version;
  const [object, wanted, host] = [hash([endpoint, bucket, key], 16), hash([etag, size], 16), hash(hostname(), 8)];
  const ours = `${object}-${wanted}.${host}-${process.pid}-${randomBytes(4).toString('hex')}.part`;
  held.add(ours);
  const path = join(folder, ours);
  let [taken, otherVersion] = [false, false];
  for (const { name, parts, modifiedMs } of await freeParts(folder, host)) {
    if (parts.object === object && parts.version === wanted && !taken) taken = await took(join(folder, name), path);
    else if (parts.object === object && parts.version !== wanted) {
      await rm(join(folder, name), { force: true });
      otherVersion = true;
    } else if (Date.now() - modifiedMs > STALE_MS) await rm(join(folder, name), { force: true });
  }
  return {
    path,
    otherVersion,
    letGo: () => void held.delete(ours),
    remove: async () => {
      await rm(path, { force: true });
      held.delete(ours);
    },
  };
}

async function took(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false; // another was faster
    throw error;
  }
}

interface FreePart {
  readonly name: string;
  readonly parts: { readonly object: string; readonly version: string };
  readonly size: number;
  readonly modifiedMs: number;
}

/** Parts that no living process holds, the largest first. */
async function freeParts(folder: string, host: string): Promise<FreePart[]> {
  const found: FreePart[] = [];
  for (const name of await readdir(folder)) {
    const [, object = '', version = '', owner, pid] = NAME.exec(name) ?? [];
    if (owner === undefined) continue;
    const file = await stat(join(folder, name)).catch(() => undefined);
    if (file === undefined) continue;
    const free = owner === host ? !isHeld(name, Number(pid)) : Date.now() - file.mtimeMs > FOREIGN_MS;
    if (free) found.push({ name, parts: { object, version }, size: file.size, modifiedMs: file.mtimeMs });
  }
  return found.toSorted((left, right) => right.size - left.size);
}

function isHeld(name: string, pid: number): boolean {
  if (pid === process.pid) return held.has(name);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

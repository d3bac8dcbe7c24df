/** Local copies of blobs by digest: filled atomically, verified before use, bounded by size (least recently used go). */
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, open, readdir, rename, rm, stat, utimes, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { digestFile } from './digest.ts';
import { hexOf, type Digest } from './reference.ts';

/** A path handed out stays for at least this long, however full the cache is. */
const GRACE_MS = 15 * 60_000;
/** What a killed process left behind. */
const STALE_TEMPORARY_MS = 24 * 60 * 60_000;

export class BlobCache {
  readonly #directory: string;
  readonly #maxBytes: number;
  readonly #graceMs: number;
  /** State of files that this process has verified: unchanged since, they need no second pass. */
  readonly #verified = new Map<Digest, string>();
  #bytes: number | undefined;

  constructor(directory: string, maxBytes: number, graceMs = GRACE_MS) {
    this.#directory = directory;
    this.#maxBytes = maxBytes;
    this.#graceMs = graceMs;
  }

  /** Path of a verified copy; undefined when there is none. A damaged copy is removed. */
  async find(digest: Digest, signal?: AbortSignal): Promise<string | undefined> {
    const path = this.#path(digest);
    try {
      if (this.#verified.get(digest) !== (await state(path)) && (await digestFile(path, signal)) !== digest) {
        await this.#drop(digest);
        return undefined;
      }
      const now = new Date();
      await utimes(path, now, now);
      this.#verified.set(digest, await state(path));
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** Keeps what `write` puts into a fresh file, once it has returned. `write` answers for the content. */
  async fill(digest: Digest, write: (file: FileHandle) => Promise<void>): Promise<string> {
    const path = this.#path(digest);
    const temporary = join(this.#directory, 'tmp', randomUUID());
    await mkdir(join(this.#directory, 'tmp'), { recursive: true });
    await mkdir(join(path, '..'), { recursive: true });
    try {
      const file = await open(temporary, 'wx');
      try {
        await write(file);
      } finally {
        await file.close();
      }
      // A consumer that wrote to it would change everybody's copy.
      await chmod(temporary, 0o444);
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
    this.#verified.set(digest, await state(path));
    await this.#bound((await stat(path)).size);
    return path;
  }

  async #drop(digest: Digest): Promise<void> {
    this.#verified.delete(digest);
    await rm(this.#path(digest), { force: true });
  }

  /** Scans only when the running total says that the limit is passed; other processes' files count at that scan. */
  async #bound(added: number): Promise<void> {
    if (this.#bytes !== undefined && (this.#bytes += added) <= this.#maxBytes) return;
    const blobs = await this.#scan();
    this.#bytes = blobs.reduce((sum, blob) => sum + blob.size, 0);
    // Down to nine tenths: not one scan for every blob from now on.
    const target = this.#bytes > this.#maxBytes ? this.#maxBytes * 0.9 : this.#maxBytes;
    for (const blob of blobs.toSorted((a, b) => a.usedAt - b.usedAt)) {
      if (this.#bytes <= target || blob.usedAt > Date.now() - this.#graceMs) break;
      await this.#drop(blob.digest);
      this.#bytes -= blob.size;
    }
  }

  async #scan(): Promise<{ digest: Digest; size: number; usedAt: number }[]> {
    const found: { digest: Digest; size: number; usedAt: number }[] = [];
    for (const entry of await readdir(this.#directory, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const info = await stat(path).catch(() => undefined); // another process may evict, too
      if (info === undefined) continue;
      if (/^[0-9a-f]{64}$/.test(entry.name)) {
        found.push({ digest: `sha256:${entry.name}`, size: info.size, usedAt: info.mtimeMs });
      } else if (info.mtimeMs < Date.now() - STALE_TEMPORARY_MS) {
        await rm(path, { force: true });
      }
    }
    return found;
  }

  #path(digest: Digest): string {
    const hex = hexOf(digest);
    return join(this.#directory, 'sha256', hex.slice(0, 2), hex);
  }
}

/** Changes with every write: the change time cannot be set back. */
async function state(path: string): Promise<string> {
  const { ino, size, ctimeNs } = await stat(path, { bigint: true });
  return `${ino}:${size}:${ctimeNs}`;
}

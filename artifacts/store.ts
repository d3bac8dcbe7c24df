/**
 * Content by digest. A blob lies under `blobs/sha256/<2 hex>/<64 hex>`, is written once, and is never believed: whatever
 * is read is hashed first. A directory is a tree: a canonical manifest of blobs, written after them.
 */
import { createHash, randomUUID } from 'node:crypto';
import { chmod, copyFile, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BlobCache } from './cache.ts';
import { canonicalJson } from './canonical-json.ts';
import { forEachParallel } from './concurrency.ts';
import { digestBytes } from './digest.ts';
import { EspalierError } from './errors.ts';
import { crc32Base64, MULTIPART_FROM, readContent, sha256Base64, type FileContent } from './file-content.ts';
import type { ObjectInfo, ObjectStore } from './object-store.ts';
import {
  hexOf,
  isDigest,
  TREE_MEDIA_TYPE,
  type ArtifactRef,
  type Digest,
  type TreeEntry,
  type TreeManifest,
} from './reference.ts';
import { isYoung, touch } from './touch.ts';
import { listDirectory, makeManifest, parseManifest } from './tree.ts';

export interface PutOptions {
  readonly name: string;
  readonly mediaType: string;
  readonly signal?: AbortSignal;
}

export interface TransferOptions {
  readonly signal?: AbortSignal;
  /** Bytes that are in place, whether sent or found there. */
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void;
}

/** Files of a tree under way at a time. */
const PARALLEL_FILES = 8;
/** What `getBytes` takes into memory; larger content is used as a file. */
const MAX_BYTES_IN_MEMORY = 256 * 2 ** 20;

export class ArtifactStore {
  readonly #objects: ObjectStore;
  readonly #cache: BlobCache;
  readonly #fetching = new Map<Digest, Promise<string>>();

  constructor(objects: ObjectStore, cache = new BlobCache(objects.settings.cacheDir, objects.settings.cacheBytes)) {
    this.#objects = objects;
    this.#cache = cache;
  }

  async putBytes(bytes: Uint8Array | string, options: PutOptions): Promise<ArtifactRef> {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes) : bytes;
    const digest = digestBytes(buffer);
    const sha256 = sha256Base64(digest);
    const { signal } = options;
    await this.#ensure(digest, buffer.length, signal, {
      isIntact: (found) => found.size === buffer.length && (found.sha256 ?? sha256) === sha256,
      put: (key, overwrite) =>
        this.#objects.putBytes(key, buffer, { condition: overwrite ? undefined : 'absent', sha256, signal }),
    });
    return { digest, mediaType: options.mediaType, size: buffer.length, name: options.name };
  }

  /** Canonical JSON, media type application/json. Throws TypeError naming the path of what JSON cannot hold. */
  async putJson(value: unknown, name: string): Promise<ArtifactRef> {
    return this.putBytes(canonicalJson(value), { name, mediaType: 'application/json' });
  }

  async putFile(path: string, options: PutOptions): Promise<ArtifactRef> {
    const content = await this.#putContent(path, options.signal, () => {});
    return { digest: content.digest, mediaType: options.mediaType, size: content.size, name: options.name };
  }

  /** Stores a directory. Throws BadData for symbolic links, special files and names that some disk could not hold. */
  async putTree(directory: string, name: string, options: TransferOptions = {}): Promise<ArtifactRef> {
    const { signal, onProgress } = options;
    const files = await listDirectory(directory);
    // The names are judged before a byte is sent.
    makeManifest(
      files.map((file) => ({ ...file, digest: digestBytes('') })),
      directory,
    );
    const total = files.reduce((sum, file) => sum + file.size, 0);
    let done = 0;
    const entries: TreeEntry[] = [];
    // The small ones first: something is sent from the first moment, while the large ones are hashed.
    const inOrder = files.toSorted((a, b) => a.size - b.size);
    await forEachParallel(inOrder, PARALLEL_FILES, signal, async ({ path, mode }, stop) => {
      const { digest, size } = await this.#putContent(join(directory, path), stop, (bytes) => {
        done += bytes;
        onProgress?.(done, total);
      });
      entries.push({ path, digest, size, mode });
    });
    return this.#putTreeManifest(makeManifest(entries, directory), name);
  }

  /** Tree made of refs already in the store. */
  async putManifest(entries: readonly { path: string; ref: ArtifactRef }[], name: string): Promise<ArtifactRef> {
    const parts = entries.map(({ path, ref }) => ({ path, digest: ref.digest, size: ref.size, mode: '644' as const }));
    const manifest = makeManifest(parts, name);
    await forEachParallel(manifest.entries, PARALLEL_FILES, undefined, async ({ path, digest }) => {
      if (!(await this.has(digest))) throw missing(digest, `${name}/${path}`);
    });
    return this.#putTreeManifest(manifest, name);
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#objects.head(blobKey(digest))) !== undefined;
  }

  /** Throws NotFound, Corrupt, or BadConfig above 256 MiB. */
  async getBytes(ref: ArtifactRef | Digest): Promise<Buffer> {
    const digest = digestOf(ref);
    if (typeof ref === 'object' && ref.size > MAX_BYTES_IN_MEMORY) {
      throw new EspalierError('BadConfig', `'${ref.name}' has ${ref.size} bytes: too many to hold in memory`, {
        where: digest,
        fix: 'use it as a file',
      });
    }
    const found = await this.#objects.getBytes(blobKey(digest));
    if (found === undefined) throw missing(digest, nameOf(ref));
    if (digestBytes(found.bytes) !== digest) throw this.#corrupt(digest);
    return found.bytes;
  }

  async getJson<T>(ref: ArtifactRef | Digest): Promise<T> {
    const bytes = await this.getBytes(ref);
    try {
      return JSON.parse(bytes.toString('utf8')) as T;
    } catch (error) {
      throw new EspalierError('BadData', `${nameOf(ref)} is not JSON`, { where: digestOf(ref), cause: error });
    }
  }

  /** Throws BadData for a manifest that this version would not write, e.g. with a path out of its directory. */
  async tree(ref: ArtifactRef | Digest): Promise<TreeManifest> {
    return parseManifest(await this.getBytes(ref), digestOf(ref));
  }

  /** A verified, read-only local copy in the cache: its path. */
  async file(ref: ArtifactRef | Digest, signal?: AbortSignal): Promise<string> {
    const digest = digestOf(ref);
    for (let running = this.#fetching.get(digest); running !== undefined; running = this.#fetching.get(digest)) {
      // If the other caller's fetch fails (it may have been cancelled), ours begins.
      await running.catch(() => {});
      signal?.throwIfAborted();
    }
    const fetching = (async () => {
      const cached = await this.#cache.find(digest, signal);
      return cached ?? this.#cache.fill(digest, (file) => this.#fetch(digest, nameOf(ref), file, signal));
    })();
    this.#fetching.set(digest, fetching);
    try {
      return await fetching;
    } finally {
      this.#fetching.delete(digest);
    }
  }

  /** One file of a tree, as a verified local path. Throws NotFound. */
  async fileInTree(tree: ArtifactRef | Digest, path: string, signal?: AbortSignal): Promise<string> {
    const { entries } = await this.tree(tree);
    const entry = entries.find((candidate) => candidate.path === path);
    if (entry === undefined) {
      const some = entries.slice(0, 10).map((candidate) => candidate.path);
      throw new EspalierError('NotFound', `no '${path}' in ${nameOf(tree)}`, {
        where: digestOf(tree),
        fix: `it holds ${some.join(', ')}${entries.length > some.length ? ', …' : ''}`,
      });
    }
    return this.file(entry.digest, signal);
  }

  /**
   * Materialises a tree into an empty directory (made when missing), verified. The files are the caller's own copies.
   * A file that failed its check is never left there.
   */
  async checkout(tree: ArtifactRef | Digest, directory: string, options: TransferOptions = {}): Promise<void> {
    const { signal, onProgress } = options;
    const { entries } = await this.tree(tree);
    await mkdir(directory, { recursive: true });
    if ((await readdir(directory)).length > 0) {
      throw new EspalierError('Conflict', `${directory} is not empty`, {
        where: directory,
        fix: 'name an empty directory',
      });
    }
    const folders = new Set(entries.map((entry) => dirname(join(directory, entry.path))));
    for (const folder of folders) await mkdir(folder, { recursive: true });
    const total = entries.reduce((sum, entry) => sum + entry.size, 0);
    let done = 0;
    await forEachParallel(entries, PARALLEL_FILES, signal, async (entry, stop) => {
      await this.#place(entry, join(directory, entry.path), stop);
      done += entry.size;
      onProgress?.(done, total);
    });
  }

  async #putTreeManifest(manifest: TreeManifest, name: string): Promise<ArtifactRef> {
    return this.putBytes(canonicalJson(manifest), { name, mediaType: TREE_MEDIA_TYPE });
  }

  async #putContent(
    path: string,
    signal: AbortSignal | undefined,
    onBytes: (bytes: number) => void,
  ): Promise<FileContent> {
    const content = await readContent(path, signal);
    let sent = false;
    await this.#ensure(content.digest, content.size, signal, {
      isIntact: (found) =>
        found.size === content.size &&
        (found.sha256 === undefined || found.sha256 === sha256Base64(content.digest)) &&
        (found.crc32 === undefined || found.crc32 === crc32Base64(content.crc32)),
      put: async (key, overwrite) => {
        const telling = sent ? {} : { onBytes };
        sent = true;
        await this.#objects.putFile(key, path, content, { overwrite, signal, ...telling });
      },
    });
    if (!sent) onBytes(content.size);
    return content;
  }

  /**
   * Puts what is not there, and keeps what is there from a collection of garbage (touch.ts). An object of another
   * content under this key is damage: the right bytes replace it.
   */
  async #ensure(
    digest: Digest,
    size: number,
    signal: AbortSignal | undefined,
    content: {
      readonly isIntact: (found: ObjectInfo) => boolean;
      readonly put: (key: string, overwrite: boolean) => Promise<unknown>;
    },
  ): Promise<void> {
    const key = blobKey(digest);
    for (;;) {
      const found = await this.#objects.head(key, signal);
      if (found === undefined || !content.isIntact(found)) await content.put(key, found !== undefined);
      // On AWS an object in parts is as old as its upload's beginning, and that may have been continued.
      const isNew = found === undefined ? size < MULTIPART_FROM : isYoung(found);
      if (isNew || (await touch(this.#objects, key, signal))) return;
    }
  }

  async #place(entry: TreeEntry, target: string, signal: AbortSignal): Promise<void> {
    // Short and random: the tree may hold a file of any name, and one as long as a name can be.
    const partial = join(dirname(target), `.${randomUUID()}.partial`);
    try {
      const cached = await this.#cache.find(entry.digest, signal);
      if (cached !== undefined) {
        await copyFile(cached, partial);
      } else {
        const file = await open(partial, 'wx');
        try {
          await this.#fetch(entry.digest, entry.path, file, signal, entry.size);
        } finally {
          await file.close();
        }
      }
      await chmod(partial, entry.mode === '755' ? 0o755 : 0o644);
      await rename(partial, target);
    } finally {
      await rm(partial, { force: true });
    }
  }

  async #fetch(digest: Digest, name: string, file: FileHandle, signal?: AbortSignal, size = Infinity): Promise<void> {
    const hash = createHash('sha256');
    const observe = (chunk: Buffer): void => void hash.update(chunk);
    const received = await this.#objects.download(blobKey(digest), file, { observe, maxBytes: size, signal });
    if (received === undefined) throw missing(digest, name);
    if (`sha256:${hash.digest('hex')}` !== digest) throw this.#corrupt(digest);
  }

  #corrupt(digest: Digest): EspalierError {
    return new EspalierError('Corrupt', `the stored bytes of ${digest} are not what was stored`, {
      where: `s3://${this.#objects.settings.bucket}/${this.#objects.at(blobKey(digest)).Key}`,
      fix: 'store the artifact again (it replaces damaged bytes), or restore the object from a backup',
    });
  }
}

/** Where a blob lies: two levels, so that no folder of a file-system backed store grows without bound. */
export function blobKey(digest: Digest): string {
  if (!isDigest(digest)) throw new EspalierError('BadConfig', `'${String(digest)}' is not a sha256 digest`);
  const hex = hexOf(digest);
  return `blobs/sha256/${hex.slice(0, 2)}/${hex}`;
}

function digestOf(ref: ArtifactRef | Digest): Digest {
  return typeof ref === 'string' ? ref : ref.digest;
}

function nameOf(ref: ArtifactRef | Digest): string {
  return typeof ref === 'string' ? ref : `'${ref.name}'`;
}

function missing(digest: Digest, name: string): EspalierError {
  return new EspalierError('NotFound', `${name} is not in the store`, {
    where: digest,
    fix: 'run the step that makes it again, or check ESPALIER_BUCKET and ESPALIER_PREFIX',
  });
}

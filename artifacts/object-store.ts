/** Objects by key over S3: whole, conditional and ranged; every failure in our words. Large files: upload.ts. */
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3';
import { retrying } from './concurrency.ts';
import { EspalierError } from './errors.ts';
import { MULTIPART_FROM, sha256Base64, type FileContent } from './file-content.ts';
import { downloadObject } from './object-download.ts';
import { describeStore, type StoreSettings } from './settings.ts';
import { attemptsOf, isLostCondition, isMissing, nameOf, statusOf, toStorageError } from './storage-errors.ts';
import { sendFile, uploadParts } from './upload.ts';

export interface ObjectInfo {
  readonly size: number;
  readonly etag: string;
  /** Base64, of the whole object, where the store keeps one. */
  readonly sha256: string | undefined;
  readonly crc32: string | undefined;
  readonly modifiedAtMs: number;
}

/** What a listing tells of an object; the key is without the store's own prefix. */
export interface ObjectEntry {
  readonly key: string;
  readonly size: number;
  readonly modifiedAtMs: number;
}

/** `absent`: only if there is no such object; `{ etag }`: only if it is still this version. */
export type WriteCondition = 'absent' | { readonly etag: string } | undefined;

/** Enough to tell a dead or forbidding store quickly, not enough to give up on a slow one. */
const REACH_TIMEOUT_MS = 5_000;

export class ObjectStore {
  readonly client: S3Client;
  readonly settings: StoreSettings;

  constructor(client: S3Client, settings: StoreSettings) {
    this.client = client;
    this.settings = settings;
  }

  /** Bucket and full key of a key below the prefix. */
  at(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.settings.bucket, Key: `${this.settings.prefix}${key}` };
  }

  /**
   * Makes sure that the bucket is there, creating it where that is allowed. Tells within seconds what is wrong:
   * StorageDenied (key, rights, bucket) or StorageUnavailable.
   */
  async ensureBucket(): Promise<void> {
    const Bucket = this.settings.bucket;
    const abortSignal = AbortSignal.timeout(REACH_TIMEOUT_MS);
    try {
      await this.client.send(new HeadBucketCommand({ Bucket }), { abortSignal });
    } catch (error) {
      try {
        if (statusOf(error) !== 404) throw await this.#explained(error, abortSignal);
        await this.client.send(new CreateBucketCommand({ Bucket }), { abortSignal });
      } catch (failure) {
        if (/BucketAlreadyOwnedByYou|BucketAlreadyExists/.test(nameOf(failure))) return;
        if (abortSignal.aborted) {
          throw new EspalierError(
            'StorageUnavailable',
            `no answer from the S3 store (${describeStore(this.settings)})`,
            {
              where: `s3://${Bucket}`,
              fix: 'check AWS_ENDPOINT_URL_S3 and that the store runs; then `espalier doctor`',
              cause: failure,
            },
          );
        }
        throw toStorageError(failure, this.settings, '');
      }
    }
  }

  async head(key: string, signal?: AbortSignal): Promise<ObjectInfo | undefined> {
    return this.#call(key, signal, async () => {
      const command = new HeadObjectCommand({ ...this.at(key), ChecksumMode: 'ENABLED' });
      try {
        const found = await this.client.send(command, ...stopOn(signal));
        return {
          size: found.ContentLength ?? 0,
          etag: found.ETag ?? '',
          sha256: found.ChecksumType === 'COMPOSITE' ? undefined : found.ChecksumSHA256,
          crc32: found.ChecksumType === 'COMPOSITE' ? undefined : found.ChecksumCRC32,
          modifiedAtMs: found.LastModified?.getTime() ?? 0,
        };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  /**
   * Writes a small object in one request. Returns its ETag, or undefined when the condition was lost. A repeated
   * request that finds its own bytes has won: the first try's answer was lost on the way.
   */
  async putBytes(
    key: string,
    bytes: Uint8Array,
    options: { condition?: WriteCondition; contentType?: string; sha256?: string; signal?: AbortSignal } = {},
  ): Promise<string | undefined> {
    const { condition, contentType, sha256, signal } = options;
    let tries = 0;
    return this.#call(key, signal, async () => {
      tries++;
      const command = new PutObjectCommand({
        ...this.at(key),
        Body: bytes,
        ContentLength: bytes.length,
        ...(contentType === undefined ? {} : { ContentType: contentType }),
        ...(sha256 === undefined ? {} : { ChecksumSHA256: sha256 }),
        ...(condition === 'absent' ? { IfNoneMatch: '*' } : {}),
        ...(typeof condition === 'object' ? { IfMatch: condition.etag } : {}),
      });
      try {
        return (await this.client.send(command, ...stopOn(signal))).ETag ?? '';
      } catch (error) {
        if (condition === undefined) throw error;
        // A replaced object that is gone altogether has moved, too.
        if (!isLostCondition(error) && !(typeof condition === 'object' && isMissing(error))) throw error;
        if (tries === 1 && attemptsOf(error) === 1) return undefined;
        const now = await this.getBytes(key, signal);
        return now !== undefined && now.bytes.equals(bytes) ? now.etag : undefined;
      }
    });
  }

  /** Writes a file: in one request with its SHA-256, or resumably in parts with CRC-32s. */
  async putFile(
    key: string,
    path: string,
    content: FileContent,
    options: { overwrite?: boolean; signal?: AbortSignal; onBytes?: (bytes: number) => void } = {},
  ): Promise<void> {
    const { overwrite = false, signal, onBytes } = options;
    if (content.size >= MULTIPART_FROM) {
      await this.#explaining(key, () => uploadParts(this, key, path, content, options));
      return;
    }
    const sha256 = sha256Base64(content.digest);
    if (content.bytes !== undefined) {
      await this.putBytes(key, content.bytes, { condition: overwrite ? undefined : 'absent', sha256, signal });
    } else {
      const object = {
        ...this.at(key),
        ContentLength: content.size,
        ChecksumSHA256: sha256,
        ...(overwrite ? {} : { IfNoneMatch: '*' }),
      };
      const send = (Body: Readable, abortSignal: AbortSignal): Promise<unknown> =>
        this.client.send(new PutObjectCommand({ ...object, Body }), { abortSignal });
      await this.#call(key, signal, () =>
        sendFile(path, {}, signal, send).catch((error: unknown) => {
          if (!isLostCondition(error)) throw error; // otherwise: somebody stored the same bytes first
        }),
      );
    }
    onBytes?.(content.size);
  }

  /** A small object in memory, or undefined. Its stored checksum is verified: throws Corrupt. */
  async getBytes(key: string, signal?: AbortSignal): Promise<{ bytes: Buffer; etag: string } | undefined> {
    return this.#call(key, signal, async () => {
      const command = new GetObjectCommand({ ...this.at(key), ChecksumMode: 'ENABLED' });
      try {
        const found = await this.client.send(command, ...stopOn(signal));
        const bytes = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
        return { bytes, etag: found.ETag ?? '' };
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    });
  }

  /**
   * Streams an object into an open file from its start, telling `observe` every chunk once and in order. A broken
   * connection is resumed where it broke. Returns the bytes written; undefined when there is no such object.
   */
  async download(
    key: string,
    file: FileHandle,
    options: { observe: (chunk: Buffer) => void; maxBytes: number; signal?: AbortSignal },
  ): Promise<number | undefined> {
    return this.#explaining(key, () =>
      downloadObject(this.client, this.at(key), file, options).catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      }),
    );
  }

  /** The start of an object in memory, and the size of all of it; undefined when there is none. */
  async getStart(
    key: string,
    bytes: number,
    signal?: AbortSignal,
  ): Promise<{ bytes: Buffer; size: number } | undefined> {
    return this.#call(key, signal, async () => {
      const command = new GetObjectCommand({ ...this.at(key), Range: `bytes=0-${bytes - 1}` });
      try {
        const found = await this.client.send(command, ...stopOn(signal));
        const start = Buffer.from((await found.Body?.transformToByteArray()) ?? []);
        return { bytes: start, size: Number(found.ContentRange?.split('/')[1] ?? start.length) };
      } catch (error) {
        if (isMissing(error)) return undefined;
        if (statusOf(error) === 416) return { bytes: Buffer.alloc(0), size: 0 }; // an empty object has no first byte
        throw error;
      }
    });
  }

  /** Keys below a prefix, in order, without the store's own prefix; `after` is exclusive. */
  async list(prefix: string, options: { after?: string; signal?: AbortSignal } = {}): Promise<string[]> {
    const keys: string[] = [];
    let after = options.after;
    do {
      const { entries, next } = await this.page(prefix, { ...options, after });
      for (const { key } of entries) keys.push(key);
      after = next;
    } while (after !== undefined);
    return keys;
  }

  /** At most `limit` (up to 1000) objects below a prefix, in order of their keys; `next`: the `after` of what follows. */
  async page(
    prefix: string,
    { after, limit, signal }: { after?: string | undefined; limit?: number; signal?: AbortSignal | undefined } = {},
  ): Promise<{ readonly entries: readonly ObjectEntry[]; readonly next: string | undefined }> {
    const { Bucket, Key: Prefix } = this.at(prefix);
    const command = new ListObjectsV2Command({
      Bucket,
      Prefix,
      ...(after === undefined ? {} : { StartAfter: this.at(after).Key }),
      ...(limit === undefined ? {} : { MaxKeys: limit }),
    });
    const page = await this.#call(prefix, signal, () => this.client.send(command, { abortSignal: signal }));
    const entries = (page.Contents ?? []).map(({ Key = '', Size = 0, LastModified }) => ({
      key: Key.slice(this.settings.prefix.length),
      size: Size,
      // Of unknown age: as good as new.
      modifiedAtMs: LastModified?.getTime() ?? Number.POSITIVE_INFINITY,
    }));
    return { entries, next: page.IsTruncated === true ? entries.at(-1)?.key : undefined };
  }

  /**
   * Deletes up to 1000 objects by one request, which is sent once: a repeated one could meet what was stored anew since
   * the first. Throws StorageUnavailable when what it did is not known.
   */
  async deleteOnce(keys: readonly string[], signal: AbortSignal): Promise<void> {
    const { Bucket } = this.at('');
    const Objects = keys.map((key) => ({ Key: this.at(key).Key }));
    const command = new DeleteObjectsCommand({ Bucket, Delete: { Objects, Quiet: true } });
    let sent = false;
    command.middlewareStack.add(
      (next) => async (args) => {
        if (sent)
          throw new EspalierError('StorageUnavailable', 'a deletion got no answer', { where: `s3://${Bucket}` });
        sent = true;
        return next(args);
      },
      { step: 'finalizeRequest', priority: 'low' },
    );
    const { Errors: [refused] = [] } = await this.#explaining(keys[0] ?? '', () =>
      this.client.send(command, { abortSignal: signal }),
    );
    if (refused === undefined) return;
    throw new EspalierError('StorageDenied', `the S3 store did not delete: ${refused.Code} ${refused.Message ?? ''}`, {
      where: `s3://${Bucket}/${refused.Key}`,
      fix: `check the right to delete objects of the bucket '${Bucket}'`,
    });
  }

  async delete(key: string): Promise<void> {
    await this.#call(key, undefined, () => this.client.send(new DeleteObjectCommand(this.at(key))));
  }

  async #call<T>(key: string, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    return this.#explaining(key, () => retrying(work, signal));
  }

  async #explaining<T>(key: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toStorageError(await this.#explained(error), this.settings, `${this.settings.prefix}${key}`);
    }
  }

  /** The answer to a HEAD has no body, so no reason; the same question as a list has one. */
  async #explained(error: unknown, signal: AbortSignal = AbortSignal.timeout(REACH_TIMEOUT_MS)): Promise<unknown> {
    if (statusOf(error) !== 403 || !/^(403|Forbidden|UnknownError|Unknown)$/.test(nameOf(error))) return error;
    const command = new ListObjectsV2Command({ Bucket: this.settings.bucket, MaxKeys: 1 });
    return this.client.send(command, ...stopOn(signal)).then(
      () => error,
      (reason: unknown) => reason,
    );
  }
}

/** Without options at all, the SDK keeps the middleware it resolved for a kind of command: a quarter of a small call's cost. */
function stopOn(signal: AbortSignal | undefined): [] | [{ abortSignal: AbortSignal }] {
  return signal === undefined ? [] : [{ abortSignal: signal }];
}

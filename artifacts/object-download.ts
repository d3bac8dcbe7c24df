/** One object into a file, over as many connections as it takes: each goes on where the last one broke. */
import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandOutput, type S3Client } from '@aws-sdk/client-s3';
import { retrying } from './concurrency.ts';
import { EspalierError } from './errors.ts';
import { statusOf } from './storage-errors.ts';

export interface DownloadOptions {
  /** Is told every chunk that comes, once and in order. */
  readonly observe?: (chunk: Buffer) => void;
  /** What comes after so many bytes is left: an object that cannot be the right one is never to fill a disk. */
  readonly maxBytes?: number;
  /** The version to read; without it, the one that the first connection finds. */
  readonly etag?: string;
  /** So many of its first bytes are in the file already; only with `etag`. */
  readonly start?: number;
  readonly signal?: AbortSignal | undefined;
}

const WRITE_BYTES = 2 ** 20;

/**
 * Streams an object into an open file, and returns the bytes that are then in it. All of them are of one version:
 * throws Conflict when the object changed meanwhile, else what the client throws.
 */
export async function downloadObject(
  client: S3Client,
  { Bucket, Key }: { readonly Bucket: string; readonly Key: string },
  file: FileHandle,
  { observe, maxBytes = Infinity, etag, start: kept = 0, signal }: DownloadOptions,
): Promise<number> {
  const sink = fileSink(file, kept);
  let version = etag;
  const attempt = async (): Promise<number> => {
    const at = sink.received();
    const range = at === 0 ? {} : { Range: `bytes=${at}-` };
    const command = new GetObjectCommand({ Bucket, Key, IfMatch: version, ...range });
    const found = await client.send(command, { abortSignal: signal }).catch((error: unknown) => {
      if (statusOf(error) === 412) throw changed(`s3://${Bucket}/${Key}`, error);
      // The connection broke behind the last byte: there is nothing more of this version.
      if (statusOf(error) === 416 && at > 0) return undefined;
      throw error;
    });
    if (found === undefined) {
      await sink.flush();
      return at;
    }
    version ??= found.ETag;
    // A gateway that ignores the range may ignore If-Match, too.
    const start = at === 0 ? 0 : firstByte(found);
    const end = start + (found.ContentLength ?? 0);
    if (isOther(found.ETag, version) || (found.ContentLength !== undefined && end < at)) {
      (found.Body as Readable).destroy();
      throw changed(`s3://${Bucket}/${Key}`, undefined);
    }
    if (start > at) {
      (found.Body as Readable).destroy();
      throw unasked(`s3://${Bucket}/${Key}`);
    }
    let passed = at - start; // what is here of it already
    for await (const sent of found.Body as Readable as AsyncIterable<Buffer>) {
      const chunk = sent.subarray(passed);
      passed = Math.max(0, passed - sent.length);
      if (chunk.length === 0) continue;
      observe?.(chunk);
      await sink.write(chunk);
      if (sink.received() > maxBytes) return sink.received();
    }
    if (passed > 0 || sink.received() < end) throw Object.assign(new Error('premature close'), { code: 'ECONNRESET' });
    await sink.flush();
    return sink.received();
  };
  return retrying(attempt, signal, sink.received);
}

/** Where an answer to a range begins: 0 where the server sent the whole. */
function firstByte({ $metadata, ContentRange }: GetObjectCommandOutput): number {
  if ($metadata.httpStatusCode !== 206) return 0;
  return Number(/^bytes (\d+)-/.exec(ContentRange ?? '')?.[1] ?? Infinity);
}

function isOther(found: string | undefined, version: string | undefined): boolean {
  const bare = (etag: string | undefined): string | undefined => etag?.replaceAll(/^W\/|"/g, '');
  return found !== undefined && bare(found) !== bare(version);
}

function unasked(where: string): EspalierError {
  return new EspalierError('StorageUnavailable', `of ${where} came another part than was asked for`, {
    where,
    fix: 'check what stands between here and the store (AWS_ENDPOINT_URL_S3)',
  });
}

/** The object is another version than the one that was asked for. */
export function changed(where: string, cause: unknown): EspalierError {
  return new EspalierError('Conflict', `${where} changed while it was read`, {
    where,
    fix: 'start again once nothing writes to it',
    cause,
  });
}

/** Collects the network's small chunks into large writes, one of which is under way while the next is collected. */
function fileSink(file: FileHandle, start: number) {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let position = start;
  let writing: Promise<unknown> = Promise.resolve();
  const push = async (): Promise<void> => {
    const [buffers, start] = [pending, position];
    position += pendingBytes;
    [pending, pendingBytes] = [[], 0];
    await writing;
    writing = buffers.length === 0 ? Promise.resolve() : writeAll(file, buffers, start);
    writing.catch(() => {}); // reported by the next await of `writing`
  };
  return {
    received: () => position + pendingBytes,
    async write(chunk: Buffer) {
      pending.push(chunk);
      pendingBytes += chunk.length;
      if (pendingBytes >= WRITE_BYTES) await push();
    },
    async flush() {
      await push();
      await writing;
    },
  };
}

/** A full disk may take a part of a write: the rest then fails with ENOSPC instead of being lost. */
async function writeAll(file: FileHandle, buffers: Buffer[], start: number): Promise<void> {
  const total = buffers.reduce((sum, buffer) => sum + buffer.length, 0);
  const { bytesWritten } = await file.writev(buffers, start);
  if (bytesWritten < total) {
    const rest = Buffer.concat(buffers).subarray(bytesWritten);
    for (let done = 0; done < rest.length;) {
      done += (await file.write(rest, done, rest.length - done, start + bytesWritten + done)).bytesWritten;
    }
  }
}

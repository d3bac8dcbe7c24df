/**
 * A large file in parallel parts. An upload that was interrupted, by whoever it was begun, is continued: the parts that
 * the store already holds with the right checksum are not sent again.
 */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  UploadPartCommand,
  type CompletedPart,
} from '@aws-sdk/client-s3';
import { forEachParallel, retrying } from './concurrency.ts';
import { EspalierError } from './errors.ts';
import { crc32Base64, type FileContent } from './file-content.ts';
import type { ObjectStore } from './object-store.ts';
import { isLostCondition, isTransient, nameOf } from './storage-errors.ts';

export interface UploadOptions {
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
  readonly onBytes?: (bytes: number) => void;
}

/** Parts under way at a time: measured best on the embedded gateway (bench/store.ts). */
const PARALLEL_PARTS = 4;
const TRIES = 3;

/**
 * Any number of callers may upload the same content at once: they share an upload, the first completes it, and the
 * others find the object. Throws Corrupt when three uploads have ended and the store still does not hold the object.
 */
export async function uploadParts(
  objects: ObjectStore,
  key: string,
  path: string,
  content: FileContent,
  options: UploadOptions,
): Promise<void> {
  const ended = new Set<string>();
  let reported = 0;
  for (let attempt = 1; ; attempt++) {
    const uploadId = (await interruptedUpload(objects, key, ended)) ?? (await beginUpload(objects, key));
    const onBytes = (bytes: number): void => {
      if (attempt > 1) return; // a part that is sent again is no progress
      reported += bytes;
      options.onBytes?.(bytes);
    };
    try {
      const parts = await sendParts(objects, key, uploadId, path, content, { ...options, onBytes });
      await complete(objects, key, uploadId, parts, options);
    } catch (error) {
      // A twin has completed it, or somebody collected it as abandoned: which, the object tells.
      if (!isUploadGone(error)) throw error;
      ended.add(uploadId);
    }
    // The answer to a repeated Complete proves nothing (versitygw answers 200 to a dead one): only the object does.
    const stored = await objects.head(key, options.signal);
    if (stored?.size === content.size && (stored.crc32 ?? crc32Base64(content.crc32)) === crc32Base64(content.crc32)) {
      if (reported < content.size) options.onBytes?.(content.size - reported);
      return;
    }
    // Its parts may still be good (a gateway killed inside Complete): begin anew only when they did not help twice.
    if (attempt > 1) await abandon(objects, key, uploadId);
    if (attempt === TRIES) {
      throw new EspalierError('Corrupt', `${TRIES} uploads of ${key} have ended and the S3 store does not hold it`, {
        where: `s3://${objects.settings.bucket}/${objects.at(key).Key}`,
        fix: 'check the store with `espalier doctor`; restart an embedded gateway',
      });
    }
  }
}

/** versitygw's words for an upload that was aborted while a part of it arrived are the second and the third. */
function isUploadGone(error: unknown): boolean {
  if (nameOf(error) === 'NoSuchUpload' || nameOf(error) === 'InvalidPart') return true;
  return nameOf(error) === 'InvalidRequest' && /checksum mode/.test((error as Error).message);
}

/** Longer than any interrupted upload is worth continuing. */
const ABANDONED_AFTER_MS = 7 * 24 * 3600 * 1000;

/**
 * Aborts the uploads of content that nobody has completed for `olderThanMs`: their parts are paid for and invisible. At
 * most `limit` a call. Safe at any time and from several processes: an upload that is being continued after all begins
 * anew. Gives how many it ended.
 */
export async function collectUploads(
  objects: ObjectStore,
  options: { olderThanMs?: number; limit?: number; signal?: AbortSignal } = {},
): Promise<number> {
  const { olderThanMs = ABANDONED_AFTER_MS, limit = 1000, signal } = options;
  const before = Date.now() - olderThanMs;
  const { Bucket, Key: Prefix } = objects.at('blobs/');
  const old: { Bucket: string; Key: string; UploadId: string }[] = [];
  let from: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {};
  while (from !== undefined && old.length < limit) {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({ Bucket, Prefix, ...from });
    const page = await retrying(() => objects.client.send(command, { abortSignal: signal }), signal);
    for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
      const isOld = Initiated !== undefined && Initiated.getTime() <= before;
      if (isOld && Key !== undefined && UploadId !== undefined) old.push({ Bucket, Key, UploadId });
    }
    const { IsTruncated, NextKeyMarker: KeyMarker, NextUploadIdMarker: UploadIdMarker } = page;
    const more = IsTruncated === true && KeyMarker !== undefined;
    from = more ? { KeyMarker, ...(UploadIdMarker === undefined ? {} : { UploadIdMarker }) } : undefined;
  }
  let ended = 0;
  await forEachParallel(old.slice(0, limit), PARALLEL_PARTS, signal, async (upload) => {
    try {
      await retrying(() => objects.client.send(new AbortMultipartUploadCommand(upload)), signal);
      ended++;
    } catch (error) {
      if (nameOf(error) !== 'NoSuchUpload') throw error; // completed or collected by somebody else meanwhile
    }
  });
  return ended;
}

/**
 * Sends a file, or the bytes from `start` to `end` of it, as the body of one request. A store may refuse before it has
 * read the body; the request is then ended too, or its connection would stay open until its time-out.
 */
export async function sendFile<T>(
  path: string,
  range: { start?: number; end?: number },
  signal: AbortSignal | undefined,
  send: (body: Readable, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const request = new AbortController();
  const body = createReadStream(path, { ...range, highWaterMark: 2 ** 20 });
  let unreadable: Error | undefined;
  body.once('error', (error) => {
    unreadable = error;
    request.abort();
  });
  try {
    return await send(body, signal === undefined ? request.signal : AbortSignal.any([signal, request.signal]));
  } catch (error) {
    request.abort();
    throw unreadable ?? error;
  } finally {
    body.destroy();
  }
}

async function beginUpload(objects: ObjectStore, key: string): Promise<string> {
  // Without the algorithm here, ListParts would not tell checksums and parts could not be trusted on resuming.
  const command = new CreateMultipartUploadCommand({
    ...objects.at(key),
    ChecksumAlgorithm: 'CRC32',
    ChecksumType: 'FULL_OBJECT',
  });
  const begun = await retrying(() => objects.client.send(command), undefined);
  if (begun.UploadId === undefined) throw new EspalierError('Internal', 'the S3 store began an upload without an id');
  return begun.UploadId;
}

/** The newest upload of this key that nobody completed, besides those that we saw end. Keys are digests, so its parts are parts of the same bytes. */
async function interruptedUpload(
  objects: ObjectStore,
  key: string,
  ended: ReadonlySet<string>,
): Promise<string | undefined> {
  const { Bucket, Key } = objects.at(key);
  const listed = await retrying(
    () => objects.client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key })),
    undefined,
  );
  return (listed.Uploads ?? [])
    .filter((upload) => upload.Key === Key && upload.ChecksumAlgorithm === 'CRC32' && !ended.has(upload.UploadId ?? ''))
    .toSorted((a, b) => (b.Initiated?.getTime() ?? 0) - (a.Initiated?.getTime() ?? 0))[0]?.UploadId;
}

async function storedParts(
  objects: ObjectStore,
  key: string,
  uploadId: string,
): Promise<Map<number, CompletedPart & { Size?: number }>> {
  const parts = new Map<number, CompletedPart & { Size?: number }>();
  let marker: string | undefined;
  do {
    const command = new ListPartsCommand({
      ...objects.at(key),
      UploadId: uploadId,
      ...(marker === undefined ? {} : { PartNumberMarker: marker }),
    });
    const page = await retrying(() => objects.client.send(command), undefined);
    for (const part of page.Parts ?? []) if (part.PartNumber !== undefined) parts.set(part.PartNumber, part);
    marker = page.IsTruncated === true ? page.NextPartNumberMarker : undefined;
  } while (marker !== undefined);
  return parts;
}

async function sendParts(
  objects: ObjectStore,
  key: string,
  uploadId: string,
  path: string,
  content: FileContent,
  { signal, onBytes }: UploadOptions,
): Promise<CompletedPart[]> {
  const stored = await storedParts(objects, key, uploadId);
  const done: CompletedPart[] = [];
  const indexes = content.partCrc32.map((_, index) => index);
  await forEachParallel(indexes, PARALLEL_PARTS, signal, async (index, stop) => {
    const PartNumber = index + 1;
    const start = index * content.partBytes;
    const length = Math.min(content.partBytes, content.size - start);
    const ChecksumCRC32 = crc32Base64(content.partCrc32[index] ?? 0);
    const present = stored.get(PartNumber);
    let ETag = present?.Size === length && present.ChecksumCRC32 === ChecksumCRC32 ? present.ETag : undefined;
    const part = { ...objects.at(key), UploadId: uploadId, PartNumber, ContentLength: length, ChecksumCRC32 };
    const send = async (Body: Readable, abortSignal: AbortSignal): Promise<string | undefined> => {
      try {
        return (await objects.client.send(new UploadPartCommand({ ...part, Body }), { abortSignal })).ETag;
      } catch (error) {
        // A store may hang up on a part of a vanished upload before it has read, and answered, the request.
        if (isTransient(error)) await requireUpload(objects, key, uploadId, abortSignal);
        throw error;
      }
    };
    ETag ??= await retrying(() => sendFile(path, { start, end: start + length - 1 }, stop, send), stop);
    done[index] = { PartNumber, ETag, ChecksumCRC32 };
    onBytes?.(length);
  });
  return done;
}

/** Throws NoSuchUpload when the store says that there is none; a store that says nothing proves nothing. */
async function requireUpload(objects: ObjectStore, key: string, UploadId: string, signal: AbortSignal): Promise<void> {
  const command = new ListPartsCommand({ ...objects.at(key), UploadId, MaxParts: 1 });
  try {
    await objects.client.send(command, { abortSignal: signal });
  } catch (error) {
    if (isUploadGone(error)) throw error;
  }
}

/** Every outcome that may still mean "stored" returns, but for a vanished upload: the caller looks. */
async function complete(
  objects: ObjectStore,
  key: string,
  uploadId: string,
  parts: CompletedPart[],
  { overwrite = false, signal }: UploadOptions,
): Promise<void> {
  const command = new CompleteMultipartUploadCommand({
    ...objects.at(key),
    UploadId: uploadId,
    MultipartUpload: { Parts: parts },
    ChecksumType: 'FULL_OBJECT',
    ...(overwrite ? {} : { IfNoneMatch: '*' }),
  });
  try {
    await objects.client.send(command, { abortSignal: signal });
  } catch (error) {
    if (isTransient(error)) return; // it may have arrived
    if (!isLostCondition(error)) throw error;
    // Somebody stored the object meanwhile: the parts are of no more use.
    await abandon(objects, key, uploadId);
  }
}

async function abandon(objects: ObjectStore, key: string, uploadId: string): Promise<void> {
  const command = new AbortMultipartUploadCommand({ ...objects.at(key), UploadId: uploadId });
  await objects.client.send(command).catch(() => {}); // already gone, or left for the collection of old uploads
}

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

/** Throws Corrupt when the store says "complete" but does not hold the object, three times over. */
export async function uploadParts(
  objects: ObjectStore,
  key: string,
  path: string,
  content: FileContent,
  options: UploadOptions,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const uploadId = (await interruptedUpload(objects, key)) ?? (await beginUpload(objects, key));
    const parts = await sendParts(
      objects,
      key,
      uploadId,
      path,
      content,
      attempt === 1 ? options : { ...options, onBytes: undefined },
    );
    await complete(objects, key, uploadId, parts, options);
    // The answer to a repeated Complete proves nothing (versitygw answers 200 to a dead one): only the object does.
    const stored = await objects.head(key, options.signal);
    if (stored?.size === content.size && (stored.crc32 ?? crc32Base64(content.crc32)) === crc32Base64(content.crc32))
      return;
    // Its parts may still be good (a gateway killed inside Complete): begin anew only when they did not help twice.
    if (attempt > 1) await abandon(objects, key, uploadId);
    if (attempt === TRIES) {
      throw new EspalierError('Corrupt', `the S3 store reports the upload of ${key} complete but does not hold it`, {
        where: `s3://${objects.settings.bucket}/${objects.at(key).Key}`,
        fix: 'check the store with `espalier doctor`; restart an embedded gateway',
      });
    }
  }
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

/** The newest upload of this key that nobody completed. Keys are digests, so its parts are parts of the same bytes. */
async function interruptedUpload(objects: ObjectStore, key: string): Promise<string | undefined> {
  const { Bucket, Key } = objects.at(key);
  const listed = await retrying(
    () => objects.client.send(new ListMultipartUploadsCommand({ Bucket, Prefix: Key })),
    undefined,
  );
  return (listed.Uploads ?? [])
    .filter((upload) => upload.Key === Key && upload.ChecksumAlgorithm === 'CRC32')
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
    const send = async (Body: Readable, abortSignal: AbortSignal): Promise<string | undefined> =>
      (await objects.client.send(new UploadPartCommand({ ...part, Body }), { abortSignal })).ETag;
    ETag ??= await retrying(() => sendFile(path, { start, end: start + length - 1 }, stop, send), stop);
    done[index] = { PartNumber, ETag, ChecksumCRC32 };
    onBytes?.(length);
  });
  return done;
}

/** Every outcome that may still mean "stored" returns: the caller looks. */
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
    if (nameOf(error) === 'NoSuchUpload') return; // a twin completed it
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

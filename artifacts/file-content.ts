/** One pass over a file: all that its upload must know. */
import { once } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import { limiter } from './concurrency.ts';
import type { ContentAnswer, ContentRequest, ContentSums } from './content-worker.mjs';
import { digestBytes } from './digest.ts';
import { hexOf, type Digest } from './reference.ts';

const MIB = 2 ** 20;
/** Below this an object goes up in one request. */
export const MULTIPART_FROM = 64 * MIB;
const PART_BYTES = 32 * MIB;
const MAX_PARTS = 10_000;
/** Up to here a file is taken into memory and hashed in place: about a millisecond of the event loop. */
const SMALL_BYTES = MIB;
/** Threads that hash: one of them is faster than a network, two make short work of a tree that is stored already. */
const THREADS = 2;

export interface FileContent {
  readonly digest: Digest;
  readonly size: number;
  /** CRC-32 of the whole, and of each part of `partBytes` (the last one shorter). */
  readonly crc32: number;
  readonly partBytes: number;
  readonly partCrc32: readonly number[];
  /** All of it, where it is small: such a file is read only once. */
  readonly bytes: Buffer | undefined;
}

/** A pure function of the size, so that an interrupted upload is continued with the same parts. */
export function partBytesFor(size: number): number {
  return Math.max(PART_BYTES, Math.ceil(size / MAX_PARTS / MIB) * MIB);
}

/** Reads the file once; a large one in a thread, so that other files are sent meanwhile. */
export async function readContent(path: string, signal?: AbortSignal): Promise<FileContent> {
  signal?.throwIfAborted();
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const partBytes = partBytesFor(size);
    const bytes = size <= SMALL_BYTES ? await readSmall(file) : undefined;
    if (bytes !== undefined) {
      const sum = crc32(bytes);
      const partCrc32 = bytes.length === 0 ? [] : [sum];
      return { digest: digestBytes(bytes), size: bytes.length, crc32: sum, partBytes, partCrc32, bytes };
    }
    const sums = await threads(() => sumsInThread({ path, partBytes }, signal));
    return {
      digest: `sha256:${sums.sha256}`,
      size: sums.size,
      crc32: joinedCrc32(sums.partCrc32, partBytes, sums.size),
      partBytes,
      partCrc32: sums.partCrc32,
      bytes: undefined,
    };
  } finally {
    await file.close();
  }
}

/** Undefined when the file has outgrown what its size said. */
async function readSmall(file: FileHandle): Promise<Buffer | undefined> {
  const buffer = Buffer.allocUnsafe(SMALL_BYTES + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
    length += bytesRead;
    if (length > SMALL_BYTES) return undefined;
    if (bytesRead === 0) return Buffer.from(buffer.subarray(0, length));
  }
}

const threads = limiter(THREADS);
const idle: Worker[] = [];

/** Cancelling ends the thread at once; the next file gets a new one. */
async function sumsInThread(request: ContentRequest, signal: AbortSignal | undefined): Promise<ContentSums> {
  signal?.throwIfAborted();
  // Without `execArgv`, the options of this process (a loader of TypeScript, say) would be set up in the thread, too.
  const worker = idle.pop() ?? new Worker(new URL('./content-worker.mjs', import.meta.url), { execArgv: [] });
  worker.ref();
  try {
    worker.postMessage(request);
    const [answer] = (await once(worker, 'message', { signal })) as [ContentAnswer];
    // A thread that waits for work keeps no process alive.
    worker.unref();
    idle.push(worker);
    if ('sums' in answer) return answer.sums;
    throw Object.assign(new Error(answer.message), answer.fields);
  } catch (error) {
    if (!idle.includes(worker)) await worker.terminate();
    signal?.throwIfAborted();
    throw error;
  }
}

const CRC32_POLYNOMIAL = 0xedb88320;

/**
 * CRC-32 of parts in a row from their own: a CRC is the remainder of a polynomial over GF(2), so that bytes which follow
 * multiply what was before by x^(8 * bytes). Saves a second checksum of every byte.
 */
export function joinedCrc32(partCrc32: readonly number[], partBytes: number, size: number): number {
  const wholePart = powerOfByte(partBytes);
  return partCrc32.reduce((before, part, index) => {
    const bytes = Math.min(partBytes, size - index * partBytes);
    return (multiply(before, bytes === partBytes ? wholePart : powerOfByte(bytes)) ^ part) >>> 0;
  }, 0);
}

/** x^(8 * bytes) modulo the polynomial, by squaring. Bit 31 stands for x^0, bit 23 for x^8. */
function powerOfByte(bytes: number): number {
  let power = 2 ** 31;
  let square = 2 ** 23;
  for (let rest = bytes; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) power = multiply(power, square);
    square = multiply(square, square);
  }
  return power;
}

function multiply(a: number, b: number): number {
  let product = 0;
  let shifted = b;
  for (let bit = 31; bit >= 0; bit--) {
    if ((a >>> bit) & 1) product ^= shifted;
    shifted = (shifted >>> 1) ^ (shifted & 1 ? CRC32_POLYNOMIAL : 0);
  }
  return product >>> 0;
}

/** As S3 writes a CRC-32: base64 of four big-endian bytes. */
export function crc32Base64(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}

/** As S3 writes a SHA-256. */
export function sha256Base64(digest: Digest): string {
  return Buffer.from(hexOf(digest), 'hex').toString('base64');
}

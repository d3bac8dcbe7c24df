/** One pass over a file: all that its upload must know. */
import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import type { Digest } from './reference.ts';

const MIB = 2 ** 20;
/** Below this an object goes up in one request. */
export const MULTIPART_FROM = 64 * MIB;
const PART_BYTES = 32 * MIB;
const MAX_PARTS = 10_000;

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

/**
 * Reads the file once, 1 MiB at a time (about a millisecond of the event loop each), one piece being read while the
 * one before is hashed.
 */
export async function readContent(path: string, signal?: AbortSignal): Promise<FileContent> {
  const file = await open(path);
  try {
    const partBytes = partBytesFor((await file.stat()).size);
    const hash = createHash('sha256');
    const partCrc32: number[] = [];
    let whole = 0;
    let size = 0;
    let firstBytes = 0;
    // Two buffers for the whole file: fresh ones for every piece cost more than the hash.
    const buffers = [Buffer.allocUnsafe(MIB), Buffer.allocUnsafe(MIB)] as const;
    const read = (index: number): Promise<Buffer> => {
      const buffer = buffers[index % 2 === 0 ? 0 : 1];
      return file.read(buffer, 0, MIB, null).then(({ bytesRead }) => buffer.subarray(0, bytesRead));
    };
    let next = read(0);
    for (let index = 1; ; index++) {
      const piece = await next;
      if (piece.length === 0) break;
      if (index === 1) firstBytes = piece.length;
      signal?.throwIfAborted();
      next = read(index);
      hash.update(piece);
      whole = crc32(piece, whole);
      for (let start = 0; start < piece.length;) {
        const part = Math.floor(size / partBytes);
        const slice = piece.subarray(start, start + (part + 1) * partBytes - size);
        partCrc32[part] = crc32(slice, partCrc32[part] ?? 0);
        start += slice.length;
        size += slice.length;
      }
    }
    const bytes = size === firstBytes ? Buffer.from(buffers[0].subarray(0, size)) : undefined;
    return { digest: `sha256:${hash.digest('hex')}`, size, crc32: whole, partBytes, partCrc32, bytes };
  } finally {
    await file.close();
  }
}

/** As S3 writes a CRC-32: base64 of four big-endian bytes. */
export function crc32Base64(value: number): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes.toString('base64');
}

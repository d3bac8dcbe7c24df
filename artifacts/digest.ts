import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { canonicalJson } from './canonical-json.ts';
import { EspalierError } from './errors.ts';
import type { Digest } from './reference.ts';

export function digestBytes(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** Digest of a value's canonical JSON. */
export function digestJson(value: unknown): Digest {
  return digestBytes(canonicalJson(value));
}

/** Digest of a file's bytes, streamed. */
export async function digestFile(path: string, signal?: AbortSignal): Promise<Digest> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal });
  return `sha256:${hash.digest('hex')}`;
}

/** What is read at once: the next such piece is under way while one is hashed. */
const PIECE_BYTES = 1 << 20;

/**
 * A file's bytes, in memory of their own, and the digest of just these bytes: one pass over the file, and nobody can put
 * others in between. Throws Corrupt when the file becomes shorter meanwhile.
 */
export async function readWithDigest(path: string): Promise<{ readonly bytes: Buffer; readonly digest: Digest }> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    const bytes = Buffer.allocUnsafeSlow(size);
    const hash = createHash('sha256');
    const read = (at: number) => file.read(bytes, at, Math.min(PIECE_BYTES, size - at), at);
    let reading = read(0);
    for (let at = 0; at < size;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0)
        throw new EspalierError('Corrupt', `${path} became shorter while it was read`, { where: path });
      const end = at + bytesRead;
      if (end < size) reading = read(end);
      hash.update(bytes.subarray(at, end));
      at = end;
    }
    return { bytes, digest: `sha256:${hash.digest('hex')}` };
  } finally {
    await file.close();
  }
}

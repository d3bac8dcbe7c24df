import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { canonicalJson } from './canonical-json.ts';
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

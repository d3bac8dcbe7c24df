/**
 * A thread that reads files and answers with their checksums (file-content.ts): one file at a time, whole requests in,
 * whole answers out. Plain JavaScript, because Node 20 starts threads from nothing else, be it from sources or from dist/.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import { crc32 } from 'node:zlib';

/**
 * @typedef {{ readonly path: string; readonly partBytes: number }} ContentRequest
 * @typedef {{ readonly sha256: string; readonly size: number; readonly partCrc32: readonly number[] }} ContentSums
 * @typedef {{ readonly sums: ContentSums } | { readonly message: string; readonly fields: object }} ContentAnswer
 */

const PIECE_BYTES = 2 ** 20;

if (parentPort === null) throw new Error('content-worker.mjs runs in a worker thread only');
const port = parentPort;
// One buffer for ever: fresh ones for every piece cost more than the hash.
const buffer = Buffer.allocUnsafe(PIECE_BYTES);

port.on('message', (/** @type {ContentRequest} */ { path, partBytes }) => {
  /** @type {ContentAnswer} */
  let answer;
  try {
    answer = { sums: sumsOf(path, partBytes) };
  } catch (error) {
    // An error that is sent as such loses its code and path.
    answer = { message: error instanceof Error ? error.message : String(error), fields: { ...Object(error) } };
  }
  port.postMessage(answer);
});

/**
 * @param {string} path
 * @param {number} partBytes a multiple of PIECE_BYTES
 * @returns {ContentSums}
 */
function sumsOf(path, partBytes) {
  const file = openSync(path, 'r');
  try {
    const hash = createHash('sha256');
    /** @type {number[]} */
    const partCrc32 = [];
    let size = 0;
    for (;;) {
      const part = Math.floor(size / partBytes);
      const read = readSync(file, buffer, 0, Math.min(PIECE_BYTES, (part + 1) * partBytes - size), null);
      if (read === 0) return { sha256: hash.digest('hex'), size, partCrc32 };
      const piece = buffer.subarray(0, read);
      hash.update(piece);
      partCrc32[part] = crc32(piece, partCrc32[part] ?? 0);
      size += read;
    }
  } finally {
    closeSync(file);
  }
}

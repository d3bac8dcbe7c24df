/** Whether a file is the version of an object that its ETag names, where an ETag can prove that. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { changed } from './object-download.ts';
import type { ObjectVersion } from './object-parts.ts';
import { isTransient, statusOf } from './storage-errors.ts';

/** Says of a file whether it is the object. */
export type Proof = (path: string, signal?: AbortSignal) => Promise<boolean>;

const WHOLE = /^[0-9a-f]{32}$/;
const OF_PARTS = /^[0-9a-f]{32}-(\d{1,5})$/;

/**
 * The ETag of an object that was put at once is the MD5 of its bytes; of one that was uploaded in parts the MD5 of the parts'
 * MD5s, with their number (Amazon S3, "Checking object integrity"). undefined: it is neither, as of one that the store encrypts
 * with keys of its own (KMS) or the customer's, or whose parts have several sizes. Throws Conflict when
 * the object is another version by now.
 */
export async function proofOf(
  client: S3Client,
  { bucket: Bucket, key: Key, etag, size }: ObjectVersion,
  signal?: AbortSignal,
): Promise<Proof | undefined> {
  const bare = etag.replaceAll(/^W\/|"/g, '');
  const parts = Number(OF_PARTS.exec(bare)?.[1]);
  if (!WHOLE.test(bare) && !(parts > 0)) return undefined;
  const one = WHOLE.test(bare) ? {} : { PartNumber: 1 };
  const command = new HeadObjectCommand({ Bucket, Key, IfMatch: etag, ...one });
  const head = await client
    .send(command, signal === undefined ? {} : { abortSignal: signal })
    .catch((error: unknown) => {
      if (statusOf(error) === 412) throw changed(`s3://${Bucket}/${Key}`, error);
      if (isTransient(error) || signal?.aborted === true) throw error;
      return undefined; // a store that does not tell of parts
    });
  if (head === undefined || isEncrypted(head)) return undefined;
  if (WHOLE.test(bare)) return async (path, stop) => (await md5s(path, Infinity, stop))[0]?.toString('hex') === bare;
  const partBytes = head.ContentLength ?? 0;
  if (!(partBytes > 0) || Math.ceil(size / partBytes) !== parts) return undefined;
  return async (path, stop) => {
    const all = Buffer.concat(await md5s(path, partBytes, stop));
    return `${createHash('md5').update(all).digest('hex')}-${parts}` === bare;
  };
}

function isEncrypted(head: {
  ServerSideEncryption?: string | undefined;
  SSECustomerAlgorithm?: string | undefined;
}): boolean {
  return (head.ServerSideEncryption ?? '').startsWith('aws:kms') || head.SSECustomerAlgorithm !== undefined;
}

/** Of each piece of so many bytes; of an empty file, of nothing. */
async function md5s(path: string, pieceBytes: number, signal: AbortSignal | undefined): Promise<Buffer[]> {
  const found: Buffer[] = [];
  let [digest, left] = [createHash('md5'), pieceBytes];
  for await (const read of createReadStream(path, { highWaterMark: 2 ** 20, signal })) {
    let chunk = read as Buffer;
    while (chunk.length > 0) {
      if (left === 0) {
        found.push(digest.digest());
        [digest, left] = [createHash('md5'), pieceBytes];
      }
      const now = chunk.subarray(0, left);
      digest.update(now);
      left -= now.length;
      chunk = chunk.subarray(now.length);
    }
  }
  return [...found, digest.digest()];
}

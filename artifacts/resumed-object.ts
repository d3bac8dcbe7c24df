/** An object onto this host, from where an earlier try ended, whichever process made that: only the missing bytes are asked for. */
import { constants } from 'node:fs';
import { copyFile, open, rename, type FileHandle } from 'node:fs/promises';
import type { S3Client } from '@aws-sdk/client-s3';
import { EspalierError } from './errors.ts';
import { downloadObject } from './object-download.ts';
import { holdPart, type HeldPart, type ObjectVersion } from './object-parts.ts';
import { proofOf } from './object-proof.ts';

export interface ResumedOptions {
  /** Of parts (`partsFolder`). */
  readonly folder: string;
  readonly endpoint: string;
  readonly signal?: AbortSignal | undefined;
  /** Told why a download begins anew, a sentence. */
  readonly onNote?: ((note: string) => void) | undefined;
}

/** A part that is whole: to be moved, removed or let go by who asked for it. */
export type WholePart = Pick<HeldPart, 'path' | 'remove' | 'letGo'>;

/**
 * The version of the object, in a file of ours. What an earlier try left is gone on with where the ETag can prove the
 * whole at the end (`object-proof.ts`); else, and where it then is another, the download begins anew. Throws Conflict when the object is another version by now, Corrupt when
 * more or fewer bytes came than were listed, else what the client throws; all but Corrupt leave what has come for the next try.
 */
export async function fetchResumably(
  client: S3Client,
  version: ObjectVersion,
  { folder, endpoint, signal, onNote }: ResumedOptions,
): Promise<WholePart> {
  const where = `s3://${version.bucket}/${version.key}`;
  const part = await holdPart(endpoint, version, folder);
  if (part.otherVersion) onNote?.(`${where} is another version than the one that was begun: the download begins anew`);
  try {
    const file = await open(part.path, constants.O_RDWR | constants.O_CREAT, 0o600);
    try {
      await fill(client, version, part.path, file, { where, signal, onNote });
    } finally {
      await file.close();
    }
    return part;
  } catch (error) {
    if (error instanceof EspalierError && error.kind === 'Corrupt') await part.remove();
    else part.letGo();
    throw error;
  }
}

async function fill(
  client: S3Client,
  version: ObjectVersion,
  path: string,
  file: FileHandle,
  { where, signal, onNote }: Pick<ResumedOptions, 'signal' | 'onNote'> & { readonly where: string },
): Promise<void> {
  const { bucket: Bucket, key: Key, etag, size } = version;
  const arrive = async (start: number): Promise<void> => {
    const bytes = await downloadObject(client, { Bucket, Key }, file, { etag, maxBytes: size, start, signal });
    if (bytes !== size) throw notListed(where, bytes > size ? 'more' : bytes, size);
  };
  const beginAnew = async (why: string): Promise<void> => {
    onNote?.(`what was here of ${where} is thrown away, and the download begins anew: ${why}`);
    await file.truncate(0);
    await arrive(0);
  };
  const kept = (await file.stat()).size;
  if (kept === 0) return arrive(0);
  if (kept > size) return beginAnew('it is longer than the object');
  const isObject = await proofOf(client, version, signal);
  if (isObject === undefined) return beginAnew('its ETag would not prove the whole');
  if (kept < size) await arrive(kept);
  if (!(await isObject(path, signal))) await beginAnew('with what came now it is not the object that its ETag names');
}

function notListed(where: string, came: number | 'more', size: number): EspalierError {
  return new EspalierError('Corrupt', `${where} came with ${came} bytes; ${size} are listed`, {
    where,
    fix: 'check what stands between here and the store (AWS_ENDPOINT_URL_S3), and start again',
  });
}

/** Puts a whole part at `target`, also on another disk. */
export async function movePart(part: WholePart, target: string): Promise<void> {
  try {
    await rename(part.path, target);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    await copyFile(part.path, target, constants.COPYFILE_EXCL);
  }
  await part.remove();
}

/**
 * The files of a tar shard, streamed: nothing is ever written under a member's name, so no path can lead out of anywhere.
 * Links and devices are told, not followed.
 */
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { extract } from 'tar-stream';
import { EspalierError } from '../../../artifacts/errors.ts';

export interface TarMember {
  /** Of the member in its shard, from 1. */
  readonly line: number;
  readonly name: string;
  readonly problem?: { readonly reason: string; readonly message: string };
  /** Missing where there is a problem, or `wanted` said no. */
  readonly bytes?: Buffer;
}

const BLOCK = 512;
/** Long names and attributes; the reader holds such a member in memory before anybody can judge it. */
const MAX_HEADER_BYTES = 2 ** 20;

/**
 * Members in order. `limit` says how many bytes of a member are read: a larger one is told as `too-large`, unread; 0: not of
 * interest. Throws BadData for what is no whole tar.
 */
export async function* tarMembers(
  path: string,
  shard: string,
  limit: (name: string) => number,
  signal?: AbortSignal,
  /** A pack that we wrote ourselves has each name once: those of a million pictures need not be remembered. */
  { isOurs = false }: { readonly isOurs?: boolean } = {},
): AsyncGenerator<TarMember> {
  await checkHeaders(path, shard);
  const reader = extract();
  const source = createReadStream(path, { highWaterMark: 1 << 18, signal });
  source.on('error', (error) => reader.destroy(error));
  source.pipe(reader);
  const names = new Set<string>();
  let line = 0;
  try {
    for await (const entry of reader) {
      const { type, size } = entry.header;
      const name = entry.header.name.replace(/^(?:\.\/)+/, '');
      line += 1;
      if (type === 'directory') {
        entry.resume();
        continue;
      }
      const member = { line, name };
      const most = limit(name);
      const problem = memberProblem({ name, type: type ?? 'file', size }, most, names);
      if (!isOurs) names.add(name);
      if (problem !== undefined || most === 0) {
        entry.resume();
        yield problem === undefined ? member : { ...member, problem };
        continue;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      yield { ...member, bytes: Buffer.concat(chunks) };
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof EspalierError ? error : badTar(shard, (error as Error).message);
  } finally {
    source.destroy();
    reader.destroy();
  }
}

function memberProblem(
  { name, type, size }: { readonly name: string; readonly type: string; readonly size: number },
  most: number,
  names: ReadonlySet<string>,
): TarMember['problem'] {
  if (/^\/|^[a-z]:|(?:^|[/\\])\.\.(?:[/\\]|$)|\0/i.test(name)) {
    return { reason: 'unsafe-path', message: 'its name leads out of the shard' };
  }
  if (type !== 'file' && type !== 'contiguous-file')
    return { reason: 'not-a-file', message: `it is a ${type}, not a file` };
  if (names.has(name)) return { reason: 'duplicate-name', message: 'the shard has this name twice' };
  if (most > 0 && size > most) return { reason: 'too-large', message: `it has ${size} bytes, more than ${most}` };
  return undefined;
}

/** Walks from header to header before anything is read: sizes that lie, and headers that would fill the memory. */
async function checkHeaders(path: string, shard: string): Promise<void> {
  const file = await open(path);
  try {
    const { size: whole } = await file.stat();
    if (whole < BLOCK || whole % BLOCK !== 0) throw badTar(shard, `${whole} bytes are not whole blocks of ${BLOCK}`);
    const header = Buffer.alloc(BLOCK);
    for (let at = 0; at < whole;) {
      await file.read(header, 0, BLOCK, at);
      if (header.every((byte) => byte === 0)) return;
      const size = memberSize(header);
      if (!Number.isSafeInteger(size) || size < 0) throw badTar(shard, `the header at byte ${at} has no size`);
      if ('xgLK'.includes(String.fromCodePoint(header[156] as number)) && size > MAX_HEADER_BYTES) {
        throw badTar(shard, `the header at byte ${at} has ${size} bytes of attributes`);
      }
      at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
      if (at > whole) throw badTar(shard, 'it ends in the middle of a file');
    }
  } finally {
    await file.close();
  }
}

/** Octal digits, or base 256 for large ones (GNU). */
function memberSize(header: Buffer): number {
  const field = header.subarray(124, 136);
  if (((field[0] as number) & 0x80) !== 0) return Number(field.readBigUInt64BE(4));
  const digits = field.toString('latin1').replaceAll('\0', ' ').trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || '0', 8) : Number.NaN;
}

function badTar(shard: string, message: string): EspalierError {
  return new EspalierError('BadData', `${shard} cannot be read as a tar: ${message}`, {
    where: shard,
    fix: 'make the shard again (`tar -cf`), without compression',
  });
}

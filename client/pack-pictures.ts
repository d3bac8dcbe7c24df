/**
 * Pictures of this machine as one tar, as a run takes them: the same bytes for the same files. A folder is packed with what
 * stands beside its pictures, a list (CSV or JSONL) with the pictures that it names. What is wrong with single pictures is
 * for data preparation to say, by the definition's policy: nothing is judged here but where files lie.
 */
import { createReadStream, createWriteStream, type Dirent } from 'node:fs';
import { lstat, readdir, readFile, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, sep } from 'node:path';
import { createInterface } from 'node:readline';
import { pipeline } from 'node:stream/promises';
import { parse } from 'csv-parse';
import { pack, type Pack } from 'tar-stream';

/** Must be what activities/data/images/sources.ts reads. */
const LISTING = '.listing';
const OF_INTEREST = /\.(?:jpe?g|png|webp|gif|tiff?|bmp|avif|heic|cls|json)$/i;
const STAMP = { mtime: new Date(0), mode: 0o644, uid: 0, gid: 0 };

/** Writes the pictures below `folder`, by path, to the tar `out`. A link is packed as a link: it is not followed. */
export async function packFolder(folder: string, out: string): Promise<void> {
  await writeTar(out, async (archive) => {
    for await (const name of filesBelow(folder, '')) {
      const found = await lstat(join(folder, name));
      if (found.isSymbolicLink()) await addLink(archive, name);
      else await addFile(archive, name, join(folder, name), found.size);
    }
  });
}

/** Writes the list and the pictures of its column `image` to the tar `out`; what is not in the list's folder is left out. */
export async function packList(list: string, image: string, out: string): Promise<void> {
  await packNamed(list, list.toLowerCase().endsWith('.jsonl') ? ofJsonl(list, image) : ofCsv(list, image), out);
}

/** Writes a list and pictures that lie beside it, by name, to the tar `out`; what is not in the list's folder is left out. */
export async function packNamed(
  list: string,
  names: AsyncIterable<string> | Iterable<string>,
  out: string,
): Promise<void> {
  const home = await realpath(dirname(list));
  await writeTar(out, async (archive) => {
    await addBytes(archive, LISTING, await readFile(list));
    const packed = new Set<string>();
    for await (const named of names) {
      const name = named.replace(/^(?:\.\/)+/, '');
      if (packed.has(name) || name === '' || isAbsolute(name) || name.split(/[/\\]/).includes('..')) continue;
      packed.add(name);
      const path = await realpath(join(home, name)).catch(() => undefined);
      if (path === undefined) continue;
      const found = await lstat(path);
      if (path.startsWith(home + sep) && found.isFile()) await addFile(archive, name, path, found.size);
    }
  });
}

async function writeTar(out: string, fill: (archive: Pack) => Promise<void>): Promise<void> {
  const archive = pack();
  const writing = pipeline(archive, createWriteStream(out));
  // Whoever awaits below sees the error; until then it must not count as unhandled.
  writing.catch(() => undefined);
  try {
    await fill(archive);
    archive.finalize();
    await writing;
  } finally {
    archive.destroy();
  }
}

/** Sorted by UTF-16 code units, so that no locale decides. */
async function* filesBelow(folder: string, under: string): AsyncGenerator<string> {
  const entries: Dirent[] = await readdir(join(folder, under), { withFileTypes: true });
  entries.sort((one, other) => (one.name < other.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const name = under === '' ? entry.name : `${under}/${entry.name}`;
    if (entry.isDirectory()) yield* filesBelow(folder, name);
    else if (OF_INTEREST.test(entry.name) && (entry.isFile() || entry.isSymbolicLink())) yield name;
  }
}

async function* ofCsv(list: string, image: string): AsyncGenerator<string> {
  const parser = createReadStream(list).pipe(
    parse({ columns: true, bom: true, relax_column_count: true, trim: false }),
  );
  try {
    for await (const row of parser) {
      const name: unknown = (row as Record<string, unknown>)[image];
      if (typeof name === 'string') yield name;
    }
  } catch {
    // Where the list stops being CSV, data preparation says so with its line.
  }
}

async function* ofJsonl(list: string, image: string): AsyncGenerator<string> {
  for await (const line of createInterface({ input: createReadStream(list), crlfDelay: Number.POSITIVE_INFINITY })) {
    const name = fieldOf(line, image);
    if (typeof name === 'string') yield name;
  }
}

function fieldOf(line: string, image: string): unknown {
  try {
    const row: unknown = JSON.parse(line);
    return typeof row === 'object' && row !== null ? Reflect.get(row, image) : undefined;
  } catch {
    return undefined;
  }
}

function addBytes(archive: Pack, name: string, bytes: Buffer): Promise<void> {
  return new Promise((done, fail) => {
    archive.entry({ ...STAMP, name }, bytes, (error) => (error == null ? done() : fail(error)));
  });
}

function addLink(archive: Pack, name: string): Promise<void> {
  return new Promise((done, fail) => {
    const header = { ...STAMP, name, type: 'symlink' as const, linkname: '.' };
    archive.entry(header, (error) => (error == null ? done() : fail(error)));
  });
}

async function addFile(archive: Pack, name: string, path: string, size: number): Promise<void> {
  const entry = archive.entry({ ...STAMP, name, size });
  await pipeline(createReadStream(path), entry);
}

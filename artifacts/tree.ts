/** Trees: which directories can be stored, and which manifests may be written to a disk. Only `listDirectory` reads. */
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from './canonical-json.ts';
import { EspalierError } from './errors.ts';
import { isDigest, type TreeEntry, type TreeManifest } from './reference.ts';

/** A manifest of more would not fit into memory comfortably, nor be a model or a dataset. */
const MAX_ENTRIES = 100_000;
const MAX_PATH_BYTES = 1024;

export interface DirectoryFile {
  readonly path: string;
  readonly size: number;
  readonly mode: TreeEntry['mode'];
}

/** Why a path may not stand in a tree; undefined when it may. */
export function pathProblem(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`;
  if (path.includes('\\')) return 'contains a backslash';
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return 'contains a control character';
  if (path.includes('\uFFFD') || Buffer.from(path).toString() !== path) return 'is not valid Unicode';
  if (path.startsWith('/') || /^[A-Za-z]:/.test(path)) return 'is absolute';
  if (path.split('/').some((segment) => segment === '' || segment === '.' || segment === '..')) {
    return "has an empty, '.' or '..' segment";
  }
  return undefined;
}

/**
 * The problem of a set of paths as a whole: one that is a file and a folder, or two that would be one on a disk that
 * ignores case or the form of accents.
 */
export function collisionProblem(paths: readonly string[]): string | undefined {
  const spelling = new Map<string, string>();
  const files = new Set(paths);
  if (files.size < paths.length) return 'a path stands twice';
  const folders = new Set<string>();
  for (const path of paths) {
    const segments = path.split('/');
    for (let depth = 1; depth <= segments.length; depth++) {
      const part = segments.slice(0, depth).join('/');
      if (depth < segments.length) folders.add(part);
      const folded = part.normalize('NFC').toLowerCase();
      const other = spelling.get(folded);
      if (other !== undefined && other !== part) return `'${other}' and '${part}' differ only in case or accents`;
      spelling.set(folded, part);
    }
  }
  const both = paths.find((path) => folders.has(path));
  return both === undefined ? undefined : `'${both}' is a file and a folder`;
}

/** Sorted, validated. Throws BadData naming the path. */
export function makeManifest(entries: readonly TreeEntry[], where: string): TreeManifest {
  const sorted = entries.toSorted((a, b) => (a.path < b.path ? -1 : 1));
  const problem = manifestProblem(sorted);
  if (problem !== undefined) {
    throw new EspalierError('BadData', `cannot store this tree: ${problem}`, { where, fix: 'rename or remove it' });
  }
  return { version: 1, entries: sorted };
}

/** A manifest as it came from the store: nobody may have put a path into it that leaves the target directory. */
export function parseManifest(bytes: Buffer, where: string): TreeManifest {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    value = undefined;
  }
  const manifest = value as TreeManifest | undefined;
  const problem =
    manifest?.version !== 1 || !Array.isArray(manifest.entries)
      ? 'it is not a manifest of version 1'
      : (manifestProblem(manifest.entries) ??
        (canonicalJson(manifest) === bytes.toString('utf8') ? undefined : 'it is not canonical'));
  if (problem === undefined && manifest !== undefined) return manifest;
  throw new EspalierError('BadData', `refused a tree: ${problem}`, { where, fix: 'store the directory again' });
}

function manifestProblem(entries: readonly TreeEntry[]): string | undefined {
  if (entries.length > MAX_ENTRIES) return `it has ${entries.length} files, more than ${MAX_ENTRIES}`;
  let previous = '';
  for (const entry of entries as readonly unknown[]) {
    const { path, digest, size, mode, ...rest } = (entry ?? {}) as Record<string, unknown>;
    if (typeof path !== 'string') return 'an entry has no path';
    const named = `'${JSON.stringify(path).slice(1, -1)}'`;
    const problem = pathProblem(path);
    if (problem !== undefined) return `${named} ${problem}`;
    if (path < previous) return `${named} is out of order`;
    previous = path;
    if (!isDigest(digest)) return `${named} has no sha256 digest`;
    if (!Number.isSafeInteger(size) || (size as number) < 0) return `${named} has the size ${String(size)}`;
    if (mode !== '644' && mode !== '755') return `${named} has the mode ${String(mode)}`;
    if (Object.keys(rest).length > 0) return `${named} has the unknown field '${Object.keys(rest)[0]}'`;
  }
  return collisionProblem(entries.map((entry) => entry.path));
}

/**
 * The files below a directory. Symbolic links, sockets, devices and pipes are refused, never followed; empty folders
 * are not part of a tree.
 */
export async function listDirectory(directory: string): Promise<DirectoryFile[]> {
  const files: DirectoryFile[] = [];
  const visit = async (relative: string): Promise<void> => {
    for (const entry of await readdir(join(directory, relative), { withFileTypes: true })) {
      const path = relative === '' ? entry.name : `${relative}/${entry.name}`;
      if (entry.isDirectory()) {
        await visit(path);
        continue;
      }
      const full = join(directory, path);
      const info = await lstat(full);
      if (!info.isFile()) {
        throw new EspalierError(
          'BadData',
          `cannot store ${full}: it is ${info.isSymbolicLink() ? 'a symbolic link' : 'not a regular file'}`,
          {
            where: full,
            fix: 'replace it by a regular file, or remove it',
          },
        );
      }
      files.push({ path, size: info.size, mode: (info.mode & 0o100) === 0 ? '644' : '755' });
    }
  };
  await visit('');
  return files.toSorted((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * Pictures with their labels from tar shards: a folder a label, WebDataset's `.cls` or `.json` beside the picture, or a list
 * (CSV or JSONL) that the client packed in front of its pictures. Streamed; one picture is in memory at a time.
 */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageData } from '../../../pipelines/definition/data.ts';
import { quoted } from '../checks.ts';
import { readRows, type Groups } from '../readers.ts';
import { tarMembers, type TarMember } from './tar-members.ts';

export interface PictureSource {
  /** Where the tar is. */
  readonly path: string;
  /** What people call it. */
  readonly name: string;
  readonly format: 'tar' | 'csv' | 'jsonl';
}

export type SourcePicture =
  | {
      readonly line: number;
      readonly name: string;
      readonly label: string;
      readonly groups?: Groups | undefined;
      readonly bytes: Buffer;
    }
  | { readonly line: number; readonly problem: { readonly reason: string; readonly message: string } };

/** The first member of a packed list (client/pack-pictures.ts). */
export const LISTING = '.listing';
const PICTURE = /\.(?:jpe?g|png|webp|gif|tiff?|bmp|avif|heic)$/i;
const SIDECAR = /\.(?:cls|json)$/i;
const MAX_SIDECAR_BYTES = 1 << 16;
/** A list of a million paths has 50 MB. */
const MAX_LISTING_BYTES = 2 ** 30;

type Columns = Pick<ImageData, 'image' | 'label' | 'groups' | 'maxImageBytes'>;

/** Pictures and problems in the shard's order. Throws BadData for what is no tar, or a list that cannot be read. */
export async function* readPictures(
  source: PictureSource,
  columns: Columns,
  workDir: string,
  signal?: AbortSignal,
): AsyncGenerator<SourcePicture> {
  yield* source.format === 'tar' ? readShard(source, columns, signal) : readListed(source, columns, workDir, signal);
}

/** Gone through twice: a label may stand behind its pictures, of which a group can be as many as the shard has. */
async function* readShard(
  source: PictureSource,
  columns: Columns,
  signal?: AbortSignal,
): AsyncGenerator<SourcePicture> {
  const [labels, groups] = [new Map<number, string>(), new Map<number, Groups>()];
  const faults = new Map<number, string>();
  for await (const { member, group } of grouped(source, columns, signal)) {
    if (group === undefined || PICTURE.test(member.name)) continue;
    const { values, fault } = sidecarValues(member, columns);
    if (fault !== undefined) faults.set(group, fault);
    const label = values.get(columns.label);
    if (label !== undefined) labels.set(group, label);
    const own = (columns.groups ?? []).map((name) => [name, (values.get(name) ?? '').normalize('NFC').trim()] as const);
    const named = own.filter(([, value]) => value !== '');
    if (named.length > 0) groups.set(group, Object.fromEntries(named));
  }
  for await (const { member, group } of grouped(source, columns, signal)) {
    if (member.problem !== undefined) yield asProblem(member, member.problem.reason, member.problem.message);
    else if (group !== undefined && PICTURE.test(member.name)) {
      const fault = faults.get(group);
      if (fault !== undefined) {
        yield asProblem(member, 'not-a-string', fault);
        continue;
      }
      const found = labelled(member, labels.get(group));
      yield 'problem' in found || columns.groups === undefined ? found : { ...found, groups: groups.get(group) ?? {} };
    }
  }
}

/** Members with the place of their group among the groups; those that are no picture and no label, or cannot be read, have none. */
async function* grouped(
  source: PictureSource,
  columns: Columns,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly member: TarMember; readonly group: number | undefined }> {
  const limit = (name: string): number =>
    PICTURE.test(name) ? columns.maxImageBytes : SIDECAR.test(name) ? MAX_SIDECAR_BYTES : 0;
  let [key, group]: [string | undefined, number] = [undefined, -1];
  for await (const member of tarMembers(source.path, source.name, limit, signal)) {
    if (member.problem !== undefined || member.bytes === undefined || isHidden(member.name)) {
      yield { member, group: undefined };
      continue;
    }
    const own = keyOf(member.name);
    if (own !== key) group += 1;
    key = own;
    yield { member, group };
  }
}

/** WebDataset's key: the path up to the first dot of the file's name. Files of one key stand together. */
function keyOf(name: string): string {
  const file = name.lastIndexOf('/') + 1;
  const dot = name.indexOf('.', file);
  return dot === -1 ? name : name.slice(0, dot);
}

function labelled({ line, name, bytes = Buffer.alloc(0) }: TarMember, given: string | undefined): SourcePicture {
  const label = given ?? name.split('/').at(-2);
  if (label !== undefined) return { line, name, label, bytes };
  return asProblem({ line, name }, 'empty-label', 'it lies in no folder, and no .cls or .json stands beside it');
}

/** What finders and archivers leave behind. */
function isHidden(name: string): boolean {
  return name.split('/').some((part) => part.startsWith('.') || part === '__MACOSX');
}

/**
 * Texts and numbers by key; of a `.cls` the label alone. What else is said of a declared group is a fault, as it is in a list:
 * left out, the picture would be of no group, and the gates of groups would say nothing of it. A null is nothing, there too.
 */
function sidecarValues(
  { name, bytes }: TarMember,
  { label, groups = [] }: Columns,
): { readonly values: ReadonlyMap<string, string>; readonly fault?: string } {
  const none = { values: new Map<string, string>() };
  const text = (bytes ?? Buffer.alloc(0)).toString('utf8');
  if (/\.cls$/i.test(name)) return { values: new Map([[label, text.trim()]]) };
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return none;
    const simple = Object.entries(value).filter(([, one]) => typeof one === 'string' || typeof one === 'number');
    const values = new Map(simple.map(([key, one]) => [key, String(one)]));
    const given: Readonly<Record<string, unknown>> = { ...value };
    const wrong = groups.find((key) => Object.hasOwn(given, key) && given[key] !== null && !values.has(key));
    if (wrong === undefined) return { values };
    const type = Array.isArray(given[wrong]) ? 'array' : typeof given[wrong];
    return { values, fault: `'${wrong}' in ${quoted(name)} is of type ${type}, not a string` };
  } catch {
    return none;
  }
}

async function* readListed(
  source: PictureSource,
  columns: Columns,
  workDir: string,
  signal?: AbortSignal,
): AsyncGenerator<SourcePicture> {
  let wanted: Map<string, { line: number; label: string; groups: Groups | undefined }[]> | undefined;
  const limit = (name: string): number => (name === LISTING ? MAX_LISTING_BYTES : columns.maxImageBytes);
  for await (const member of tarMembers(source.path, source.name, limit, signal)) {
    if (wanted === undefined) {
      wanted = new Map();
      const list = await spool(member, workDir);
      const rows = readRows(
        { ...source, path: list, format: source.format === 'jsonl' ? 'jsonl' : 'csv' },
        { text: columns.image, label: columns.label, groups: columns.groups },
        signal,
      );
      for await (const row of rows) {
        if ('problem' in row) yield row;
        else {
          const name = row.text.replace(/^(?:\.\/)+/, '');
          wanted.set(name, [...(wanted.get(name) ?? []), { line: row.line, label: row.label, groups: row.groups }]);
        }
      }
      continue;
    }
    const rows = wanted.get(member.name) ?? [];
    wanted.delete(member.name);
    for (const { line, label, groups } of rows) {
      if (member.problem !== undefined || member.bytes === undefined) {
        const { reason, message } = member.problem ?? { reason: 'not-a-file', message: 'it is no file' };
        yield asProblem({ line, name: member.name }, reason, message);
      } else yield { line, name: member.name, label, groups, bytes: member.bytes };
    }
  }
  for (const [name, rows] of wanted ?? []) {
    for (const { line } of rows)
      yield asProblem({ line, name }, 'missing-file', 'there is no such file beside the list');
  }
}

async function spool({ bytes = Buffer.alloc(0) }: TarMember, workDir: string): Promise<string> {
  const path = join(await mkdtemp(join(workDir, 'list-')), 'rows');
  await writeFile(path, bytes);
  return path;
}

function asProblem(
  { line, name }: { readonly line: number; readonly name: string },
  reason: string,
  message: string,
): SourcePicture {
  return { line, problem: { reason, message: `${quoted(name)}: ${message}` } };
}

/**
 * Behaviour tests of pictures (pipelines/behaviour): a table and the pictures that it names, in one tar as the client packs them. The
 * pictures are checked and kept as all are, each once, in a pack of their own; never trained on.
 */
import { createHash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { TableProblem } from '../../../pipelines/behaviour/rows.ts';
import {
  comparedWithItself,
  MOST_TABLE_BYTES,
  picturesOf,
  readBehaviourTable,
  unknownLabels,
  withPictures,
  type BehaviourTable,
  type PlacedTest,
  type Tested,
} from '../../../pipelines/behaviour/table.ts';
import type { BehaviourKind } from '../../../pipelines/definition/behaviour.ts';
import type { DataFile, PreparePicturesInput } from '../../contract/data.ts';
import type { StepContext } from '../../step.ts';
import { badTable, type StoredTest } from '../behaviour.ts';
import { quoted } from '../checks.ts';
import { compareText } from '../group.ts';
import { canonicalPicture } from './canonical.ts';
import type { PersonalMetadata } from './exif.ts';
import { idOfPacked, pictureName, type PackedPicture } from './pictures.ts';
import { appendBytes } from './read-sources.ts';
import { LISTING } from './sources.ts';
import { tarMembers, type TarMember } from './tar-members.ts';

export interface PictureTests {
  readonly tests: readonly StoredTest[];
  /** Sorted by id. */
  readonly pictures: readonly PackedPicture[];
  readonly spool: string;
  /** Pictures that told of people, by what. */
  readonly told: ReadonlyMap<PersonalMetadata, number>;
}

/** Throws BadData by file, line and field: a test that cannot be asked is never left out, whatever the definition does about bad pictures. */
export async function readPictureTests(
  { files, data, behaviour = {}, finds }: PreparePicturesInput,
  { labels, gallery }: { readonly labels: readonly string[]; readonly gallery: readonly { readonly id: string }[] },
  context: StepContext,
): Promise<PictureTests> {
  const found = new Set(finds === true ? gallery.map(({ id }) => id) : []);
  const spool = join(context.workDir, 'pictures-behaviour');
  const handle = await open(spool, 'w');
  const keep = keeper(handle, data);
  const tests: StoredTest[] = [];
  try {
    for (const [table, { kind, file }] of Object.entries(behaviour)) {
      const source = files.find(({ path, split }) => split === 'behaviour' && path === file);
      if (source === undefined) continue;
      const read = await readPacked(source, { kind, finds, limit: data.maxImageBytes }, keep.picture, context);
      const complaint = (name: string) => `is ${quoted(name)}, which the data do not have`;
      const unknown = unknownLabels(read.tests, new Set(labels), complaint);
      const unusable = read.tests.flatMap((test) => pictureProblems(test, read.names));
      const lost = read.tests.flatMap((test) => neighbourProblems(test, read.names, found));
      const called = read.tests.map(({ line, test }) => {
        return { line, test: withPictures(test, (name) => read.names.get(name)?.name ?? name) };
      });
      const alike = called.flatMap(({ line, test }) => comparedWithItself(line, test, 'shows the same as'));
      const own = new Set(read.problems.map(({ line }) => line));
      const problems = [
        ...read.problems,
        ...unknown,
        ...unusable,
        ...lost,
        ...alike.filter(({ line }) => !own.has(line)),
      ];
      if (problems.length > 0)
        throw badTable(
          table,
          file,
          problems.toSorted((one, other) => one.line - other.line),
        );
      tests.push(...called.map((one) => ({ table, file, ...one })));
    }
  } finally {
    await handle.close();
  }
  const pictures = [...keep.pictures.values()].toSorted((one, other) => compareText(one.id, other.id));
  return { tests, pictures, spool, told: keep.told };
}

/** What became of a picture that a table names: its name in the pack, or why it cannot be used. */
interface Fate {
  readonly name?: string;
  readonly problem?: string;
}
type KeepPicture = (bytes: Uint8Array, file: string) => Promise<Fate>;

/** Kept in the spool, each picture once. */
function keeper(handle: FileHandle, { maxImageBytes: maxBytes, maxPixels }: PreparePicturesInput['data']) {
  const pictures = new Map<string, PackedPicture>();
  const told = new Map<PersonalMetadata, number>();
  let at = 0;
  const picture: KeepPicture = async (bytes, file) => {
    const canonical = await canonicalPicture(bytes, file, { maxBytes, maxPixels }).catch((error: unknown) => {
      if (error instanceof EspalierError && error.kind === 'BadData') return error;
      throw error;
    });
    if (canonical instanceof EspalierError) return { problem: canonical.message };
    const { bytes: kept, ending } = canonical;
    const id = createHash('sha256').update(kept).digest('hex').slice(0, 16);
    for (const what of canonical.told) told.set(what, (told.get(what) ?? 0) + 1);
    if (!pictures.has(id)) {
      await appendBytes(handle, kept);
      pictures.set(id, { id, ending, at, bytes: kept.length });
      at += kept.length;
    }
    return { name: pictureName('behaviour', { id, ending }) };
  };
  return { picture, pictures, told };
}

/** Throws BadData where there is no tar, or no list in front. */
async function readPacked(
  { ref, path: file, format }: DataFile,
  { kind, finds, limit: most }: Pick<Tested, 'finds'> & { readonly kind: BehaviourKind; readonly limit: number },
  keep: KeepPicture,
  { store, signal, progress }: StepContext,
): Promise<BehaviourTable & { readonly names: ReadonlyMap<string, Fate> }> {
  const limit = (name: string): number => (name === LISTING ? MOST_TABLE_BYTES : most);
  const names = new Map<string, Fate>();
  let read: BehaviourTable | undefined;
  let wanted: ReadonlySet<string> = new Set();
  for await (const member of tarMembers(await store.file(ref, signal), file, limit, signal)) {
    signal.throwIfAborted();
    if (read === undefined) {
      if (format !== 'csv' && format !== 'jsonl') break;
      read = readBehaviourTable(listOf(member, file), kind, format, { input: 'image', finds });
      wanted = new Set(read.tests.flatMap(({ test }) => picturesOf(test).map(({ name }) => name)));
    } else if (wanted.has(member.name)) {
      names.set(member.name, await fateOf(member, file, keep));
      progress({ phase: 'reading pictures', done: names.size, total: wanted.size, note: file });
    }
  }
  if (read === undefined) throw noList(file);
  return { ...read, names };
}

async function fateOf({ problem, bytes }: TarMember, file: string, keep: KeepPicture): Promise<Fate> {
  if (problem !== undefined) return { problem: problem.message };
  return bytes === undefined ? { problem: 'it is no file' } : keep(bytes, file);
}

function listOf({ name, bytes }: TarMember, file: string): Uint8Array {
  if (name !== LISTING || bytes === undefined) throw noList(file);
  return bytes;
}

function pictureProblems({ line, test }: PlacedTest, names: ReadonlyMap<string, Fate>): readonly TableProblem[] {
  return picturesOf(test).flatMap(({ field, name }): readonly TableProblem[] => {
    const fate = names.get(name);
    if (fate?.name !== undefined) return [];
    const problem = fate?.problem ?? 'there is no such file beside the table';
    return [{ line, field, message: `is ${quoted(name)}: ${problem}` }];
  });
}

/** What must be found is to be where it is looked for. */
function neighbourProblems(
  { line, test }: PlacedTest,
  names: ReadonlyMap<string, Fate>,
  gallery: ReadonlySet<string>,
): readonly TableProblem[] {
  if (!('neighbour' in test)) return [];
  const kept = names.get(test.neighbour)?.name;
  if (kept === undefined) return [];
  const isItself = kept === names.get(test.image)?.name;
  if (gallery.has(idOfPacked(kept)) && !isItself) return [];
  const why = isItself
    ? 'the picture that asks, which is no answer to itself'
    : 'not among the training pictures, where it would be found';
  return [{ line, field: 'neighbour', message: `is ${quoted(test.neighbour)}, which is ${why}` }];
}

function noList(file: string): EspalierError {
  return new EspalierError('BadData', `${file} is no table that was packed with its pictures`, {
    where: file,
    fix: 'start the run with `espalier run`, which packs the pictures that a table names',
  });
}

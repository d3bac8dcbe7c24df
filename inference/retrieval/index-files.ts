/**
 * The two files of an embedding index, and the checks that whoever reads them relies on. `vectors.f32` is nothing but numbers, float32
 * little-endian [rows, dimension], each row of length 1 (or 0); all else is in `index.json`. Equal galleries give equal bytes.
 */
import { open, readFile, stat } from 'node:fs/promises';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { EspalierError } from '../../artifacts/errors.ts';

export const INDEX_FILE = 'index.json';
export const VECTORS_FILE = 'vectors.f32';

/** What is held in memory when served; more is for a database of vectors. */
const MAX_VECTOR_BYTES = 2 ** 31;
const MAX_ROWS = 1_000_000;
/** A million ids, classes and commas. */
const MAX_INDEX_BYTES = 2 ** 26;
/** Float32 rounds each number by 6e-8 of it; a length that is further off was never normalised. */
const LENGTH_TOLERANCE = 1e-4;

const GraphSchema = z.strictObject({
  connectivity: z.int().min(2).max(128),
  expansionAdd: z.int().min(1).max(4096),
  expansionSearch: z.int().min(1).max(4096),
});

const IndexHeaderSchema = z.strictObject({
  kind: z.literal('embedding-index'),
  version: z.literal(1),
  metric: z.literal('cosine'),
  /** Of the `model.onnx` that made the vectors; another's cannot be compared with them. */
  model: z.string().regex(/^sha256:[0-9a-f]{64}$/),
  dimension: z.int().min(1).max(16_384),
  /** null: exact search. */
  graph: GraphSchema.nullable(),
  labels: z.array(z.string()).min(1),
  /** Ascending. */
  ids: z.array(z.string().min(1).max(256)).min(1).max(MAX_ROWS),
  /** Index into the labels, by row. */
  classes: z.array(z.int().min(0)),
});

export type IndexHeader = z.output<typeof IndexHeaderSchema>;

export interface IndexFiles {
  /** For messages: the folder that they were read from. */
  readonly where: string;
  readonly [INDEX_FILE]: Uint8Array;
  readonly [VECTORS_FILE]: Uint8Array;
}

export function encodeIndex(header: IndexHeader, vectors: Float32Array): Omit<IndexFiles, 'where'> {
  return { [INDEX_FILE]: encodeIndexHeader(header), [VECTORS_FILE]: littleEndian(vectors) };
}

export function encodeIndexHeader(header: IndexHeader): Uint8Array {
  return Buffer.from(`${canonicalJson(header)}\n`);
}

/** Of entries in any order, searched exactly; `order[n]` is the entry that comes n-th. Throws BadData for an id that stands twice, BadModel. */
export function orderedHeader(
  about: Pick<IndexHeader, 'dimension'> & { readonly model: string; readonly labels: readonly string[] },
  ids: readonly string[],
  classes: ArrayLike<number>,
): { readonly header: IndexHeader; readonly order: Uint32Array } {
  requireRoom(ids.length, about.dimension, 'gallery');
  const order = Uint32Array.from(ids.keys()).sort((one, other) => compareIds(ids[one]!, ids[other]!));
  const twice = order.findIndex((row, place) => place > 0 && ids[order[place - 1]!] === ids[row]);
  if (twice !== -1) {
    throw new EspalierError('BadData', `the gallery has the picture ${ids[order[twice]!]} twice`, {
      where: 'gallery',
      fix: 'prepare the data again: the same picture is kept once',
    });
  }
  const header: IndexHeader = {
    kind: 'embedding-index',
    version: 1,
    metric: 'cosine',
    model: about.model,
    dimension: about.dimension,
    graph: null,
    labels: [...about.labels],
    ids: Array.from(order, (row) => ids[row]!),
    classes: Array.from(order, (row) => classes[row]!),
  };
  return { header: parseIndexHeader(encodeIndexHeader(header), 'gallery'), order };
}

function compareIds(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function littleEndian(values: Float32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(values.byteLength));
  for (let at = 0; at < values.length; at++) view.setFloat32(at * 4, values[at]!, true);
  return new Uint8Array(view.buffer);
}

/** Reads both files of a folder, none of which is taken into memory before its size is known. Throws BadModel. */
export function readIndexFiles(folder: string): Promise<IndexFiles> {
  return readIndexFilesAt(folder, { header: join(folder, INDEX_FILE), vectors: join(folder, VECTORS_FILE) });
}

/** The same of files that lie anywhere, as in a cache; `where` is for messages. */
export async function readIndexFilesAt(
  where: string,
  { header, vectors }: { readonly header: string; readonly vectors: string },
): Promise<IndexFiles> {
  await sizeOf(where, header, INDEX_FILE);
  const head = await readFile(header);
  const size = await sizeOf(where, vectors, VECTORS_FILE);
  return { where, [INDEX_FILE]: head, [VECTORS_FILE]: await readWhole(vectors, size) };
}

/** Of a folder's `index.json`, beside which lie as many bytes of vectors as it says: these are not read. Throws BadModel. */
export async function readIndexHeader(folder: string): Promise<IndexHeader> {
  const path = join(folder, INDEX_FILE);
  await sizeOf(folder, path, INDEX_FILE);
  const header = parseIndexHeader(await readFile(path), folder);
  requireRoom(header.ids.length, header.dimension, folder);
  requireAllVectors(header, await sizeOf(folder, join(folder, VECTORS_FILE), VECTORS_FILE), folder);
  return header;
}

/** In bytes, of a file that is one and not larger than it may be. */
async function sizeOf(where: string, path: string, name: typeof INDEX_FILE | typeof VECTORS_FILE): Promise<number> {
  const most = name === INDEX_FILE ? MAX_INDEX_BYTES : MAX_VECTOR_BYTES;
  const found = await stat(path).catch((error: unknown) => {
    throw bad(where, `${name} cannot be read: ${(error as Error).message}`, error);
  });
  if (!found.isFile()) throw bad(where, `${name} is no file`);
  if (found.size > most) throw bad(where, `${name} has ${found.size} bytes, more than ${most}`);
  return found.size;
}

function requireAllVectors(header: Pick<IndexHeader, 'ids' | 'dimension'>, bytes: number, where: string): void {
  const expected = vectorBytes(header);
  if (bytes === expected) return;
  const { ids, dimension } = header;
  throw bad(where, `${VECTORS_FILE} has ${bytes} bytes, but ${ids.length} rows of ${dimension} have ${expected}`);
}

/** What the two files say, checked. */
export interface ParsedIndex {
  readonly header: IndexHeader;
  /** Row-major [rows, dimension]. */
  readonly vectors: Float32Array;
}

/** `shared`: the vectors are to be read by several threads; else they may be the very bytes, which must stay as they are. Throws BadModel naming what does not fit: nothing of a file is believed. */
export function parseIndex(files: IndexFiles, options: { readonly shared?: boolean } = {}): ParsedIndex {
  const { where } = files;
  const header = parseIndexHeader(files[INDEX_FILE], where);
  const { ids, dimension } = header;
  const bytes = files[VECTORS_FILE];
  requireRoom(ids.length, dimension, where);
  requireAllVectors(header, bytes.length, where);
  const vectors = options.shared === true ? copied(bytes, new SharedArrayBuffer(bytes.length)) : asTheyLie(bytes);
  requireUnitLength(vectors, dimension, where);
  return { header, vectors };
}

/** No second time in memory, where the machine reads them so. */
function asTheyLie(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, length } = bytes;
  const isAligned = byteOffset % Float32Array.BYTES_PER_ELEMENT === 0;
  if (endianness() !== 'LE' || !isAligned) return copied(bytes, new ArrayBuffer(length));
  return new Float32Array(buffer, byteOffset, length / Float32Array.BYTES_PER_ELEMENT);
}

function copied({ buffer, byteOffset, byteLength }: Uint8Array, room: ArrayBuffer | SharedArrayBuffer): Float32Array {
  const view = new DataView(buffer, byteOffset, byteLength);
  const vectors = new Float32Array(room);
  for (let at = 0; at < vectors.length; at++) vectors[at] = view.getFloat32(at * 4, true);
  return vectors;
}

/** Throws BadModel; that there are as many vectors is for `parseIndex` to see. */
export function parseIndexHeader(bytes: Uint8Array, where: string): IndexHeader {
  const header = readHeader(bytes, where);
  const { ids, classes, labels } = header;
  if (classes.length !== ids.length) throw bad(where, `${ids.length} ids have ${classes.length} classes`);
  const unknown = classes.findIndex((label) => label >= labels.length);
  if (unknown !== -1) throw bad(where, `classes[${unknown}] is ${classes[unknown]}, of ${labels.length} labels`);
  const unsorted = ids.findIndex((id, row) => row > 0 && !(ids[row - 1]! < id));
  if (unsorted !== -1) throw bad(where, `ids[${unsorted}] does not come after the one before it`);
  return header;
}

/** Throws BadModel where it is more than an index holds. */
export function requireRoom(rows: number, dimension: number, where: string): void {
  const problem = indexLimitProblem(rows, dimension);
  if (problem !== undefined) throw bad(where, problem);
}

/** What of such a gallery is more than an index holds, in words; undefined where it fits. */
export function indexLimitProblem(rows: number, dimension: number): string | undefined {
  if (rows > MAX_ROWS) return `it would hold ${rows} rows, more than ${MAX_ROWS}`;
  const size = rows * dimension * 4;
  if (size <= MAX_VECTOR_BYTES) return undefined;
  const most = Math.floor(MAX_VECTOR_BYTES / 4 / dimension);
  return `${rows} rows of ${dimension} numbers are ${size} bytes, more than ${MAX_VECTOR_BYTES}, which ${most} rows are`;
}

/** The size of `vectors.f32` beside it. */
export function vectorBytes({ ids, dimension }: Pick<IndexHeader, 'ids' | 'dimension'>): number {
  return ids.length * dimension * 4;
}

function readHeader(bytes: Uint8Array, where: string): IndexHeader {
  try {
    return IndexHeaderSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (error) {
    const message = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw bad(where, `${INDEX_FILE}: ${message}`, error);
  }
}

/** Of all rows, or of a block that begins with the row `first`. Throws BadModel. */
export function requireUnitLength(vectors: Float32Array, dimension: number, where: string, first = 0): void {
  for (let row = 0; row * dimension < vectors.length; row++) {
    let sum = 0;
    for (let at = row * dimension; at < (row + 1) * dimension; at++) sum += vectors[at]! ** 2;
    const isUnit = sum === 0 || Math.abs(Math.sqrt(sum) - 1) <= LENGTH_TOLERANCE;
    if (!isUnit) throw bad(where, `row ${first + row} of ${VECTORS_FILE} has the length ${Math.sqrt(sum)}, not 1`);
  }
}

/** `readFile` refuses from 2 GiB on; and what grows meanwhile is not read on. */
async function readWhole(path: string, size: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(size);
  const handle = await open(path);
  try {
    for (let at = 0; at < size;) {
      const { bytesRead } = await handle.read(bytes, at, Math.min(size - at, 2 ** 28), at);
      if (bytesRead === 0) return bytes.subarray(0, at);
      at += bytesRead;
    }
    return bytes;
  } finally {
    await handle.close();
  }
}

function bad(where: string, message: string, cause?: unknown): EspalierError {
  return new EspalierError('BadModel', `the embedding index cannot be used: ${message}`, {
    where,
    fix: 'use the folder that the step that builds the index wrote',
    ...(cause === undefined ? {} : { cause }),
  });
}

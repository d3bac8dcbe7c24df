/**
 * Embedded rows as something that is learnt from sees them: whole in memory, or in a file of which a block at a time is. In a
 * file a million rows of 384 numbers are 1.5 GB of disk, and some MB of memory.
 */
import { open, type FileHandle } from 'node:fs/promises';
import { STRIDE } from '../../inference/matrix-product.ts';
import type { LabelledEmbeddings } from './knn.ts';

export type Blocks<Block> = () => Iterable<Block> | AsyncIterable<Block>;

export interface EmbeddedRows {
  /** Class of every row. */
  readonly classes: Int32Array;
  /** All rows in their order. The numbers of a block stand until the next is asked for. */
  readonly blocks: () => AsyncIterable<LabelledEmbeddings>;
  readonly pick: (rows: readonly number[]) => Promise<LabelledEmbeddings>;
  /** What is made of all of them may be held where it has no more bytes. */
  readonly heldBytes: number;
}

/** Numbers of one block: 1 MB, and twice that as float64, which a core has at hand. */
const BLOCK_VALUES = 2 ** 18;
const BYTES = Float32Array.BYTES_PER_ELEMENT;
/** What is gone through some hundred times is held below it: 43,000 rows of 384 numbers as float64. */
const HELD_BYTES = 2 ** 27;

/** Made once and held where all of them have few `bytes`, else made anew whenever they are gone through. */
export async function heldIfSmall<Block>(
  bytes: number,
  { heldBytes }: Pick<EmbeddedRows, 'heldBytes'>,
  make: (isHeld: boolean) => AsyncIterable<Block>,
): Promise<Blocks<Block>> {
  if (bytes > heldBytes) return () => make(false);
  const held: Block[] = [];
  for await (const block of make(true)) held.push(block);
  return () => held;
}

export function rowsInMemory(data: LabelledEmbeddings, dimension: number): EmbeddedRows {
  const rowOf = (row: number): Float32Array => data.embeddings.subarray(row * dimension, (row + 1) * dimension);
  return {
    classes: data.classes,
    heldBytes: Number.POSITIVE_INFINITY,
    // oxlint-disable-next-line require-await -- they are in memory already
    async *blocks() {
      yield data;
    },
    pick: (rows) => {
      const embeddings = new Float32Array(rows.length * dimension);
      rows.forEach((row, at) => embeddings.set(rowOf(row), at * dimension));
      return Promise.resolve({ embeddings, classes: Int32Array.from(rows, (row) => data.classes[row]!) });
    },
  };
}

/** The same rows under other classes. */
export function withClasses(rows: EmbeddedRows, classes: Int32Array): EmbeddedRows {
  return {
    classes,
    heldBytes: rows.heldBytes,
    async *blocks() {
      let start = 0;
      for await (const block of rows.blocks()) {
        const end = start + block.classes.length;
        yield { embeddings: block.embeddings, classes: classes.subarray(start, end) };
        start = end;
      }
    },
    pick: async (places) => ({
      embeddings: (await rows.pick(places)).embeddings,
      classes: Int32Array.from(places, (row) => classes[row]!),
    }),
  };
}

export interface FileOptions {
  readonly dimension: number;
  readonly signal: AbortSignal;
  /** Another size of a block than the usual one. */
  readonly blockValues?: number;
  /** Likewise. */
  readonly heldBytes?: number;
}

/** Writes the blocks to `path`, and reads them back from there. */
export async function rowsInFile(
  path: string,
  from: AsyncIterable<LabelledEmbeddings>,
  options: FileOptions,
): Promise<EmbeddedRows> {
  const parts: Int32Array[] = [];
  async function* embeddings(): AsyncGenerator<Float32Array> {
    for await (const block of from) {
      parts.push(block.classes);
      yield block.embeddings;
    }
  }
  await writeNumbers(path, embeddings(), options.signal);
  return rowsOfFile(path, joined(parts), options);
}

/** In the machine's own order of bytes: the file does not leave it. */
export async function writeNumbers(
  path: string,
  blocks: AsyncIterable<Float32Array>,
  signal: AbortSignal,
): Promise<void> {
  const file = await open(path, 'w');
  try {
    for await (const { buffer, byteOffset, byteLength } of blocks) {
      signal.throwIfAborted();
      await file.writeFile(new Uint8Array(buffer, byteOffset, byteLength));
    }
  } finally {
    await file.close();
  }
}

/** As many rows of a file of numbers as there are classes, from the row `first` on. */
export function rowsOfFile(
  path: string,
  classes: Int32Array,
  {
    dimension,
    signal,
    blockValues = BLOCK_VALUES,
    heldBytes = HELD_BYTES,
    first = 0,
  }: FileOptions & { readonly first?: number },
): EmbeddedRows {
  // Sums over blocks are then those over all rows, to the last bit.
  const blockRows = Math.max(1, Math.floor(blockValues / dimension / STRIDE)) * STRIDE;
  return {
    classes,
    heldBytes,
    async *blocks() {
      const source = await open(path);
      const room = new Float32Array(Math.min(blockRows, classes.length) * dimension);
      try {
        for (let start = 0; start < classes.length; start += blockRows) {
          signal.throwIfAborted();
          const end = Math.min(start + blockRows, classes.length);
          const embeddings = room.subarray(0, (end - start) * dimension);
          await readInto(source, embeddings, (first + start) * dimension);
          yield { embeddings, classes: classes.subarray(start, end) };
        }
      } finally {
        await source.close();
      }
    },
    async pick(rows) {
      const embeddings = new Float32Array(rows.length * dimension);
      const source = await open(path);
      try {
        for (const [at, row] of rows.entries()) {
          await readInto(source, embeddings.subarray(at * dimension, (at + 1) * dimension), (first + row) * dimension);
        }
      } finally {
        await source.close();
      }
      return { embeddings, classes: Int32Array.from(rows, (row) => classes[row]!) };
    },
  };
}

/** Fills `target` with the numbers from the `first` on. */
async function readInto(file: FileHandle, target: Float32Array, first: number): Promise<void> {
  const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
  for (let done = 0; done < bytes.length;) {
    const { bytesRead } = await file.read(bytes, done, bytes.length - done, first * BYTES + done);
    if (bytesRead === 0) throw new Error('the file of embeddings ends before its last row');
    done += bytesRead;
  }
}

function joined(parts: readonly Int32Array[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

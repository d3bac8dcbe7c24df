/**
 * Embedded rows as something that is learnt from sees them: whole in memory, or in a file of which a block at a time is. In a
 * file a million rows of 384 numbers are 1.5 GB of disk, and some MB of memory.
 */
import { open, type FileHandle } from 'node:fs/promises';
import type { LabelledEmbeddings } from './knn.ts';

export interface EmbeddedRows {
  /** Class of every row. */
  readonly classes: Int32Array;
  readonly blockCount: number;
  /** All rows in their order. */
  readonly blocks: () => AsyncIterable<LabelledEmbeddings>;
  readonly pick: (rows: readonly number[]) => Promise<LabelledEmbeddings>;
}

/** Numbers of one block: 4 MB, and twice that as float64. */
const BLOCK_VALUES = 2 ** 20;
const BYTES = Float32Array.BYTES_PER_ELEMENT;

export function rowsInMemory(data: LabelledEmbeddings, dimension: number): EmbeddedRows {
  const rowOf = (row: number): Float32Array => data.embeddings.subarray(row * dimension, (row + 1) * dimension);
  return {
    classes: data.classes,
    blockCount: 1,
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
    blockCount: rows.blockCount,
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
}

/** Writes the blocks to `path`, and reads them back from there. The numbers are in the machine's own order of bytes. */
export async function rowsInFile(
  path: string,
  from: AsyncIterable<LabelledEmbeddings>,
  { dimension, signal, blockValues = BLOCK_VALUES }: FileOptions,
): Promise<EmbeddedRows> {
  const parts: Int32Array[] = [];
  const file = await open(path, 'w');
  try {
    for await (const { embeddings, classes } of from) {
      signal.throwIfAborted();
      await file.writeFile(new Uint8Array(embeddings.buffer, embeddings.byteOffset, embeddings.byteLength));
      parts.push(classes);
    }
  } finally {
    await file.close();
  }
  const classes = joined(parts);
  const blockRows = Math.max(1, Math.floor(blockValues / dimension));
  return {
    classes,
    blockCount: Math.ceil(classes.length / blockRows),
    async *blocks() {
      const source = await open(path);
      try {
        for (let start = 0; start < classes.length; start += blockRows) {
          signal.throwIfAborted();
          const end = Math.min(start + blockRows, classes.length);
          const embeddings = new Float32Array((end - start) * dimension);
          await readInto(source, embeddings, start * dimension);
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
          await readInto(source, embeddings.subarray(at * dimension, (at + 1) * dimension), row * dimension);
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

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { open, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { galleryInFile, galleryInMemory, type SearchedGallery } from '../../activities/retrieval/gallery.ts';
import { writeIndex } from '../../activities/retrieval/index-folder.ts';
import { PIXEL_DIMENSION, pixelGallery } from '../../activities/retrieval/pixels.ts';
import { queriesAPass, searchAll, similarityRows } from '../../activities/retrieval/similarities.ts';
import { openIndex } from '../../activities/retrieval/stored-index.ts';
import { rowsOfFile, type EmbeddedRows } from '../../activities/selection/embedded-rows.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { GRAPH_SETTINGS } from '../../inference/retrieval/graph.ts';
import { VECTORS_FILE } from '../../inference/retrieval/index-files.ts';
import { toUnitLength } from '../../inference/retrieval/nearest.ts';
import { temporaryFolder } from '../training/fixtures.ts';

const { signal } = new AbortController();
const LABELS = ['even', 'odd'];
const DIMENSION = 8;

/** Few different numbers, so that many rows are equally near. */
function drawn(rows: number, seed: number, dimension = DIMENSION): Float32Array {
  const random = seededRandom(seed);
  return Float32Array.from({ length: rows * dimension }, () => random.below(3) - 1);
}

const made = (rows: number, dimension = DIMENSION) => ({
  labels: LABELS,
  ids: Array.from({ length: rows }, (_, row) => `id-${String(row).padStart(5, '0')}`),
  classes: Int32Array.from({ length: rows }, (_, row) => row % 2),
  embeddings: drawn(rows, 1, dimension),
});

const indexed = (rows: number, dimension = DIMENSION): Promise<EmbeddingIndex> =>
  EmbeddingIndex.of({ ...made(rows, dimension), model: digestBytes('model'), dimension }, null);

async function put(index: EmbeddingIndex, folder: string): Promise<void> {
  for (const [name, bytes] of Object.entries(index.files())) await writeFile(join(folder, name), bytes);
}

/** The rows as they come by; what a block held is gone once the next is asked for. */
function passing(rows: EmbeddedRows): { readonly rows: EmbeddedRows; readonly passes: () => number; most: number } {
  let passes = 0;
  const watched = {
    most: 0,
    passes: () => passes,
    rows: {
      ...rows,
      async *blocks() {
        passes += 1;
        for await (const block of rows.blocks()) {
          watched.most = Math.max(watched.most, block.embeddings.length);
          yield block;
          block.embeddings.fill(Number.NaN);
        }
      },
    },
  };
  return watched;
}

/** The same gallery with its vectors in a file, of which 512 rows, the least that a block has, are in memory. */
async function inFile(rows: number) {
  const { ids, classes, embeddings } = made(rows);
  const path = join(await temporaryFolder(), 'vectors.f32');
  async function* one() {
    yield await Promise.resolve({ ids, classes, embeddings });
  }
  await galleryInFile(path, one(), { dimension: DIMENSION, signal });
  const watched = passing(rowsOfFile(path, classes, { dimension: DIMENSION, signal, blockValues: 1 }));
  const gallery: SearchedGallery = { ids, dimension: DIMENSION, labels: LABELS, graph: null, rows: watched.rows };
  return { gallery, watched };
}

async function rowsOf(from: AsyncIterable<Float64Array>): Promise<number[][]> {
  const all: number[][] = [];
  for await (const row of from) all.push([...row]);
  return all;
}

describe('a gallery whose vectors lie in a file', () => {
  it('is as near to each query as the same one in memory, to the last bit, a block at a time', async () => {
    const rows = 2000;
    const index = await indexed(rows);
    const { gallery, watched } = await inFile(rows);
    const queries = drawn(40, 2);
    const found = await rowsOf(similarityRows(gallery, { rows: 40, embeddings: queries }, signal));
    const wanted = Array.from({ length: 40 }, (_, query) => [
      ...index.similarities(queries.subarray(query * DIMENSION, (query + 1) * DIMENSION)),
    ]);
    deepEqual(found, wanted);
    equal(watched.passes(), 1);
    ok(watched.most < (rows * DIMENSION) / 2, `${watched.most} numbers in a block`);
  });

  it('is gone through once for as many queries as 64 MB of similarities are, and again for the rest', async () => {
    for (const rows of [1, 1000, 99_999, 1_000_000]) {
      ok(queriesAPass(rows) * rows * Float64Array.BYTES_PER_ELEMENT <= 2 ** 26);
      ok(queriesAPass(rows) >= 8);
    }
    equal(queriesAPass(2 ** 24), 1);
    // Rows of no more than a number, so that there can be many.
    const rows = 2 ** 21;
    const classes = new Int32Array(rows);
    const watched = passing({
      classes,
      heldBytes: 0,
      async *blocks() {
        yield await Promise.resolve({ embeddings: new Float32Array(rows).fill(1), classes });
      },
      pick: () => Promise.reject(new Error('nobody picks')),
    });
    const queries = { rows: 9, embeddings: new Float32Array(9).fill(2) };
    let asked = 0;
    for await (const similarities of similarityRows({ rows: watched.rows, dimension: 1 }, queries, signal)) {
      deepEqual([similarities.length, similarities[0], similarities.at(-1)], [rows, 1, 1]);
      asked += 1;
    }
    deepEqual([asked, watched.passes()], [9, Math.ceil(9 / queriesAPass(rows))]);
    ok(watched.passes() > 1);
  });

  it('finds for all queries in one pass what the index finds, equally near ones in the same order', async () => {
    const index = await indexed(301);
    const { gallery, watched } = await inFile(301);
    const asked = Array.from({ length: 30 }, (_, query) => ({ embedding: drawn(1, 100 + query), k: 1 + query }));
    const wanted = await Promise.all(asked.map(({ embedding, k }) => index.search(embedding, { k })));
    deepEqual(await searchAll(gallery, asked, signal), wanted);
    equal(watched.passes(), 1);
    const few = galleryInMemory(made(3));
    deepEqual((await searchAll(few, [{ embedding: drawn(1, 7), k: 10 }], signal))[0]!.length, 3);
  });

  it('refuses a query of another length, or that is not finite', async () => {
    const { gallery } = await inFile(10);
    const asked = (embeddings: Float32Array) => rowsOf(similarityRows(gallery, { rows: 1, embeddings }, signal));
    await rejects(asked(new Float32Array(DIMENSION + 1)), {
      kind: 'BadModel',
      message: /vectors of 8, a query one of 9/,
    });
    await rejects(asked(new Float32Array(DIMENSION).fill(Number.NaN)), { kind: 'BadModel' });
    const embedding = new Float32Array(DIMENSION).fill(Number.POSITIVE_INFINITY);
    await rejects(searchAll(gallery, [{ embedding, k: 1 }], signal), { kind: 'BadModel' });
  });

  it('is an index as it was written, whose vectors are read where they lie whenever they are asked', async () => {
    const folder = await temporaryFolder();
    const index = await indexed(200);
    await put(index, folder);
    const opened = await openIndex(folder, signal);
    deepEqual([opened.header, opened.graph], [index.header, null]);
    const embedding = drawn(1, 5);
    const ask = async (): Promise<number[]> =>
      (await rowsOf(similarityRows(opened, { rows: 1, embeddings: embedding }, signal)))[0]!;
    deepEqual(await ask(), [...index.similarities(embedding)]);
    const file = await open(join(folder, VECTORS_FILE), 'r+');
    await file.write(new Uint8Array(4 * DIMENSION), 0, 4 * DIMENSION, 4 * DIMENSION * 199);
    await file.close();
    equal((await ask())[199], 0);
    const withGraph = await index.withGraph(GRAPH_SETTINGS);
    const other = await temporaryFolder();
    await put(withGraph, other);
    deepEqual(
      await (await openIndex(other, signal)).graph?.search(embedding, { k: 3 }),
      await withGraph.search(embedding, { k: 3 }),
    );
  });

  it('is refused where there are other vectors than its header says, or one was never normalised, whichever block it is in', async () => {
    const folder = await temporaryFolder();
    // Two blocks, the first of 512 rows.
    await put(await indexed(600, 512), folder);
    await openIndex(folder, signal);
    const path = join(folder, VECTORS_FILE);
    const file = await open(path, 'r+');
    await file.write(new Uint8Array(Float32Array.of(9).buffer), 0, 4, 4 * 512 * 550);
    await rejects(openIndex(folder, signal), { kind: 'BadModel', message: /row 550 of vectors\.f32 has the length/ });
    await file.truncate(4 * 512 * 550);
    await file.close();
    await rejects(openIndex(folder, signal), { kind: 'BadModel', message: /600 rows of 512 have/ });
  });
});

describe('an index of rows that come some at a time', () => {
  const about = { model: digestBytes('model'), dimension: 512, labels: LABELS };

  /** In another order, seven at a time, none of which stands once the next seven are asked for. */
  async function* turned(rows: number, places = [...Array(rows).keys()].toReversed()) {
    const { ids, classes, embeddings } = made(rows, 512);
    for (let start = 0; start < rows; start += 7) {
      const some = places.slice(start, start + 7);
      const block = {
        ids: some.map((row) => ids[row]!),
        classes: Int32Array.from(some, (row) => classes[row]!),
        embeddings: Float32Array.from(some.flatMap((row) => [...embeddings.subarray(row * 512, (row + 1) * 512)])),
      };
      yield await Promise.resolve(block);
      block.embeddings.fill(Number.NaN);
    }
  }

  it('is the very files of all in memory, in any order, and leaves nothing beside them', async () => {
    // More than are put in order at a time.
    const [rows, folder] = [1100, await temporaryFolder()];
    const files = (await indexed(rows, 512)).files();
    const header = await writeIndex(folder, about, turned(rows), signal);
    equal(header.ids.length, rows);
    deepEqual((await readdir(folder)).toSorted(), Object.keys(files).toSorted());
    for (const [name, bytes] of Object.entries(files)) {
      ok(Buffer.from(bytes).equals(await readFile(join(folder, name))), name);
    }
  });

  it('is refused with a picture twice', async () => {
    const twice = turned(14, [...Array(13).keys(), 0]);
    await rejects(writeIndex(await temporaryFolder(), about, twice, signal), {
      kind: 'BadData',
      message: /id-00000 twice/,
    });
  });
});

describe('pixels that an embedding must beat', () => {
  it('are less the gallery’s mean picture and of length 1, of blocks none of which is held', async () => {
    const [rows, blockRows] = [700, 100];
    const random = seededRandom(3);
    const raw = Float32Array.from({ length: rows * PIXEL_DIMENSION }, () => random.below(256));
    async function* blocks() {
      for (let first = 0; first < rows; first += blockRows) {
        await Promise.resolve();
        const embeddings = raw.slice(first * PIXEL_DIMENSION, (first + blockRows) * PIXEL_DIMENSION);
        const ids = Array.from({ length: blockRows }, (_, at) => String(first + at));
        yield { ids, classes: Int32Array.from(ids, (id) => Number(id) % 7), embeddings };
        embeddings.fill(Number.NaN);
      }
    }
    const { gallery, centre } = await pixelGallery(blocks(), { folder: await temporaryFolder(), signal });
    const mean = new Float64Array(PIXEL_DIMENSION);
    for (const [at, value] of raw.entries()) mean[at % PIXEL_DIMENSION]! += value / rows;
    const centred = raw.map((value, at) => value - mean[at % PIXEL_DIMENSION]!);
    deepEqual(centre(raw.slice(0, PIXEL_DIMENSION)), centred.slice(0, PIXEL_DIMENSION));
    deepEqual([gallery.ids.length, gallery.ids[699], gallery.rows.classes[699]], [700, '699', 699 % 7]);
    const places = [0, 1, 350, 699];
    const { embeddings } = await gallery.rows.pick(places);
    const wanted = toUnitLength(centred, PIXEL_DIMENSION);
    for (const [at, row] of places.entries()) {
      deepEqual(
        embeddings.slice(at * PIXEL_DIMENSION, (at + 1) * PIXEL_DIMENSION),
        wanted.slice(row * PIXEL_DIMENSION, (row + 1) * PIXEL_DIMENSION),
      );
    }
    ok(Number.isFinite(gallery.rows.heldBytes));
  });
});

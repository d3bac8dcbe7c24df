import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { seededRandom } from '../../../activities/validation/random.ts';
import { digestBytes } from '../../../artifacts/digest.ts';
import { EmbeddingIndex, type Gallery } from '../../../inference/retrieval/embedding-index.ts';
import { GRAPH_SETTINGS } from '../../../inference/retrieval/graph.ts';
import { encodeIndex, indexLimitProblem, type IndexHeader } from '../../../inference/retrieval/index-files.ts';
import { nearestRows, toUnitLength } from '../../../inference/retrieval/nearest.ts';
import { temporaryFolder } from '../../training/fixtures.ts';

const model = digestBytes(Buffer.from('model'));

function gallery(rows: number, dimension: number, seed = 1): Gallery {
  const random = seededRandom(seed);
  const centres = Array.from({ length: 10 * dimension }, () => random.normal());
  const classes = Array.from({ length: rows }, (_, row) => row % 10);
  return {
    model,
    dimension,
    labels: Array.from({ length: 10 }, (_, label) => `label ${label}`),
    ids: Array.from({ length: rows }, (_, row) => `id-${String(row).padStart(6, '0')}`),
    classes,
    embeddings: Float32Array.from(
      { length: rows * dimension },
      (_, at) => centres[classes[Math.floor(at / dimension)]! * dimension + (at % dimension)]! + random.normal(),
    ),
  };
}

const plane = (ids: readonly string[], embeddings: readonly number[]): Gallery => ({
  model,
  dimension: 2,
  labels: ['a', 'b'],
  ids,
  classes: ids.map((_, row) => row % 2),
  embeddings: Float32Array.from(embeddings),
});

describe('an embedding index', () => {
  it('finds the nearest by angle, equally near ones by id, and never the one that asks', async () => {
    const index = await EmbeddingIndex.of(plane(['d', 'c', 'b', 'a'], [9, 0, 1, 1, 2, 0, 0, 5]), null);
    const found = await index.search(Float32Array.of(0.1, 0), { k: 3 });
    assert.deepEqual(
      found.map(({ id }) => id),
      ['b', 'd', 'c'],
    );
    assert.deepEqual(found[0], { id: 'b', label: 'a', similarity: 1 });
    const others = await index.search(Float32Array.of(0.1, 0), { k: 10, except: 'b' });
    assert.deepEqual(
      others.map(({ id }) => id),
      ['d', 'c', 'a'],
    );
  });

  it('is as near to one as to another where an embedding is all zeros, without NaN', async () => {
    const index = await EmbeddingIndex.of(plane(['a', 'b'], [0, 0, 1, 0]), null);
    assert.deepEqual(
      (await index.search(Float32Array.of(0, 0), { k: 2 })).map(({ similarity }) => similarity),
      [0, 0],
    );
  });

  it('agrees with sorting all similarities, whatever the numbers', async () => {
    const number = fc.float({ noNaN: true, noDefaultInfinity: true });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(number, number), { minLength: 1, maxLength: 12 }),
        fc.tuple(number, number),
        fc.integer({ min: 1, max: 14 }),
        async (rows, query, k) => {
          const ids = rows.map((_, row) => `id-${String(row).padStart(2, '0')}`);
          const index = await EmbeddingIndex.of(plane(ids, rows.flat()), null);
          const asked = Float32Array.from(query);
          const similarities = index.similarities(asked);
          const wanted = [...ids.keys()]
            .sort((one, other) => similarities[other]! - similarities[one]! || one - other)
            .slice(0, k);
          assert.ok(similarities.every((value) => Math.abs(value) <= 1 + 1e-6));
          assert.deepEqual(
            (await index.search(asked, { k })).map(({ id }) => id),
            wanted.map((row) => ids[row]),
          );
        },
      ),
    );
  });

  it('is the same bytes for the same entries in any order, and survives its files', async () => {
    const made = gallery(300, 16);
    const turned: Gallery = {
      ...made,
      ids: made.ids.toReversed(),
      classes: Array.from(made.classes).toReversed(),
      embeddings: Float32Array.from(
        { length: 300 * 16 },
        (_, at) => made.embeddings[(299 - Math.floor(at / 16)) * 16 + (at % 16)]!,
      ),
    };
    for (const graph of [null, GRAPH_SETTINGS]) {
      const index = await EmbeddingIndex.of(made, graph);
      assert.deepEqual((await EmbeddingIndex.of(turned, graph)).files(), index.files());
      const folder = await temporaryFolder();
      for (const [name, bytes] of Object.entries(index.files())) await writeFile(join(folder, name), bytes);
      const loaded = await EmbeddingIndex.load(folder);
      const query = gallery(1, 16, 9).embeddings;
      assert.deepEqual(await loaded.search(query, { k: 20 }), await index.search(query, { k: 20 }));
      assert.deepEqual(loaded.files(), index.files());
    }
  });

  it('builds a graph that finds what exact search finds, with its numbers, and never the one that asks', async () => {
    const made = gallery(3000, 32);
    const [exact, graph] = [await EmbeddingIndex.of(made, null), await EmbeddingIndex.of(made, GRAPH_SETTINGS)];
    let found = 0;
    for (let row = 0; row < 100; row++) {
      const query = made.embeddings.subarray(row * 32, (row + 1) * 32);
      const options = { k: 10, except: made.ids[row]! };
      const [wanted, got] = [await exact.search(query, options), await graph.search(query, options)];
      assert.equal(got.length, 10);
      assert.ok(!got.some(({ id }) => id === made.ids[row]));
      const similarity = new Map(wanted.map((match) => [match.id, match.similarity]));
      for (const match of got) {
        if (similarity.get(match.id) === match.similarity) found++;
        else assert.ok(!similarity.has(match.id), 'what both find has the same number');
      }
    }
    assert.ok(found >= 970, `${found} of 1000`);
  });

  it('answers alike from a graph that another process built', async () => {
    const index = await EmbeddingIndex.of(gallery(2000, 24), GRAPH_SETTINGS);
    const folder = await temporaryFolder();
    for (const [name, bytes] of Object.entries(index.files())) await writeFile(join(folder, name), bytes);
    const queries = gallery(20, 24, 4).embeddings;
    const here = [];
    for (let row = 0; row < 20; row++) {
      here.push(await index.search(queries.subarray(row * 24, (row + 1) * 24), { k: 10 }));
    }
    const source = pathToFileURL(join(import.meta.dirname, '../../../inference/retrieval/embedding-index.ts')).href;
    const script = `
      import { EmbeddingIndex } from ${JSON.stringify(source)};
      const index = await EmbeddingIndex.load(${JSON.stringify(folder)});
      const queries = Float32Array.from(${JSON.stringify([...queries])});
      const found = [];
      for (let row = 0; row < 20; row++) found.push(await index.search(queries.subarray(row * 24, (row + 1) * 24), { k: 10 }));
      process.stdout.write(JSON.stringify(found));`;
    const options = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const { stdout } = await promisify(execFile)(process.execPath, options);
    assert.deepEqual(JSON.parse(stdout), here);
  });

  it('refuses a gallery with a picture twice or a NaN, and a query that does not fit', async () => {
    await assert.rejects(EmbeddingIndex.of(plane(['a', 'a'], [1, 0, 0, 1]), null), {
      kind: 'BadData',
      message: /a twice/,
    });
    await assert.rejects(EmbeddingIndex.of(plane(['a', 'b'], [1, 0, NaN, 1]), null), {
      kind: 'BadModel',
      message: /picture b/,
    });
    const index = await EmbeddingIndex.of(plane(['a'], [1, 0]), null);
    await assert.rejects(index.search(Float32Array.of(1), { k: 1 }), { kind: 'BadModel', message: /vectors of 2/ });
    await assert.rejects(index.search(Float32Array.of(1, NaN), { k: 1 }), { kind: 'BadModel', message: /not finite/ });
  });

  it('gives up between two turns when it is cancelled', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await assert.rejects(EmbeddingIndex.of(gallery(300, 8), GRAPH_SETTINGS, signal), /enough/);
    const [dimension, rows] = [16_384, 513];
    const search = nearestRows(new Float32Array(rows * dimension), new Float32Array(dimension), {
      dimension,
      k: 1,
      signal,
    });
    await assert.rejects(search, /enough/);
  });
});

describe('the files of an index', () => {
  const header: IndexHeader = {
    kind: 'embedding-index',
    version: 1,
    metric: 'cosine',
    model,
    dimension: 2,
    graph: null,
    labels: ['a', 'b'],
    ids: ['one', 'two'],
    classes: [0, 1],
  };
  const vectors = Float32Array.of(1, 0, 0, 1);
  const load = (changed: object, numbers: Float32Array = vectors) =>
    EmbeddingIndex.from({ where: 'index', ...encodeIndex({ ...header, ...changed }, numbers) });

  const refused: readonly [what: string, changed: object, message: RegExp, numbers?: Float32Array][] = [
    ['a label that there is none of', { classes: [0, 2] }, /classes\[1\] is 2, of 2 labels/],
    ['fewer classes than ids', { classes: [0] }, /2 ids have 1 classes/],
    ['an id twice', { ids: ['one', 'one'] }, /ids\[1\]/],
    ['ids out of order', { ids: ['two', 'one'] }, /ids\[1\]/],
    ['more rows than numbers', { ids: ['a', 'b', 'c'], classes: [0, 0, 0] }, /16 bytes, but 3 rows of 2 have 24/],
    ['a wider row than there is', { dimension: 16_384 }, /16 bytes, but 2 rows of 16384 have 131072/],
    ['another metric', { metric: 'euclid' }, /metric/],
    ['a later version', { version: 2 }, /version/],
    ['a key that nobody knows', { path: '/etc/passwd' }, /path/],
    ['a graph that would eat the memory', { graph: { ...GRAPH_SETTINGS, connectivity: 1e9 } }, /connectivity/],
    ['no rows', { ids: [], classes: [] }, /ids/],
    ['a vector of another length', {}, /row 1 of vectors.f32 has the length 2/, Float32Array.of(1, 0, 0, 2)],
    ['a number that is none', {}, /row 0/, Float32Array.of(NaN, 0, 0, 1)],
    ['an infinite number', {}, /row 1/, Float32Array.of(1, 0, Infinity, 1)],
  ];
  for (const [what, changed, message, numbers] of refused) {
    it(`are refused with ${what}`, async () => {
      await assert.rejects(load(changed, numbers), { kind: 'BadModel', message });
    });
  }

  it('hold a million rows and 2 GiB of numbers, and say which of both is too little', async () => {
    assert.equal(indexLimitProblem(1_000_000, 512), undefined);
    assert.equal(indexLimitProblem(32_768, 16_384), undefined);
    assert.match(indexLimitProblem(1_000_001, 1) ?? '', /1000001 rows, more than 1000000/);
    const tooMuch = '32769 rows of 16384 numbers are 2147549184 bytes, more than 2147483648, which 32768 rows are';
    assert.equal(indexLimitProblem(32_769, 16_384), tooMuch);
    const ids = Array.from({ length: 32_769 }, (_, row) => String(row).padStart(5, '0'));
    const wide = load({ ids, classes: ids.map(() => 0), dimension: 16_384 });
    await assert.rejects(wide, { kind: 'BadModel', message: new RegExp(tooMuch) });
  });

  it('are refused where one is missing, no file, no JSON, or too large to be one', async () => {
    const folder = await temporaryFolder();
    await assert.rejects(EmbeddingIndex.load(folder), { kind: 'BadModel', message: /index.json cannot be read/ });
    const files = encodeIndex(header, vectors);
    await writeFile(join(folder, 'index.json'), files['index.json']);
    await assert.rejects(EmbeddingIndex.load(folder), { kind: 'BadModel', message: /vectors.f32 cannot be read/ });
    await writeFile(join(folder, 'vectors.f32'), files['vectors.f32']);
    await EmbeddingIndex.load(folder);
    await truncate(join(folder, 'vectors.f32'), 15);
    await assert.rejects(EmbeddingIndex.load(folder), { kind: 'BadModel', message: /15 bytes/ });
    // Sparse: it takes no room, and must not be read to be refused.
    await truncate(join(folder, 'vectors.f32'), 2 ** 40);
    await assert.rejects(EmbeddingIndex.load(folder), { kind: 'BadModel', message: /more than/ });
    await assert.rejects(EmbeddingIndex.from({ where: folder, ...files, 'index.json': Buffer.from('{"kind":') }), {
      kind: 'BadModel',
      message: /index.json/,
    });
  });

  it('never make the loader do anything but load or refuse, whichever bytes are changed', async () => {
    const files = encodeIndex(header, toUnitLength(Float32Array.of(3, 4, 5, 6), 2));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('index.json' as const, 'vectors.f32' as const),
        fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        async (name, changes) => {
          const bytes = Uint8Array.from(files[name]);
          for (const [at, value] of changes) bytes[at % bytes.length] = value;
          await EmbeddingIndex.from({ where: 'index', ...files, [name]: bytes }).catch((error: { kind?: string }) => {
            assert.equal(error.kind, 'BadModel');
          });
        },
      ),
      { numRuns: 300 },
    );
  });
});

import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import { digestBytes } from '../../artifacts/digest.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { GRAPH_SETTINGS, type GraphSettings } from '../../inference/retrieval/graph.ts';
import { encodeIndex, parseIndex } from '../../inference/retrieval/index-files.ts';
import { toUnitLength } from '../../inference/retrieval/nearest.ts';
import { Searcher } from '../../serving/searcher.ts';
import { until } from '../support/model-server.ts';

const DIMENSION = 8;
const model = digestBytes('model');
const options = { threads: 2, graph: model, dimension: DIMENSION };

function randomVectors(rows: number): Float32Array {
  let state = 1;
  return Float32Array.from({ length: rows * DIMENSION }, () => {
    state = (state * 48_271) % 2_147_483_647;
    return state / 2_147_483_647 - 0.5;
  });
}

function indexOf(rows: number, graph: GraphSettings | null = null): Promise<EmbeddingIndex> {
  const ids = Array.from({ length: rows }, (_, row) => String(row).padStart(6, '0'));
  const classes = ids.map((_, row) => row % 2);
  const embeddings = randomVectors(rows);
  return EmbeddingIndex.of({ model, dimension: DIMENSION, labels: ['a', 'b'], ids, classes, embeddings }, graph);
}
const filesOf = (index: EmbeddingIndex) => ({ where: 'test', ...index.files() });
const queries = randomVectors(40).toReversed();
const query = (row: number): Float32Array => queries.slice(row * DIMENSION, (row + 1) * DIMENSION);

describe('a searcher', () => {
  for (const graph of [null, GRAPH_SETTINGS]) {
    const how = graph === null ? 'exactly' : 'by a graph';
    it(`finds on its threads what the index finds ${how}, in the order of what is asked`, async () => {
      const index = await indexOf(500, graph);
      const searcher = await Searcher.start(filesOf(index), options);
      try {
        equal(searcher.threadIds.length, graph === null ? 2 : 1);
        deepEqual(searcher.header, { labels: ['a', 'b'], graph, rows: 500 });
        const found = await searcher.search(queries, 7);
        equal(found.length, 40);
        for (const [row, matches] of found.entries()) deepEqual(matches, await index.search(query(row), { k: 7 }));
        equal((await searcher.search(query(0), 1000))[0]?.length, 500);
        deepEqual(await searcher.search(new Float32Array(0), 7), []);
      } finally {
        await searcher.drain();
      }
    });
  }

  it('refuses an index of another model or dimension, and files that are none', async () => {
    const index = await indexOf(20);
    const bad = { kind: 'BadModel' };
    await rejects(Searcher.start(filesOf(index), { ...options, graph: digestBytes('x') }), {
      ...bad,
      message: /built with/,
    });
    await rejects(Searcher.start(filesOf(index), { ...options, dimension: 9 }), { ...bad, message: /embeds in 9/ });
    const files = filesOf(index);
    await rejects(
      Searcher.start({ ...files, 'vectors.f32': new Uint8Array(files['vectors.f32'].length - 4) }, options),
      {
        ...bad,
        message: /636 bytes/,
      },
    );
  });

  it('says of an embedding without direction what is wrong, and goes on', async () => {
    const searcher = await Searcher.start(filesOf(await indexOf(20)), options);
    try {
      const broken = query(0).fill(Number.NaN, 3, 4);
      await rejects(searcher.search(broken, 3), { kind: 'BadModel', message: /not finite/ });
      equal((await searcher.search(query(1), 3))[0]?.length, 3);
    } finally {
      await searcher.drain();
    }
  });

  for (const graph of [null, GRAPH_SETTINGS]) {
    it(`replaces a thread that crashed, from memory (${graph === null ? 'exact' : 'graph'})`, async () => {
      const index = await indexOf(300, graph);
      const lost: string[] = [];
      const searcher = await Searcher.start(filesOf(index), { ...options, onRestart: (reason) => lost.push(reason) });
      try {
        const threads = searcher.threadIds;
        await searcher.crashThread();
        // What is asked meanwhile waits for the new one.
        deepEqual(await searcher.search(query(2), 5), [await index.search(query(2), { k: 5 })]);
        await until('it is replaced', () => searcher.threadIds.length === threads.length);
        ok(searcher.threadIds.some((id) => !threads.includes(id)));
        equal(lost.length, 1);
        const found = await searcher.search(queries, 5);
        for (const [row, matches] of found.entries()) deepEqual(matches, await index.search(query(row), { k: 5 }));
      } finally {
        await searcher.drain();
      }
    });
  }

  it('gives up a graph that it is building when it is told to: its thread ends by itself, long before the graph stands', async () => {
    // Minutes of building: each addition looks at thousands of candidates.
    const graph = { connectivity: 128, expansionAdd: 4096, expansionSearch: 1 };
    const { header } = await indexOf(1);
    const ids = Array.from({ length: 100_000 }, (_, row) => String(row).padStart(6, '0'));
    const vectors = toUnitLength(randomVectors(ids.length), DIMENSION);
    const files = { where: 'test', ...encodeIndex({ ...header, graph, ids, classes: ids.map(() => 0) }, vectors) };
    const reason = new Error('nobody wants it');
    for (const delayMs of [0, 3000]) {
      const giving = new AbortController();
      const start = Searcher.start(structuredClone(files), { ...options, signal: giving.signal });
      setTimeout(() => giving.abort(reason), delayMs);
      await rejects(start, reason);
    }
    await rejects(Searcher.start(files, { ...options, signal: AbortSignal.abort(reason) }), reason);
  });

  it('has the vectors in memory that its threads share', async () => {
    const files = filesOf(await indexOf(20));
    ok(parseIndex(files, { shared: true }).vectors.buffer instanceof SharedArrayBuffer);
    ok(parseIndex(files).vectors.buffer instanceof ArrayBuffer);
    deepEqual(parseIndex(files, { shared: true }).vectors, parseIndex(files).vectors);
  });

  it('answers what it accepted when it is drained, then nothing; too much at once it refuses', async () => {
    const searcher = await Searcher.start(filesOf(await indexOf(2000)), options);
    const many = randomVectors(4097);
    await rejects(searcher.search(many, 1), { kind: 'Conflict' });
    const accepted = searcher.search(queries, 3);
    const drained = searcher.drain();
    equal((await accepted).length, 40);
    await drained;
    equal(searcher.threadIds.length, 0);
    await rejects(searcher.search(query(0), 1), { message: /being unloaded/ });
  });
});

/**
 * What a graph wins over exact search, and what it costs: milliseconds a query (median of 50), recall of the ten nearest, seconds to
 * build on one thread. Rows lie around 200 centres, as embeddings of labels do; with `--noise` around none, which is the hardest.
 *
 *   npx tsx bench/retrieval.ts [--noise]
 */
import { digestBytes } from '../artifacts/digest.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { EmbeddingIndex, type Gallery } from '../inference/retrieval/embedding-index.ts';
import { GRAPH_SETTINGS } from '../inference/retrieval/graph.ts';
import { median } from './support.ts';

const QUERIES = 50;
const CENTRES = 200;
const isNoise = process.argv.includes('--noise');

for (const [rows, dimension] of [
  [5_000, 512],
  [20_000, 512],
  [50_000, 512],
] as const) {
  const random = seededRandom(7);
  const centres = Float32Array.from({ length: CENTRES * dimension }, () => (isNoise ? 0 : random.normal()));
  const draw = (count: number): Float32Array =>
    Float32Array.from({ length: count * dimension }, (_, at) => {
      const centre = Math.floor(at / dimension) % CENTRES;
      return centres[centre * dimension + (at % dimension)]! + random.normal();
    });
  const gallery: Gallery = {
    model: digestBytes('none'),
    dimension,
    labels: ['none'],
    ids: Array.from({ length: rows }, (_, row) => String(row).padStart(8, '0')),
    classes: new Uint8Array(rows),
    embeddings: draw(rows),
  };
  const queries = draw(QUERIES);
  const exact = await EmbeddingIndex.of(gallery, null);
  const started = performance.now();
  const graph = await EmbeddingIndex.of(gallery, GRAPH_SETTINGS);
  const buildSeconds = (performance.now() - started) / 1000;
  const times: { readonly exact: number[]; readonly graph: number[] } = { exact: [], graph: [] };
  let found = 0;
  for (let query = 0; query < QUERIES; query++) {
    const asked = queries.subarray(query * dimension, (query + 1) * dimension);
    const before = performance.now();
    const wanted = await exact.search(asked, { k: 10 });
    const between = performance.now();
    const got = await graph.search(asked, { k: 10 });
    times.exact.push(between - before);
    times.graph.push(performance.now() - between);
    const ids = new Set(wanted.map(({ id }) => id));
    found += got.filter(({ id }) => ids.has(id)).length;
  }
  const [slow, fast] = [median(times.exact), median(times.graph)];
  process.stdout.write(
    `${rows} rows of ${dimension}: exact ${slow.toFixed(1)} ms, graph ${fast.toFixed(2)} ms (${(slow / fast).toFixed(0)} times as fast), ` +
      `recall ${(found / QUERIES / 10).toFixed(3)}, built in ${buildSeconds.toFixed(1)} s\n`,
  );
}

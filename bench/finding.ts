/**
 * What a served index gives: searches a second at 1,000 and 50,000 pictures of 512 numbers, 32 waiting at a time, on one thread, two and
 * four, and by a graph; seconds until it can be asked, and what the process holds more of memory (MB) then. Each in a process of its
 * own. Vectors lie around 200 centres, as those of labels do. Embedding a picture is not counted: bench/images.ts has that.
 *
 *   npx tsx bench/finding.ts
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { seededRandom } from '../activities/validation/random.ts';
import { digestBytes } from '../artifacts/digest.ts';
import { EmbeddingIndex } from '../inference/retrieval/embedding-index.ts';
import { GRAPH_SETTINGS } from '../inference/retrieval/graph.ts';
import { readIndexFiles } from '../inference/retrieval/index-files.ts';
import { Searcher } from '../serving/searcher.ts';
import { median } from './support.ts';

const DIMENSION = 512;
const CENTRES = 200;
const K = 10;
const WAITING = 32;
const ROUNDS = 5;
const ROUND_MS = 1500;
const model = digestBytes('bench');

const [folder, threads] = process.argv.slice(2);
if (folder === undefined) await compareAll();
else await measure(folder, Number(threads));

async function compareAll(): Promise<void> {
  for (const rows of [1000, 50_000]) {
    const made = mkdtempSync(join(tmpdir(), 'espalier-bench-finding-'));
    const index = await indexOf(rows);
    for (const [count, graph] of [
      [1, null],
      [2, null],
      [4, null],
      [1, GRAPH_SETTINGS],
    ] as const) {
      // Written without its graph: that is the server's to build.
      writeFileSync(join(made, 'index.json'), JSON.stringify({ ...index.header, graph }));
      writeFileSync(join(made, 'vectors.f32'), index.files()['vectors.f32']);
      const node = ['--expose-gc', '--import', 'tsx', fileURLToPath(import.meta.url), made, String(count)];
      const how = graph === null ? `exact, ${count} thread${count === 1 ? '' : 's'}` : 'graph';
      const said = execFileSync(process.execPath, node, { encoding: 'utf8' });
      process.stdout.write(`${rows} pictures, ${how}: ${said}`);
    }
    rmSync(made, { recursive: true });
  }
}

async function measure(where: string, count: number): Promise<void> {
  const before = process.memoryUsage().rss;
  const started = performance.now();
  const files = await readIndexFiles(where);
  const searcher = await Searcher.start(files, { threads: count, graph: model, dimension: DIMENSION });
  const seconds = (performance.now() - started) / 1000;
  // What the files held is let go of, and given back to the system some time later.
  globalThis.gc?.();
  await sleep(1500);
  globalThis.gc?.();
  const megabytes = (process.memoryUsage().rss - before) / 2 ** 20;
  const rounds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await searchesASecond(searcher, round));
  await searcher.drain();
  process.stdout.write(
    `${median(rounds).toFixed(0)} searches a second (${Math.min(...rounds).toFixed(0)} to ${Math.max(...rounds).toFixed(0)}), ` +
      `ready in ${seconds.toFixed(1)} s, ${megabytes.toFixed(0)} MB\n`,
  );
}

function drawn(rows: number, seed: number): Float32Array {
  const random = seededRandom(7);
  const centres = Float32Array.from({ length: CENTRES * DIMENSION }, () => random.normal());
  const noise = seededRandom(seed);
  return Float32Array.from({ length: rows * DIMENSION }, (_, at) => {
    const centre = Math.floor(at / DIMENSION) % CENTRES;
    return centres[centre * DIMENSION + (at % DIMENSION)]! + noise.normal();
  });
}

function indexOf(rows: number): Promise<EmbeddingIndex> {
  const ids = Array.from({ length: rows }, (_, row) => String(row).padStart(8, '0'));
  const embeddings = drawn(rows, 8);
  const classes = new Uint8Array(rows);
  return EmbeddingIndex.of({ model, dimension: DIMENSION, labels: ['none'], ids, classes, embeddings }, null);
}

async function searchesASecond(searcher: Searcher, seed: number): Promise<number> {
  const queries = drawn(WAITING, 100 + seed);
  const until = performance.now() + ROUND_MS;
  const started = performance.now();
  let done = 0;
  await Promise.all(
    Array.from({ length: WAITING }, async (_, row) => {
      const query = queries.subarray(row * DIMENSION, (row + 1) * DIMENSION);
      while (performance.now() < until) {
        await searcher.search(query, K);
        done += 1;
      }
    }),
  );
  return (done / (performance.now() - started)) * 1000;
}

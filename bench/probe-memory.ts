/**
 * What it takes to fit a probe on so many embedded rows of 384 numbers, ten labels: in memory, and from a file of which a block
 * at a time is. Each in a process of its own: CPU seconds of the fit (penalty and all) and of asking neighbours, the most memory
 * (RSS, the runtime and its threads included). Both must give the same numbers.
 *
 *   npx tsx bench/probe-memory.ts [rows …]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestJson } from '../artifacts/digest.ts';
import { rowsInFile, rowsInMemory, type EmbeddedRows } from '../activities/selection/embedded-rows.ts';
import { peakMemoryMb } from '../activities/selection/peak-memory.ts';
import { knnPredict, type LabelledEmbeddings } from '../activities/selection/knn.ts';
import { crossValidatedProbe } from '../activities/selection/linear-probe.ts';

const DIMENSION = 384;
const CLASSES = 10;
const QUERIES = 20;
/** As an encoder gives them. */
const BATCH = 2048;
const { signal } = new AbortController();

interface Took {
  readonly fitSeconds: number;
  readonly askSeconds: number;
  readonly peakMb: number;
  readonly digest: string;
}

/** Clouds that overlap; a linear congruential generator. */
async function* embedded(rows: number, seed: number): AsyncGenerator<LabelledEmbeddings> {
  let state = seed;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let start = 0; start < rows; start += BATCH) {
    await Promise.resolve();
    const classes = Int32Array.from({ length: Math.min(BATCH, rows - start) }, () => Math.floor(next() * CLASSES));
    const embeddings = new Float32Array(classes.length * DIMENSION);
    for (const [row, label] of classes.entries()) {
      for (let at = 0; at < DIMENSION; at++)
        embeddings[row * DIMENSION + at] = next() - 0.5 + (at % CLASSES === label ? 0.08 : 0);
    }
    yield { embeddings, classes };
  }
}

async function whole(rows: number, seed: number): Promise<EmbeddedRows> {
  const all = { embeddings: new Float32Array(rows * DIMENSION), classes: new Int32Array(rows) };
  let start = 0;
  for await (const { embeddings, classes } of embedded(rows, seed)) {
    all.embeddings.set(embeddings, start * DIMENSION);
    all.classes.set(classes, start);
    start += classes.length;
  }
  return rowsInMemory(all, DIMENSION);
}

async function measure(rows: number, where: string): Promise<Took> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-probe-memory-'));
  try {
    const options = { dimension: DIMENSION, signal };
    const known =
      where === 'file' ? await rowsInFile(join(folder, 'rows.f32'), embedded(rows, 1), options) : await whole(rows, 1);
    const cpu = (): number => process.cpuUsage().user / 1e6 + process.cpuUsage().system / 1e6;
    const began = cpu();
    const fitted = await crossValidatedProbe(known, { ...options, classes: CLASSES, seed: 7 });
    const fitSeconds = cpu() - began;
    const queries = await whole(QUERIES, 2);
    const near = await knnPredict(known, queries, DIMENSION, { neighbours: 5, classes: CLASSES, signal });
    const askSeconds = cpu() - began - fitSeconds;
    const peakMb = peakMemoryMb();
    return { fitSeconds, askSeconds, peakMb, digest: digestJson({ ...fitted, near: [...near] }) };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function inChild(rows: number, where: string): Promise<Took> {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url), String(rows)], {
    env: { ...process.env, PROBE_ROWS: where },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let answer = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (answer += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the probe of ${rows} rows in ${where} ended with ${code}`);
  return JSON.parse(answer) as Took;
}

const asked = process.argv.slice(2).map(Number);
const mode = process.env['PROBE_ROWS'];
if (mode === undefined) {
  for (const rows of asked.length > 0 ? asked : [20_000, 100_000, 400_000]) {
    const took = { memory: await inChild(rows, 'memory'), file: await inChild(rows, 'file') };
    for (const [where, { fitSeconds, askSeconds, peakMb }] of Object.entries(took)) {
      process.stdout.write(
        `${rows} rows in ${where}: ${peakMb.toFixed(0)} MB at most, fit ${fitSeconds.toFixed(1)} s, ${QUERIES} queries ${askSeconds.toFixed(1)} s\n`,
      );
    }
    const same = took.memory.digest === took.file.digest ? 'the same numbers' : 'OTHER NUMBERS';
    process.stdout.write(
      `  ${same}; the fit from a file ${(took.file.fitSeconds / took.memory.fitSeconds).toFixed(2)}x\n`,
    );
  }
} else {
  process.stdout.write(JSON.stringify(await measure(asked[0] ?? 0, mode)));
}

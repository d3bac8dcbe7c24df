/**
 * What a served finder takes of a machine's memory, against what the gate `hardwareFit` reckons: encoder and index as a server has
 * them, in a process of its own that answers the same pictures over and over, as many at once as it has workers; the most that the
 * process had resident (VmHWM), and the estimate of the step that evaluates.
 *
 *   npx tsx bench/finder-memory.ts <folder of an exported encoder of pictures> [rounds = 3]
 *
 * Galleries are of drawn directions, searched exactly and by a graph. From sources the server's threads hold what reads TypeScript, too: for figures of a server compile it first.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { finderFit } from '../activities/retrieval/finder-fit.ts';
import { measureModel } from '../activities/selection/profile-encoder.ts';
import { peakMemoryMb } from '../activities/selection/peak-memory.ts';
import { judgeGate } from '../activities/validation/gates.ts';
import { digestBytes } from '../artifacts/digest.ts';
import { readModelConfig } from '../inference/config.ts';
import { GRAPH_SETTINGS } from '../inference/retrieval/graph.ts';
import { INDEX_FILE, readIndexFiles, VECTORS_FILE } from '../inference/retrieval/index-files.ts';
import { RETRIEVAL_GATE_TABLE } from '../pipelines/gates/retrieval.ts';
import { Retriever } from '../serving/retriever.ts';
import type { VerifiedRetriever } from '../serving/verified-model.ts';
import { drawnIndex } from './gates/drawn-index.ts';

const K = 10;
const ASKED = 200;
const PICTURES = 8;
/** Devices of so many times the memory that the server had: one that cannot hold it, one that it fills alone, one with a tenth to spare. */
const DEVICES = [0.95, 1.0, 1.1] as const;
const stopped = new Map<number, boolean[]>();

interface Served {
  readonly encoder: string;
  readonly index: string;
  readonly pictures: readonly string[];
  readonly workers: number;
}

/** In the process that serves. The files are in memory from the start, as of a bundle whose signature was checked. */
async function serve({ encoder, index, pictures, workers }: Served): Promise<number> {
  const config = await readModelConfig(encoder);
  const kept = new Map<string, Buffer>();
  for (const name of ['model.onnx', 'encoder.json']) kept.set(name, await readFile(join(encoder, name)));
  const graph = digestBytes(kept.get('model.onnx')!);
  const files = [await readIndexFiles(index)];
  const taken = (name: string): Buffer => {
    const bytes = kept.get(name)!;
    kept.delete(name);
    return bytes;
  };
  const source = {
    graph,
    config,
    take: () =>
      Promise.resolve({ where: encoder, 'model.onnx': taken('model.onnx'), 'encoder.json': taken('encoder.json') }),
    takeIndex: () => Promise.resolve(files.pop()!),
  };
  const retriever = await Retriever.start(source as unknown as VerifiedRetriever, { workers, maxBatch: 1 });
  const asked = await Promise.all(pictures.map((file) => readFile(file)));
  const one = async (worker: number): Promise<void> => {
    for (let at = 0; at < ASKED / workers; at++) await retriever.find([asked[(worker + at) % asked.length]!], K);
  };
  await Promise.all(Array.from({ length: workers }, (_, worker) => one(worker)));
  await retriever.drain();
  return peakMemoryMb();
}

async function compareAll(encoder: string, rounds: number): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'espalier-bench-finder-memory-'));
  try {
    const pictures = await drawnPictures(scratch);
    for (const [rows, graph] of [
      [2000, null],
      [50_000, null],
      [10_000, GRAPH_SETTINGS],
      [200_000, null],
    ] as const) {
      const index = await drawnIndex(encoder, scratch, rows);
      if (graph !== null) {
        // Written without its graph: that is the server's to build.
        const header = JSON.parse(await readFile(join(index, INDEX_FILE), 'utf8')) as object;
        await writeFile(join(index, INDEX_FILE), JSON.stringify({ ...header, graph }));
      }
      console.log(`${rows} pictures, searched ${graph === null ? 'exactly' : 'by a graph'}`);
      await compare({ encoder, index, pictures }, rounds);
    }
    for (const [times, of] of stopped) {
      console.log(
        `a device of ${times} times what the server had: stopped ${of.filter(Boolean).length} of ${of.length}`,
      );
    }
  } finally {
    await rm(scratch, { recursive: true });
  }
}

async function compare(of: Omit<Served, 'workers'>, rounds: number): Promise<void> {
  const { signal } = new AbortController();
  const { encoder: folder, index, pictures } = of;
  const { processMb } = await measureModel({ folder, pictures, index: { folder: index, k: K } }, signal);
  const { memoryMb: encoderMb } = await measureModel({ folder, pictures }, signal);
  const graphMb = (await stat(join(folder, 'model.onnx'))).size / 1e6;
  const vectorsMb = (await stat(join(index, VECTORS_FILE))).size / 1e6;
  for (const workers of [1, 2, 4]) {
    const device = { ramMb: 1e6, cores: workers };
    const { parts } = finderFit(device, { processMb, encoderMb, graphMb, vectorsMb, filesMb: 0 });
    const reckoned = parts[0]!.neededMb;
    const peaks: number[] = [];
    for (let round = 0; round < rounds; round++) {
      const child = fork(fileURLToPath(import.meta.url), { execArgv: process.execArgv });
      child.send({ ...of, workers } satisfies Served);
      const [peak] = (await once(child, 'message')) as [number];
      peaks.push(peak);
      for (const times of DEVICES) judge(reckoned, peak, times);
    }
    console.log(
      `  ${workers} workers: had ${peaks.map((mb) => mb.toFixed(0)).join(', ')} MB, reckoned ${reckoned.toFixed(0)} MB ` +
        `(process ${processMb.toFixed(0)}, encoder ${encoderMb.toFixed(0)}, its file ${graphMb.toFixed(0)}, vectors ${vectorsMb.toFixed(0)})`,
    );
  }
}

function judge(reckonedMb: number, peakMb: number, times: number): void {
  const score = { value: reckonedMb / (peakMb * times), interval: null, rows: 0 };
  const { threshold, severity } = RETRIEVAL_GATE_TABLE.hardwareFit;
  const { verdict } = judgeGate('hardwareFit', RETRIEVAL_GATE_TABLE.hardwareFit, score, { max: threshold, severity });
  stopped.set(times, [...(stopped.get(times) ?? []), verdict === 'fail']);
}

async function drawnPictures(folder: string): Promise<readonly string[]> {
  const noise = { type: 'gaussian', mean: 128, sigma: 30 } as const;
  const files: string[] = [];
  for (let at = 0; at < PICTURES; at++) {
    const file = join(folder, `${at}.jpg`);
    await sharp({ create: { width: 500, height: 375, channels: 3, background: 'grey', noise } })
      .jpeg()
      .toFile(file);
    files.push(file);
  }
  return files;
}

if (process.send !== undefined) {
  process.once('message', (served: Served) => {
    void serve(served).then((peakMb) => process.send?.(peakMb, () => process.disconnect()));
  });
} else {
  const [encoder, rounds] = process.argv.slice(2);
  if (encoder === undefined) throw new Error('name the folder of an exported encoder of pictures');
  await compareAll(encoder, Number(rounds ?? 3));
}

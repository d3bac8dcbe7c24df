/**
 * Memory that pictures take, by how many there are and by how large they are: the highest of a process (RSS, the runtime and its threads
 * included) and seconds.
 *
 * - evaluating a classifier, and a finder, of a few operations: so many training and test pictures, JPEG of 32 × 32. Of the finder's
 *   300 ask;
 * - an index made of so many vectors of 384 numbers, and the same asked by 20 queries;
 * - so many JPEG of 24 million pixels each prepared for a model.
 *
 *   npx tsx bench/picture-memory.ts [tiny pictures …]
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import type { EvaluateRetrievalInput } from '../activities/contract/retrieval.ts';
import type { EvaluateModelInput } from '../activities/contract/validation.ts';
import { askIndex } from '../activities/retrieval/ask-index.ts';
import { buildIndex } from '../activities/retrieval/build-index.ts';
import { evaluateRetrieval } from '../activities/retrieval/evaluate-retrieval.ts';
import { galleryInFile } from '../activities/retrieval/gallery.ts';
import { writeIndex } from '../activities/retrieval/index-folder.ts';
import { peakMemoryMb } from '../activities/selection/peak-memory.ts';
import { preparedPictures } from '../activities/selection/prepared-pictures.ts';
import { evaluateModel } from '../activities/validation/evaluate-model.ts';
import { seededRandom } from '../activities/validation/random.ts';
import { digestBytes } from '../artifacts/digest.ts';
import { openStore } from '../artifacts/open.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import { ImageProcessorSchema } from '../inference/image/processor.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';
import {
  blindPictureClassifier,
  COLOURS,
  putPictures,
  tinyPictureClassifier,
  type MadePicture,
} from '../test/support/tiny-pictures.ts';

const DIMENSION = 384;
const BLOCK = 512;
const { signal } = new AbortController();

type Task =
  | { readonly evaluate: EvaluateModelInput }
  | { readonly find: EvaluateRetrievalInput }
  | { readonly index: number }
  | { readonly ask: number }
  | { readonly prepare: number };

/** Each another colour, its label the strongest channel. */
async function tinyPictures(count: number, seed: number): Promise<MadePicture[]> {
  const random = seededRandom(seed);
  const made: MadePicture[] = [];
  while (made.length < count) {
    const pixels = Uint8Array.from({ length: 32 * 32 * 3 }, () => random.below(80));
    const label = random.below(3);
    for (let at = label; at < pixels.length; at += 3) pixels[at]! += 90;
    const bytes = await sharp(pixels, { raw: { width: 32, height: 32, channels: 3 } })
      .jpeg()
      .toBuffer();
    made.push({ id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes, label: COLOURS[label]! });
  }
  return made;
}

/** Directions at random; a linear congruential generator. */
async function* vectors(rows: number) {
  let state = 1;
  const next = (): number => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32 - 0.5;
  for (let first = 0; first < rows; first += BLOCK) {
    await Promise.resolve();
    const count = Math.min(BLOCK, rows - first);
    const ids = Array.from({ length: count }, (_, at) => (first + at).toString(16).padStart(16, '0'));
    const classes = Int32Array.from(ids, (_, at) => at % 10);
    const embeddings = new Float32Array(count * DIMENSION);
    for (let at = 0; at < embeddings.length; at++) embeddings[at] = next();
    yield { ids, classes, embeddings };
  }
}

async function ask(rows: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-gallery-'));
  const labels = Array.from({ length: 10 }, (_, label) => String(label));
  const gallery = await galleryInFile(join(folder, 'vectors.f32'), vectors(rows), { dimension: DIMENSION, signal });
  const { value: queries } = await vectors(20).next();
  const context = { signal, progress: () => undefined };
  await askIndex({ ...gallery, labels, graph: null }, { ...queries!, probabilities: new Float32Array() }, 5, context);
  await rm(folder, { recursive: true });
}

async function index(rows: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-index-'));
  const labels = Array.from({ length: 10 }, (_, label) => String(label));
  await writeIndex(folder, { model: digestBytes('bench'), dimension: DIMENSION, labels }, vectors(rows), signal);
  await rm(folder, { recursive: true });
}

async function prepare(count: number): Promise<void> {
  const processor = ImageProcessorSchema.parse({ size: 224, image_mean: [0, 0, 0], image_std: [1, 1, 1] });
  const noise = { type: 'gaussian', mean: 128, sigma: 30 } as const;
  const bytes = await sharp({ create: { width: 6000, height: 4000, channels: 3, background: 'grey', noise } })
    .jpeg()
    .toBuffer();
  async function* files() {
    for (let at = 0; at < count; at++)
      yield await Promise.resolve({ image: `${at}.jpg`, bytes: Uint8Array.from(bytes) });
  }
  for await (const _ of preparedPictures(files(), processor, signal));
}

async function work(task: Task): Promise<void> {
  if ('ask' in task) return ask(task.ask);
  if ('index' in task) return index(task.index);
  if ('prepare' in task) return prepare(task.prepare);
  const { store, pointers, close } = await openStore(process.env);
  const services = { store, pointers, python: { executable: '', packages: '' } };
  if ('find' in task) await runStep(evaluateRetrieval, task.find, services);
  else await runStep(evaluateModel, task.evaluate, services);
  close();
}

async function measure(what: string, task: Task, env: NodeJS.ProcessEnv = {}): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url)], {
    env: { ...process.env, ...env, PICTURE_TASK: JSON.stringify(task) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let answer = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (answer += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${what} ended with ${code}`);
  process.stdout.write(`${what}: ${answer}\n`);
}

const given = process.env['PICTURE_TASK'];
if (given !== undefined) {
  const began = performance.now();
  await work(JSON.parse(given) as Task);
  process.stdout.write(`${peakMemoryMb().toFixed(0)} MB at most, ${((performance.now() - began) / 1000).toFixed(0)} s`);
} else {
  for (const count of [2, 20]) await measure(`${count} pictures of 6000 × 4000 prepared`, { prepare: count });
  for (const rows of [20_000, 200_000, 1_000_000]) {
    await measure(`an index of ${rows} vectors of ${DIMENSION} made`, { index: rows });
    await measure(`${rows} vectors of ${DIMENSION} asked`, { ask: rows });
  }
  const opened = await withStore();
  const { store } = opened;
  const services = { store, pointers: opened.pointers, python: { executable: '', packages: '' } };
  const classifier = await store.putTree(await tinyPictureClassifier(), 'classifier');
  const blind = await store.putTree(await blindPictureClassifier(), 'blind');
  const identity = COLOURS.map((_, row) => COLOURS.map((__, column) => Number(row === column)));
  const probe = await store.putJson({ labels: COLOURS, weights: identity, bias: [0, 0, 0], l2: 1 }, 'probe.json');
  const sizes = process.argv.slice(2).map(Number);
  for (const count of sizes.length > 0 ? sizes : [2000, 20_000]) {
    const [train, validation] = [await tinyPictures(count, 1), await tinyPictures(50, 2)];
    const of = (test: readonly MadePicture[]): Promise<ArtifactRef> => putPictures(store, { train, validation, test });
    const measured = { exportParityMaxAbs: 0, seed: 7 };
    const classified = {
      classifier,
      baseline: { encoder: blind, probe },
      dataset: await of(await tinyPictures(count, 3)),
    };
    await measure(`${count} test pictures classified`, { evaluate: { ...classified, ...measured } }, opened.env);
    const dataset = await of(await tinyPictures(300, 4));
    const { index: built } = await runStep(buildIndex, { model: classifier, dataset, seed: 7 }, services);
    const asked = { model: classifier, frozen: blind, index: built, dataset, k: 5, ...measured };
    await measure(`${count} pictures in the gallery of a finder`, { find: asked }, opened.env);
  }
  opened.close();
}

/**
 * How often the gates of a model that finds pictures are wrong by chance: CIFAR-10 photographs (32 × 32, JPEG), frozen SqueezeNet 1.1
 * beside plain pixels, 1,000 pictures in the gallery, queries drawn from 500.
 *
 * - a threshold that is the very truth: how often recall@5 and mAP pass it, which they should one time in forty (the interval is of 95 %);
 * - two models that are equally good: of each query a coin says whose figure is whose. How often the gain passes, and how often
 *   the one in production is said to be better;
 * - a model made worse by noise on its embeddings: how often it is caught beside the one without.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-retrieval.ts [draws = 400]
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { tarMembers } from '../activities/data/images/tar-members.ts';
import { galleryInMemory } from '../activities/retrieval/gallery.ts';
import { PIXEL_DIMENSION, pixelGallery, type PixelRows } from '../activities/retrieval/pixels.ts';
import { figuresOf, type QueryFigures } from '../activities/retrieval/query-figures.ts';
import { gainScore, meanScore } from '../activities/retrieval/scores.ts';
import { exportEncoder } from '../activities/training/export-encoder.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { wilsonInterval } from '../activities/validation/statistics.ts';
import { decodePicture } from '../inference/image/decode.ts';
import { resample } from '../inference/image/resample.ts';
import { ImageModel } from '../inference/image-model.ts';
import { pythonForTests } from '../test/support/python.ts';
import { runStep } from '../test/support/step.ts';
import { withStore } from '../test/support/store.ts';

const root = process.env['ESPALIER_TEST_DATA'];
if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
const DRAWS = Number(process.argv[2] ?? 400);
const [GALLERY, QUERIES, K] = [1000, 500, 5] as const;
const { signal } = new AbortController();

interface Photo {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly label: string;
}

const photos: Photo[] = [];
const tar = join(root, 'datasets/cifar10-jpeg/train.tar');
for await (const { name, bytes } of tarMembers(tar, 'train', () => 2 ** 20)) {
  if (bytes === undefined) continue;
  photos.push({ id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes, label: name.split('/')[0]! });
}
const order = photos.map((_, at) => at);
shuffleStart(order, GALLERY + QUERIES, seededRandom(1, 91));
const gallery = order.slice(0, GALLERY).map((at) => photos[at]!);
const queries = order.slice(GALLERY, GALLERY + QUERIES).map((at) => photos[at]!);
const labels = [...new Set(photos.map(({ label }) => label))].toSorted();
const classesOf = (some: readonly Photo[]) => Int32Array.from(some, ({ label }) => labels.indexOf(label));
const idsOf = (some: readonly Photo[]) => some.map(({ id }) => id);

async function embeddingsOf(): Promise<{ gallery: Float32Array; queries: Float32Array; dimension: number }> {
  const { store, pointers, close } = await withStore();
  const services = { store, pointers, python: pythonForTests() };
  const model = await store.putTree(join(root!, 'models/onnx-zoo/squeezenet1.1'), 'model');
  const exported = await runStep(exportEncoder, { task: 'image-classification', model, frozen: true }, services);
  const folder = join(tmpdir(), `espalier-bench-gates-retrieval-${process.pid}`);
  await store.checkout(exported.encoder, folder);
  close();
  const encoder = await ImageModel.load(folder);
  const of = async (some: readonly Photo[]) => (await encoder.runAll(some.map(({ bytes }) => bytes))).embeddings;
  const made = { gallery: await of(gallery), queries: await of(queries), dimension: encoder.config.dimension };
  await encoder.release();
  return made;
}

async function pixelsOf(some: readonly Photo[]): Promise<Float32Array> {
  const rows = new Float32Array(some.length * PIXEL_DIMENSION);
  for (const [row, { bytes, id }] of some.entries()) {
    const small = resample(await decodePicture(bytes, id), { width: 16, height: 16, filter: 2 });
    rows.set(small.pixels, row * PIXEL_DIMENSION);
  }
  return rows;
}

function figures(of: { gallery: Float32Array; queries: Float32Array }): Promise<QueryFigures> {
  const shown = { ids: idsOf(gallery), classes: classesOf(gallery), labels };
  const asking = { ids: idsOf(queries), classes: classesOf(queries), embeddings: of.queries };
  return figuresOf(galleryInMemory({ ...shown, embeddings: of.gallery }), asking, { k: K, signal });
}

async function figuresOfPixels(): Promise<QueryFigures> {
  const folder = await mkdtemp(join(tmpdir(), 'espalier-bench-pixels-'));
  async function* shown(): AsyncGenerator<PixelRows> {
    yield { ids: idsOf(gallery), classes: classesOf(gallery), embeddings: await pixelsOf(gallery) };
  }
  const { gallery: centred, centre } = await pixelGallery(shown(), { folder, signal });
  const asking = { ids: idsOf(queries), classes: classesOf(queries), embeddings: centre(await pixelsOf(queries)) };
  const found = await figuresOf(centred, asking, { k: K, signal });
  await rm(folder, { recursive: true });
  return found;
}

/** As much noise as `share` of the embeddings' spread. */
function noisy({ gallery: rows, queries: asking }: { gallery: Float32Array; queries: Float32Array }, share: number) {
  const random = seededRandom(5, 92);
  const spread = Math.sqrt(rows.reduce((sum, value) => sum + value * value, 0) / rows.length);
  const add = (values: Float32Array) => values.map((value) => value + share * spread * random.normal());
  return { gallery: add(rows), queries: add(asking) };
}

const percent = (count: number): string => {
  const { low, high } = wilsonInterval(count, DRAWS);
  return `${count} of ${DRAWS} (${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)} %)`;
};
const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;

const embedded = await embeddingsOf();
const model = await figures(embedded);
const pixels = await figuresOfPixels();
console.log(
  `recall@${K} ${mean(model.recallAtK).toFixed(3)}, mAP ${mean(model.averagePrecision).toFixed(3)}; pixels ${mean(pixels.recallAtK).toFixed(3)}, ${mean(pixels.averagePrecision).toFixed(3)}`,
);
const worse = await Promise.all([0.25, 0.5, 1].map((share) => figures(noisy(embedded, share))));

for (const asked of [50, 100, 300]) {
  const wrong = { recall: 0, map: 0, gained: 0, accused: 0 };
  const caught = worse.map(() => 0);
  for (let draw = 0; draw < DRAWS; draw++) {
    const random = seededRandom(draw, 93);
    const rows = Array.from({ length: asked }, () => random.below(QUERIES));
    const options = { seed: draw, signal };
    const of = (values: Float64Array): number[] => rows.map((row) => values[row]!);
    const [ours, theirs] = [of(model.averagePrecision), of(pixels.averagePrecision)];
    const low = async (values: readonly number[]) => (await meanScore(values, options)).interval!.low;
    if ((await low(of(model.recallAtK))) >= mean(model.recallAtK)) wrong.recall++;
    if ((await low(ours)) >= mean(model.averagePrecision)) wrong.map++;
    const swapped = rows.map(() => random.uniform() < 0.5);
    const one = swapped.map((swap, at) => (swap ? theirs : ours)[at]!);
    const other = swapped.map((swap, at) => (swap ? ours : theirs)[at]!);
    const { interval } = await gainScore(one, other, options);
    if (interval!.low >= 0) wrong.gained++;
    if (interval!.high < 0) wrong.accused++;
    for (const [at, degraded] of worse.entries()) {
      const lost = await gainScore(of(degraded.averagePrecision), ours, options);
      if (lost.interval!.high < 0) caught[at]!++;
    }
  }
  console.log(
    `${asked} queries: at the truth passes recall@${K} ${percent(wrong.recall)}, mAP ${percent(wrong.map)}; equally good: a gain is shown ${percent(wrong.gained)}, production said to be better ${percent(wrong.accused)}`,
  );
  for (const [at, share] of [0.25, 0.5, 1].entries()) {
    const loss = mean(model.averagePrecision) - mean(worse[at]!.averagePrecision);
    console.log(`  noise ${share} (mAP ${(100 * loss).toFixed(1)} points lower): caught ${percent(caught[at]!)}`);
  }
}

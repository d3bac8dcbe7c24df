/** CIFAR-10 photographs (32 × 32, JPEG) and clothes of Fashion-MNIST (28 × 28, PNG) of the test data, and frozen backbones that look at them. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { tarMembers } from '../../activities/data/images/tar-members.ts';
import { PIXEL_DIMENSION } from '../../activities/retrieval/pixels.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { seededRandom, shuffleStart } from '../../activities/validation/random.ts';
import { decodePicture } from '../../inference/image/decode.ts';
import { resample } from '../../inference/image/resample.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { toUnitLength } from '../../inference/retrieval/nearest.ts';
import { pythonForTests } from '../../test/support/python.ts';
import { runStep } from '../../test/support/step.ts';
import { withStore } from '../../test/support/store.ts';
import { temporaryFolder } from '../../test/training/fixtures.ts';

export interface Photograph {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly label: string;
}

type Dataset = 'cifar10-jpeg' | 'fashion-mnist-sprite';

/** Throws where the test data are not declared. */
export function testData(): string {
  const root = process.env['ESPALIER_TEST_DATA'];
  if (root === undefined) throw new Error('set ESPALIER_TEST_DATA');
  return root;
}

/** So many of a split in a seeded order: of each label about as many. */
export async function photographs(
  split: 'train' | 'test',
  count: number,
  dataset: Dataset = 'cifar10-jpeg',
): Promise<Photograph[]> {
  const all: Photograph[] = [];
  const tar = join(testData(), 'datasets', dataset, `${split}.tar`);
  for await (const { name, bytes } of tarMembers(tar, split, () => 2 ** 20)) {
    if (bytes === undefined) continue;
    all.push({ id: createHash('sha256').update(bytes).digest('hex').slice(0, 16), bytes, label: name.split('/')[0]! });
  }
  const order = all.map((_, at) => at);
  shuffleStart(order, order.length, seededRandom(1, 77));
  return order.slice(0, count).map((at) => all[at]!);
}

/** A backbone of the ONNX zoo, or of another of the data's sources, exported as a run does it. */
export async function frozenBackbone(name: string, from = 'onnx-zoo'): Promise<ImageModel> {
  return ImageModel.load((await exportedBackbone(name, from)).encoder);
}

/** Its folders: as it is asked, and as a head is put behind it. */
export async function exportedBackbone(
  name: string,
  from = 'onnx-zoo',
): Promise<{ readonly encoder: string; readonly weights: string }> {
  const { store, pointers, close } = await withStore();
  const services = { store, pointers, python: pythonForTests() };
  const source = await store.putTree(join(testData(), 'models', from, name), 'model');
  const exported = await runStep(
    exportEncoder,
    { task: 'image-classification', model: source, frozen: true },
    services,
  );
  const [encoder, weights] = [await temporaryFolder(), await temporaryFolder()];
  await store.checkout(exported.encoder, encoder);
  await store.checkout(exported.weights, weights);
  close();
  return { encoder, weights };
}

/** Embeds files, row-major [files, dimension], each only once however often it is asked. */
export function remembering(encoder: ImageModel): (files: readonly Uint8Array[]) => Promise<Float32Array> {
  const known = new Map<string, Float32Array>();
  const { dimension } = encoder.config;
  return async (files) => {
    const all = new Float32Array(files.length * dimension);
    for (const [at, bytes] of files.entries()) {
      const key = createHash('sha256').update(bytes).digest('hex');
      const found = known.get(key) ?? (await encoder.run([bytes])).embeddings;
      known.set(key, found);
      all.set(found, at * dimension);
    }
    return all;
  };
}

/** One of two halves of each split (or of `most` of it), as a frozen backbone sees them: so that nothing is chosen by the pictures that are reported on. */
export async function embeddedHalf(
  half: number,
  { model, from, dataset, most = 4000 }: { model: string; from: string; dataset: Dataset; most?: number },
) {
  const ofHalf = async (split: 'train' | 'test') =>
    (await photographs(split, most, dataset)).filter((_, at) => at % 2 === half);
  const [train, test] = [await ofHalf('train'), await ofHalf('test')];
  const rows = [...train, ...test];
  const labels = [...new Set(rows.map(({ label }) => label))].toSorted();
  const classes = rows.map(({ label }) => labels.indexOf(label));
  const encoder = await frozenBackbone(model, from);
  const embedded = await remembering(encoder)(rows.map(({ bytes }) => bytes));
  const vectors = toUnitLength(embedded, encoder.config.dimension);
  await encoder.release();
  return { train, test, rows, labels, classes, vectors };
}

/** Shrunk to 16 × 16 as `activities/retrieval/pixels.ts` does, less their mean picture: row-major, a row a picture. */
export async function centredPixels(rows: readonly Photograph[]): Promise<Float32Array> {
  const pixels = new Float32Array(rows.length * PIXEL_DIMENSION);
  for (const [row, { bytes, id }] of rows.entries()) {
    const small = resample(await decodePicture(bytes, id), { width: 16, height: 16, filter: 2 });
    pixels.set(small.pixels, row * PIXEL_DIMENSION);
  }
  const mean = new Float64Array(PIXEL_DIMENSION);
  for (const [at, value] of pixels.entries()) mean[at % PIXEL_DIMENSION]! += value / rows.length;
  return pixels.map((value, at) => value - mean[at % PIXEL_DIMENSION]!);
}

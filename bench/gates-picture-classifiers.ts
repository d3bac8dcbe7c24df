/**
 * How often the gates of a classifier catch their defects, and accuse a clean model, where it is pictures that are classified: those
 * that judge answers, labels and embeddings as for texts (bench/gates/trials.ts), and leaks and slices as pictures have them. Linear
 * heads on frozen SqueezeNet 1.1 (clothes of Fashion-MNIST, CIFAR-10 photographs) and on ResNet-20, which learnt from CIFAR-10's training
 * pictures and classifies its test split. A draw has ten labels; of pictures that look alike one is kept. Draws of a set share its pictures. No
 * threshold was chosen by them.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-picture-classifiers.ts [draws a set = 14] [first draw = 0] [only these gates, with commas | all] [only sets whose name holds this]
 */
import sharp from 'sharp';
import { nearHashGroups } from '../activities/data/images/near-hash-groups.ts';
import { differenceHash, hashToHex, meanBrightness } from '../activities/data/images/perceptual-hash.ts';
import type { PictureRow, SeenPicture } from '../activities/data/images/pictures.ts';
import { findPictureTwins } from '../activities/validation/seen-pictures.ts';
import { plainScore } from '../activities/validation/scores.ts';
import { pictureSlices, sliceGaps, worstGap } from '../activities/validation/slices.ts';
import { decodePicture } from '../inference/image/decode.ts';
import type { GateName } from '../pipelines/gates/table.ts';
import { cleanDraw, predictedOf, withHead, type Embeds, type Row } from './gates/draw.ts';
import { frozenBackbone, photographs, type Photograph } from './gates/photographs.ts';
import { holdToGoals } from './gates/rates.ts';
import { Tally } from './gates/tally.ts';
import { TRIALS, type Trial } from './gates/trials.ts';
import { wrongFor } from './gates/turned.ts';

const DRAWS = Number(process.argv[2] ?? 14);
const FIRST = Number(process.argv[3] ?? 0);
const only = (process.argv[4] ?? 'all') === 'all' ? undefined : process.argv[4]!.split(',');
const OF = process.argv[5] ?? '';
const { signal } = new AbortController();

/**
 * `near`: bits in which pictures that look alike differ at most. Five, as a definition has it that says nothing, leave 502 of 900
 * clothes, all on one black ground; two leave 803, and tell 29 of 180 saved anew at quality 60, so that copies of clothes are brighter alone.
 */
const SETS = [
  {
    model: 'squeezenet1.1',
    from: 'onnx-zoo',
    dataset: 'fashion-mnist-sprite',
    splits: ['train', 'test'],
    near: 2,
    coded: false,
    sizes: { train: 350, validation: 150, test: 300 },
  },
  {
    model: 'squeezenet1.1',
    from: 'onnx-zoo',
    dataset: 'cifar10-jpeg',
    splits: ['train'],
    near: 5,
    coded: true,
    sizes: { train: 700, validation: 300, test: 400 },
  },
  {
    model: 'resnet20-cifar10',
    from: 'akamaster',
    dataset: 'cifar10-jpeg',
    splits: ['test'],
    near: 5,
    coded: true,
    sizes: { train: 400, validation: 200, test: 300 },
  },
] as const;

/** What preparation sees of a picture, by the name that stands for it. */
const seenOf = new Map<string, SeenPicture>();
const bytesOf = new Map<string, Uint8Array>();

async function look(id: string, bytes: Uint8Array): Promise<void> {
  const picture = await decodePicture(bytes, id);
  const hash = differenceHash(picture);
  seenOf.set(id, {
    width: picture.width,
    height: picture.height,
    brightness: meanBrightness(picture),
    ...(hash === undefined ? {} : { hash: hashToHex(hash) }),
  });
  bytesOf.set(id, bytes);
}

/** One of those that look alike, as `data.nearDuplicates` drops the others. */
async function rowsOf({
  dataset,
  splits,
  near,
}: {
  readonly dataset: (typeof SETS)[number]['dataset'];
  readonly splits: readonly ('train' | 'test')[];
  readonly near: number;
}): Promise<readonly Row[]> {
  const all: Photograph[] = [];
  for (const split of splits) all.push(...(await photographs(split, 4000, dataset)));
  for (const { id, bytes } of all) if (!seenOf.has(id)) await look(id, bytes);
  const hashes = await Promise.all(all.map(async ({ id, bytes }) => differenceHash(await decodePicture(bytes, id))));
  const groups = await nearHashGroups(hashes, near, signal);
  const first = new Map([...groups].map((group, at) => [group, at] as const).toReversed());
  return all.filter((_, at) => first.get(groups[at]!) === at).map(({ id, label }) => ({ text: id, label }));
}

async function embedderOf(model: string, from: string): Promise<Embeds & { release(): Promise<void> }> {
  const encoder = await frozenBackbone(model, from);
  const { dimension } = encoder.config;
  const known = new Map<string, Float32Array>();
  return {
    dimension,
    async embed(ids) {
      const all = new Float32Array(ids.length * dimension);
      for (const [at, id] of ids.entries()) {
        if (!known.has(id)) known.set(id, (await encoder.run([bytesOf.get(id)!])).embeddings);
        all.set(known.get(id)!, at * dimension);
      }
      return all;
    },
    release: () => encoder.release(),
  };
}

/** Where a trial asks for nothing that only texts have. */
const AS_FOR_TEXTS: readonly GateName[] = [
  'calibrationError',
  'trainValidationGap',
  'validationTestGap',
  'labelSignal',
  'labelErrors',
  'domainShift',
  'shiftedDrop',
  'opportunityGap',
  'gainOverProduction',
  'macroF1OverProduction',
];

const slicesOf = (ids: readonly string[]) => pictureSlices(ids.map((id) => seenOf.get(id)!));
const rowOf = (id: string): PictureRow => ({ id, image: `${id}.jpg`, label: '', seen: seenOf.get(id) });

const ownTrials = ({ near, coded }: Pick<(typeof SETS)[number], 'near' | 'coded'>): readonly Trial[] => [
  {
    gate: 'leakedTestRows',
    defect: `one test picture in 20 in training, brighter${coded ? ' and saved at quality 60' : ''}`,
    async plant(clean) {
      const copies = clean.test.texts.filter((_, row) => row % 20 === 0);
      for (const id of copies.filter((one) => !seenOf.has(`copy of ${one}`))) {
        const brighter = sharp(bytesOf.get(id)).linear(1.1, 0);
        await look(`copy of ${id}`, await (coded ? brighter.jpeg({ quality: 60 }) : brighter.png()).toBuffer());
      }
      const texts = [...clean.train.texts, ...copies.map((id) => `copy of ${id}`)];
      return { ...clean, train: { ...clean.train, texts } };
    },
    async measure({ train, test }) {
      async function* known() {
        await Promise.resolve();
        yield* train.texts.map(rowOf);
      }
      const twins = await findPictureTwins(test.texts.map(rowOf), known(), near, signal);
      return plainScore(twins.size / test.texts.length, test.texts.length);
    },
  },
  {
    gate: 'sliceGap',
    defect: 'the brightest third of the pictures wrong 5 times in 10 more',
    plant(clean, { embedder }) {
      const brightest = new Set(slicesOf(clean.test.texts).at(-1)!.rows);
      return withHead(
        embedder,
        clean,
        wrongFor(clean, (row) => brightest.has(row), 5),
      );
    },
    measure(draw) {
      const predicted = predictedOf(draw, draw.test);
      const correct = [...draw.test.classes].map((label, row) => label === predicted[row]);
      return worstGap(sliceGaps(correct, slicesOf(draw.test.texts)));
    },
  },
];

const began = performance.now();
const rates = [];
for (const set of SETS.filter(({ model, dataset }) => `${model}, ${dataset}`.includes(OF))) {
  const rows = await rowsOf(set);
  const foreign = await rowsOf({
    dataset: set.dataset === 'cifar10-jpeg' ? 'fashion-mnist-sprite' : 'cifar10-jpeg',
    splits: ['train'],
    near: set.near,
  });
  const embedder = await embedderOf(set.model, set.from);
  const trials = [...TRIALS.filter(({ gate }) => AS_FOR_TEXTS.includes(gate)), ...ownTrials(set)].filter(
    ({ gate }) => only?.includes(gate) ?? true,
  );
  const tally = new Tally();
  for (let seed = FIRST; seed < FIRST + DRAWS; seed++) {
    const clean = await cleanDraw(embedder, rows, seed, set.sizes);
    for (const trial of trials) await tally.run(trial, clean, { embedder, foreign, seed });
  }
  await embedder.release();
  const title = `${set.model}, ${set.dataset}`;
  rates.push(...tally.rates(title));
  console.log(`${title}, ${rows.length} pictures, ${Object.values(set.sizes).join(', ')} a draw\n${tally.table()}\n`);
  console.error(`${title} done after ${((performance.now() - began) / 1000).toFixed(0)} s`);
}
holdToGoals(rates);

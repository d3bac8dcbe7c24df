/**
 * `domainShift` of a classifier of pictures: how often it accuses test pictures that come from where training pictures come from, and how
 * often it sees that a quarter of them, half, or all are of another set. CIFAR-10 photographs and clothes, frozen SqueezeNet 1.1, one half of
 * the pictures; draws divide them anew and so share them. Clean draws with kin have of every photograph so many forms, as it is and worse
 * in a mild way (`corruptionDrop`'s noise, blur, JPEG, brightness), in the test alone, where training pictures have one of these forms each, or
 * on both sides. Products: of ten times as many training pictures as test pictures seven in ten are of sixty products, each one photograph in
 * those forms, some asked for far oftener than others and each a label, and the rest photographs of one label.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-shift-pictures.ts [draws = 10] [design | report = report]
 */
import { builtInCorruptions } from '../activities/validation/corruptions.ts';
import { seededRandom, shuffleStart } from '../activities/validation/random.ts';
import { pictureShift } from '../activities/validation/row-shift.ts';
import { decodePicture } from '../inference/image/decode.ts';
import { frozenBackbone, photographs } from './gates/photographs.ts';
import { ShiftTally } from './gates/shift-tally.ts';

const DRAWS = Number(process.argv[2] ?? 10);
const parity = process.argv[3] === 'design' ? 0 : 1;
const [TRAIN, SIZES] = [400, [100, 200] as const];
const WORSE = ['noise', 'blur', 'JPEG', 'brightness'];
/** Photographs whose forms are made. */
const SOURCES = 160;
/** Of them, that are products, and the share of the pictures that these are. */
const [PRODUCTS, OF_PRODUCTS] = [60, 0.7];
const random = seededRandom(2029, parity);
const { signal } = new AbortController();

interface Picture {
  readonly label: string;
  /** As it is, and worse ones. */
  readonly forms: readonly Float32Array[];
}

const encoder = await frozenBackbone('squeezenet1.1');
const { dimension } = encoder.config;
const halved = async (set: 'cifar10-jpeg' | 'fashion-mnist-sprite', count: number) =>
  (await photographs('train', 2 * count, set)).filter((_, at) => at % 2 === parity);
const worse = WORSE.map((name) => builtInCorruptions().find((one) => one.name === name && one.severity === 'mild')!);
const pictures: Picture[] = [];
for (const [at, { id, bytes, label }] of (await halved('cifar10-jpeg', 800)).entries()) {
  const forms = [bytes];
  if (at < SOURCES) {
    const picture = await decodePicture(bytes, id);
    for (const [which, one] of worse.entries()) forms.push(await one.apply(picture, 10 * at + which));
  }
  pictures.push({ label, forms: await embedded(forms) });
}
const clothes: Picture[] = [];
for (const { bytes, label } of await halved('fashion-mnist-sprite', 300)) {
  clothes.push({ label, forms: await embedded([bytes]) });
}
await encoder.release();
console.error(`embedded after ${(process.cpuUsage().user / 1e6).toFixed(0)} s`);

const names = [
  ...new Set([...pictures, ...clothes].map(({ label }) => label)),
  'other',
  ...Array.from({ length: PRODUCTS }, (_, which) => `product ${which}`),
];
const tally = new ShiftTally();
for (let draw = 0; draw < DRAWS; draw++) {
  const [sources, others] = [shuffled(pictures.slice(0, SOURCES)), shuffled(pictures.slice(SOURCES))];
  const train = once(others.slice(0, TRAIN));
  const own = once(others.slice(TRAIN));
  const foreign = once(shuffled(clothes));
  for (const size of SIZES) {
    for (const [kind, share] of Object.entries({ clean: 0, 'a quarter': 0.25, half: 0.5, all: 1 })) {
      const from = Math.round(share * size);
      await note(`${size} test pictures, ${kind}`, train, [...own.slice(from, size), ...foreign.slice(0, from)]);
    }
    for (const forms of [2, 5]) {
      const [asked, rest] = [sources.slice(0, size / forms), sources.slice(size / forms)];
      const test = inForms(asked, forms);
      // Worse pictures alone would be another population: one form of each, drawn, so that both sides have as many of each kind.
      const learnt = rest.map(({ label, forms: own }) => ({ label, forms: [own[random.below(forms)]!] }));
      await note(`${size} test pictures, clean, each in ${forms} forms`, learnt, test);
      await note(`${size} test pictures, clean, each in ${forms} forms, on both sides`, inForms(rest, forms), test);
    }
  }
  const goods = sources.slice(0, PRODUCTS).map(({ forms }, which) => ({ label: `product ${which}`, forms }));
  const rest = others.map(({ forms }) => ({ label: 'other', forms }));
  const [learnt, asked] = [ofShop(1000, goods, rest.slice(0, 600)), ofShop(100, goods, rest.slice(600))];
  await note('100 test pictures for 1,000, clean, products', learnt, asked);
  await note('100 test pictures for 1,000, half, products', learnt, [...asked.slice(50), ...foreign.slice(0, 50)]);
  tally.tell(console.error);
}
tally.tell(console.log);

async function embedded(files: readonly Uint8Array[]): Promise<readonly Float32Array[]> {
  const vectors: Float32Array[] = [];
  for (const file of files) vectors.push(Float32Array.from((await encoder.run([file])).embeddings));
  return vectors;
}

function shuffled(of: readonly Picture[]): readonly Picture[] {
  const order = [...of.keys()];
  shuffleStart(order, order.length, random);
  return order.map((at) => of[at]!);
}

function once(of: readonly Picture[]): readonly Picture[] {
  return inForms(of, 1);
}

function inForms(of: readonly Picture[], count: number): readonly Picture[] {
  return of.flatMap(({ label, forms }) => forms.slice(0, count).map((form) => ({ label, forms: [form] })));
}

/** The first products oftener than the last, in any form; others once each. */
function ofShop(count: number, goods: readonly Picture[], others: readonly Picture[]): readonly Picture[] {
  const made = Array.from({ length: Math.round(OF_PRODUCTS * count) }, () => {
    const { label, forms } = goods[Math.floor(goods.length * random.uniform() ** 2)]!;
    return { label, forms: [forms[random.below(forms.length)]!] };
  });
  return shuffled([...made, ...once(others.slice(0, count - made.length))]);
}

async function note(what: string, train: readonly Picture[], test: readonly Picture[]): Promise<void> {
  const rows = (of: readonly Picture[]): Float32Array => {
    const all = new Float32Array(of.length * dimension);
    for (const [at, { forms }] of of.entries()) all.set(forms[0]!, at * dimension);
    return all;
  };
  const labels = (of: readonly Picture[]): Int32Array => Int32Array.from(of, ({ label }) => names.indexOf(label));
  const frozen = { dimension, train: rows(train), test: rows(test) };
  const options = { seed: random.below(2 ** 31), signal };
  const { score } = await pictureShift(frozen, { train: labels(train), test: labels(test) }, options);
  tally.note(what, score);
}

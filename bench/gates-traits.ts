/**
 * How often the gate `giveawayTrait` finds a trait of the file that gives a label away, and how often it accuses pictures without
 * one. Draws of 1,000 of 2,000 pictures: CIFAR-10 photographs (JPEG) as they are (32 × 32 all), and each made another size and coded
 * anew, at random and whatever its label; and, for frames and corners, those and clothes of Fashion-MNIST all coded alike. Planted is
 * a trait of all pictures of one label. Clean are also both sets as they are with all pairs
 * of labels, where what a picture shows (Fashion-MNIST: clothes on black) comes nearest to such a trait; and what two traits that were left out, bytes a pixel and brightness, would accuse there.
 * The rules were designed on the first 2,000 photographs of a seeded order and are reported on the next; of the clothes there are 720, and a draw is 540 of them.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-traits.ts [draws = 40] [design | report = report] [only pictures whose name holds this]
 */
import sharp from 'sharp';
import { judgeGate } from '../activities/validation/gates.ts';
import { findGiveawayTrait, traitsOf, type PictureTraits } from '../activities/validation/picture-traits.ts';
import { sampleIndices, seededRandom } from '../activities/validation/random.ts';
import { decodePicture } from '../inference/image/decode.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { photographs, type Photograph } from './gates/photographs.ts';
import { exactly } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 40);
const [POOL, PICTURES] = [2000, 1000] as const;
const limit = GatesSchema.parse({}).giveawayTrait;
const LIMITS = { maxBytes: 2 ** 24, maxPixels: 2 ** 24 };
const half = process.argv[3] ?? 'report';
const only = process.argv[4] ?? '';
type Dataset = 'cifar10-jpeg' | 'fashion-mnist-sprite';
async function poolOf(dataset: Dataset): Promise<{ readonly all: readonly Photograph[]; readonly drawn: number }> {
  const all = await photographs('train', 2 * POOL, dataset);
  // Of the clothes there are too few for halves.
  if (all.length < 2 * POOL) return { all, drawn: Math.floor(0.75 * all.length) };
  return { all: half === 'design' ? all.slice(0, POOL) : all.slice(POOL), drawn: PICTURES };
}
const random = seededRandom(2026, 3);

/** How a file is made of a photograph. */
type Make = (bytes: Uint8Array) => Promise<Uint8Array>;
const asItIs: Make = (bytes) => Promise.resolve(bytes);
const sized = (bytes: Uint8Array, width: number, height: number) => sharp(bytes).resize(width, height, { fit: 'fill' });
const anySize: Make = (bytes) =>
  sized(bytes, 32 + random.below(33), 32 + random.below(33))
    .jpeg({ quality: 60 + random.below(36) })
    .toBuffer();
/** With no finer colours than others, as cameras and scanners do. */
const recoded =
  (quality: number): Make =>
  (bytes) =>
    sharp(bytes).toColourspace('srgb').jpeg({ quality }).toBuffer();
type Plants = Readonly<Record<string, Make>>;
const PLANTS: Plants = {
  'one size, 48 by 36': (bytes) => sized(bytes, 48, 36).jpeg({ quality: 90 }).toBuffer(),
  'larger by half than any other': (bytes) =>
    sized(bytes, 96 + random.below(33), 96 + random.below(33))
      .jpeg({ quality: 60 + random.below(36) })
      .toBuffer(),
  'PNG where the others are JPEG': (bytes) => sharp(bytes).png().toBuffer(),
  'JPEG of quality 20': (bytes) => sharp(bytes).jpeg({ quality: 20 }).toBuffer(),
};

/** Of pictures that are sized and coded as the planted ones, else that would tell them. Grey 128 is at an edge of levels that are counted from 0. */
const GREY = 'rgb(128, 128, 128)';
const YELLOW = '#f0c010';
const framed =
  (background: string, wide: number, quality: number): Make =>
  async (bytes) => {
    const { width, height } = await sharp(bytes).metadata();
    const inner = { left: wide, top: wide, width: width - 2 * wide, height: height - 2 * wide };
    const around = { top: wide, bottom: wide, left: wide, right: wide, background };
    const whole = sharp(await sharp(bytes).toColourspace('srgb').extract(inner).png().toBuffer()).extend(around);
    return recoded(quality)(await whole.png().toBuffer());
  };
const cornered =
  (background: string, wide: number, quality: number): Make =>
  async (bytes) => {
    const { width, height } = await sharp(bytes).metadata();
    const create = { width: wide, height: wide, channels: 3, background } as const;
    const placed = { input: { create }, left: width - wide, top: height - wide };
    const whole = await sharp(bytes).toColourspace('srgb').png().toBuffer();
    return recoded(quality)(await sharp(whole).composite([placed]).png().toBuffer());
  };
/** Black ones of clothes are none: what is around them is black. */
const oneColour = (quality: number, black: boolean): Plants => ({
  ...(black ? { 'a black frame of one pixel': framed('black', 1, quality) } : {}),
  ...(black ? { 'a black frame of three pixels': framed('black', 3, quality) } : {}),
  'a white frame of one pixel': framed('white', 1, quality),
  'a yellow frame of one pixel': framed(YELLOW, 1, quality),
  'a frame of one pixel, grey 128': framed(GREY, 1, quality),
  'a frame of two pixels, grey 128': framed(GREY, 2, quality),
  'a frame of three pixels, grey 128': framed(GREY, 3, quality),
  'a yellow corner of three pixels': cornered(YELLOW, 3, quality),
  'a corner of three pixels, grey 128': cornered(GREY, 3, quality),
  'a yellow corner of eight pixels': cornered(YELLOW, 8, quality),
});

async function traits(make: Make, bytes: Uint8Array): Promise<PictureTraits> {
  const file = await make(bytes);
  const format = file[0] === 0xff ? 'jpg' : 'png';
  return traitsOf(await decodePicture(file, 'a picture', LIMITS), file, format);
}
interface Tally {
  alarms: number;
  draws: number;
  readonly judged: number[];
}
const tallies = new Map<string, Tally>();
async function note(name: string, pictures: readonly PictureTraits[], classes: Int32Array, labels = 10): Promise<void> {
  const { score, worst } = await findGiveawayTrait(pictures, classes, labels, 5);
  const { verdict, measured } = judgeGate('giveawayTrait', GATE_TABLE.giveawayTrait, score, limit);
  const tally = tallies.get(name) ?? { alarms: 0, draws: 0, judged: [] };
  tally.draws++;
  tally.judged.push(measured ?? Number.NaN);
  if (verdict !== 'pass') tally.alarms++;
  tallies.set(name, tally);
  if (process.env['SHOW_RULES'] !== undefined) console.error(name, JSON.stringify(worst));
}

for (const [dataset, base, make, plants] of [
  ['cifar10-jpeg', 'as they are', asItIs, PLANTS],
  ['cifar10-jpeg', 'of any size and quality', anySize, PLANTS],
  ['cifar10-jpeg', 'all coded anew at quality 95', recoded(95), oneColour(95, true)],
  ['cifar10-jpeg', 'all coded anew at quality 75', recoded(75), oneColour(75, true)],
  ['fashion-mnist-sprite', 'all coded anew at quality 95', recoded(95), oneColour(95, false)],
  ['fashion-mnist-sprite', 'all coded anew at quality 75', recoded(75), oneColour(75, false)],
] as const) {
  if (!`${dataset} ${base}`.includes(only)) continue;
  const { all, drawn } = await poolOf(dataset);
  const labels = [...new Set(all.map(({ label }) => label))].toSorted();
  const known = await Promise.all(all.map(({ bytes }) => traits(make, bytes)));
  const planted = new Map<string, readonly PictureTraits[]>();
  for (const [name, plant] of Object.entries<Make>(plants)) {
    planted.set(name, await Promise.all(all.map(({ bytes }) => traits(plant, bytes))));
  }
  for (let draw = 0; draw < DRAWS; draw++) {
    const places = sampleIndices(all.length, drawn, seededRandom(draw, 4));
    const classes = Int32Array.from(places, (at) => labels.indexOf(all[at]!.label));
    await note(
      `${dataset} ${base}, clean`,
      places.map((at) => known[at]!),
      classes,
    );
    for (const [name, of] of planted) {
      const pictures = places.map((at, row) => (classes[row] === draw % labels.length ? of[at]! : known[at]!));
      await note(`${dataset} ${base}; one label: ${name}`, pictures, classes);
    }
  }
  console.error(
    `${dataset} ${base} done: ${JSON.stringify([...tallies].map(([name, { alarms, draws }]) => [name, alarms, draws]))}`,
  );
}
for (const dataset of ['cifar10-jpeg', 'fashion-mnist-sprite'] as const) {
  if (!`${dataset}, all labels, two labels`.includes(only)) continue;
  const { all: pool } = await poolOf(dataset);
  const known = await Promise.all(pool.map(({ bytes }) => traits(asItIs, bytes)));
  // In the place of a number that is judged.
  const leftOut = await Promise.all(
    pool.map(async ({ bytes }, row) => {
      const { pixels } = await decodePicture(bytes, 'a picture', LIMITS);
      const brightness = pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
      const { width, height } = known[row]!;
      return { 'bytes a pixel': bytes.length / (width * height), brightness };
    }),
  );
  const names = [...new Set(pool.map(({ label }) => label))].toSorted();
  await note(
    `${dataset}, all labels`,
    known,
    Int32Array.from(pool, ({ label }) => names.indexOf(label)),
  );
  for (const [at, one] of names.entries()) {
    for (const other of names.slice(at + 1)) {
      const rows = [...pool.keys()].filter((row) => [one, other].includes(pool[row]!.label));
      const classes = Int32Array.from(rows, (row) => names.indexOf(pool[row]!.label));
      await note(
        `${dataset}, two labels`,
        rows.map((row) => known[row]!),
        classes,
      );
      for (const number of ['bytes a pixel', 'brightness'] as const) {
        await note(
          `${dataset}, two labels, with ${number}`,
          rows.map((row) => ({ ...known[row]!, quantisation: leftOut[row]![number] })),
          classes,
        );
      }
    }
  }
}
console.log('| pictures | accused | judged number, least · median · most |');
console.log('| --- | --- | --- |');
for (const [name, { alarms, draws, judged }] of tallies) {
  const sorted = judged.toSorted((a, b) => a - b);
  const spread = [0, 0.5, 1].map((at) => (sorted[Math.round(at * (draws - 1))] ?? Number.NaN).toFixed(2)).join(' · ');
  console.log(`| ${name} | ${exactly(alarms, draws)} | ${spread} |`);
}

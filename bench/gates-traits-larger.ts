/**
 * How often the gate `giveawayTrait` finds a frame or a corner of every width that gives a label away in larger pictures, and how
 * often it accuses pictures without one. Photographs of four labels of CIFAR-10 made larger (Lanczos: smoother than a camera's),
 * and places of three photographs of Open Images as they are, whose labels are numbered in turn; all coded as JPEG with colours at half the
 * resolution. A draw is 30 or 80 of the 160 pictures of each label; all of one label are marked. Clean draws are of the same
 * pictures; so are all pairs of labels, all pictures of each.
 *
 *   ESPALIER_TEST_DATA=… npx tsx bench/gates-traits-larger.ts [draws = 40] [pixels a side = 224] [JPEG quality = 90] [enlarged | places] [widths of corners, by commas] [of frames]
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { judgeGate } from '../activities/validation/gates.ts';
import { findGiveawayTrait, traitsOf, type PictureTraits } from '../activities/validation/picture-traits.ts';
import { sampleIndices, seededRandom } from '../activities/validation/random.ts';
import { decodePicture } from '../inference/image/decode.ts';
import { GatesSchema } from '../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../pipelines/gates/table.ts';
import { photographs, testData } from './gates/photographs.ts';
import { exactly } from './support.ts';

const DRAWS = Number(process.argv[2] ?? 40);
const SIDE = Number(process.argv[3] ?? 224);
const QUALITY = Number(process.argv[4] ?? 90);
const kind = process.argv[5] ?? 'enlarged';
const widthsOf = (given: string | undefined, usual: readonly number[]): readonly number[] =>
  given === undefined ? usual : given.split(',').filter(Boolean).map(Number);
const CORNERS = widthsOf(process.argv[6], [4, 5, 6, 8, 12, 16, 18, 20, 24, 32]);
const FRAMES = widthsOf(process.argv[7], [1, 3, 4, 5, 6, 9, 14]);
const LABELS = ['airplane', 'automobile', 'frog', 'horse'];
const [POOL, DRAWN] = [160, [30, 80]] as const;
const LIMITS = { maxBytes: 2 ** 24, maxPixels: 2 ** 24 };
const limit = GatesSchema.parse({}).giveawayTrait;
const random = seededRandom(2027, 5);

/** A picture of SIDE pixels a side that nothing is marked in, as PNG, and its label's number. */
interface Plain {
  readonly label: number;
  readonly png: Buffer;
}

async function enlarged(): Promise<readonly Plain[]> {
  const all = await photographs('train', 4000);
  const some = LABELS.flatMap((name, label) =>
    all
      .filter((one) => one.label === name)
      .slice(-POOL)
      .map(({ bytes }) => ({ label, bytes })),
  );
  return Promise.all(
    some.map(async ({ label, bytes }) => ({
      label,
      png: await sharp(bytes).toColourspace('srgb').resize(SIDE, SIDE, { kernel: 'lanczos3' }).png().toBuffer(),
    })),
  );
}

/** Of the photographs that are JPEG, at their own resolution. */
async function places(): Promise<readonly Plain[]> {
  const folder = join(testData(), 'datasets/openimages-samples');
  const files = (await readdir(folder)).filter((name) => name.endsWith('.jpg')).map((name) => join(folder, name));
  const plain: Plain[] = [];
  for (let at = 0; at < LABELS.length * POOL; at++) {
    const file = files[random.below(files.length)]!;
    const { width, height } = await sharp(file).metadata();
    const [left, top] = [random.below(width - SIDE + 1), random.below(height - SIDE + 1)];
    const cut = sharp(file).extract({ left, top, width: SIDE, height: SIDE }).toColourspace('srgb');
    plain.push({ label: at % LABELS.length, png: await cut.png().toBuffer() });
  }
  return plain;
}

type Mark = (png: Buffer) => Promise<Buffer>;
const plate = (side: number, background: string) => ({ width: side, height: side, channels: 3, background }) as const;
const cornered =
  (wide: number, background: string): Mark =>
  (png) =>
    sharp(png)
      .composite([{ input: { create: plate(wide, background) }, left: 0, top: SIDE - wide }])
      .png()
      .toBuffer();
const framed =
  (wide: number, background: string): Mark =>
  async (png) => {
    const input = await sharp(png)
      .extract({ left: wide, top: wide, width: SIDE - 2 * wide, height: SIDE - 2 * wide })
      .toBuffer();
    return sharp({ create: plate(SIDE, background) })
      .composite([{ input, left: wide, top: wide }])
      .png()
      .toBuffer();
  };
const MARKS: ReadonlyMap<string, Mark> = new Map([
  ...CORNERS.flatMap((wide) =>
    ['black', 'rgb(128, 128, 128)'].map((colour): [string, Mark] => [
      `corner of ${wide}, ${colour}`,
      cornered(wide, colour),
    ]),
  ),
  ...FRAMES.flatMap((wide) =>
    ['black', 'rgb(128, 128, 128)'].map((colour): [string, Mark] => [
      `frame of ${wide}, ${colour}`,
      framed(wide, colour),
    ]),
  ),
]);

async function traits(png: Buffer): Promise<PictureTraits> {
  const file = await sharp(png).jpeg({ quality: QUALITY }).toBuffer();
  return traitsOf(await decodePicture(file, 'a picture', LIMITS), file, 'jpg');
}
async function accused(pictures: readonly PictureTraits[], classes: readonly number[]): Promise<boolean> {
  const { score, worst } = await findGiveawayTrait(pictures, Int32Array.from(classes), LABELS.length, 5);
  if (process.env['SHOW_RULES'] !== undefined) console.error(JSON.stringify(worst));
  return judgeGate('giveawayTrait', GATE_TABLE.giveawayTrait, score, limit).verdict !== 'pass';
}

const plain = kind === 'places' ? await places() : await enlarged();
const rowsOf = LABELS.map((_, label) => [...plain.keys()].filter((row) => plain[row]!.label === label));
const clean: PictureTraits[] = [];
for (const { png } of plain) clean.push(await traits(png));
const drawOf = (draw: number, each: number): readonly number[] =>
  rowsOf.flatMap((rows) => sampleIndices(rows.length, each, seededRandom(draw, 6)).map((at) => rows[at]!));

console.log(`${SIDE} pixels, quality ${QUALITY}, ${kind}`);
const say = async (name: string, marked: ReadonlyMap<number, PictureTraits> | null): Promise<void> => {
  const counts: string[] = [];
  for (const each of DRAWN) {
    let found = 0;
    for (let draw = 0; draw < DRAWS; draw++) {
      const rows = drawOf(draw, each);
      const own = draw % LABELS.length;
      const pictures = rows.map((row) => (plain[row]!.label === own ? (marked?.get(row) ?? clean[row]!) : clean[row]!));
      const classes = rows.map((row) => plain[row]!.label);
      if (await accused(pictures, classes)) found++;
    }
    counts.push(exactly(found, DRAWS));
  }
  console.log(`| ${name} | ${counts.join(' | ')} |`);
};
console.log(`| pictures | accused, ${DRAWN.join(' | accused, ')} of each label |\n| --- | --- | --- |`);
await say('clean', null);
let [pairs, accusedPairs] = [0, 0];
for (const [one] of LABELS.entries()) {
  for (let other = one + 1; other < LABELS.length; other++, pairs++) {
    const rows = [...rowsOf[one]!, ...rowsOf[other]!];
    const classes = rows.map((row) => plain[row]!.label);
    if (
      await accused(
        rows.map((row) => clean[row]!),
        classes,
      )
    )
      accusedPairs++;
  }
}
console.log(`| clean, two labels | ${exactly(accusedPairs, pairs)} | |`);
for (const [name, mark] of MARKS) {
  const marked = new Map<number, PictureTraits>();
  for (const [row, { png }] of plain.entries()) marked.set(row, await traits(await mark(png)));
  await say(name, marked);
}

import { deepEqual, equal, ok } from 'node:assert/strict';
import sharp, { type Sharp } from 'sharp';
import { decodePicture } from '../../inference/image/decode.ts';
import { judgeGate, judgeGates } from '../../activities/validation/gates.ts';
import {
  findGiveawayTrait,
  quantisationOf,
  traitsOf,
  type PictureTraits,
} from '../../activities/validation/picture-traits.ts';
import { scanTraits } from '../../activities/validation/scan-traits.ts';
import type { GatesSpec } from '../../pipelines/definition.ts';
import { GatesSchema } from '../../pipelines/definition/gates.ts';
import { GATE_TABLE } from '../../pipelines/gates/table.ts';
import { withStore } from '../support/store.ts';
import { COLOURS, makePictures, putPictures } from '../support/tiny-pictures.ts';

const LIMITS = { maxBytes: 2 ** 20, maxPixels: 2 ** 20 };
const PLAIN: PictureTraits = {
  width: 32,
  height: 32,
  shape: 1,
  quantisation: null,
  format: 'png',
  colours: [],
  thin: [],
};
const ROWS = 200;
/** Two labels in turn. */
const classes = Int32Array.from({ length: ROWS }, (_, row) => row % 2);
const judged = async (pictures: readonly PictureTraits[], of = classes): Promise<string> => {
  const { score } = await findGiveawayTrait(pictures, of, 2, 5);
  return judgeGate('giveawayTrait', GATE_TABLE.giveawayTrait, score, GatesSchema.parse({}).giveawayTrait).verdict;
};
const planted = (trait: (row: number) => Partial<PictureTraits>, label = 1): readonly PictureTraits[] =>
  Array.from(classes, (one, row) => (one === label ? { ...PLAIN, ...trait(row) } : PLAIN));

/** Noise, so that nothing of it is of one colour. */
function noise(width: number, height: number): Sharp {
  const raw = Buffer.from(
    Array.from({ length: width * height * 3 }, (_, at) => (at * 7919 + (at >> 3) * 104_729) % 256),
  );
  return sharp(raw, { raw: { width, height, channels: 3 } });
}
async function traits(file: Buffer, format: string): Promise<PictureTraits> {
  return traitsOf(await decodePicture(file, 'a picture', LIMITS), file, format);
}

describe('traits of pictures that give a label away', () => {
  it('are sizes, shapes and coding', async () => {
    const found = await traits(await noise(40, 20).png().toBuffer(), 'png');
    deepEqual(found, { ...PLAIN, width: 40, height: 20, shape: 2 });
  });

  it('are a frame and corners of one colour, however unevenly JPEG keeps them', async () => {
    const framed = noise(60, 44).extend({ top: 8, bottom: 8, left: 8, right: 8, background: 'black' });
    const { colours } = await traits(await framed.jpeg({ quality: 85, chromaSubsampling: '4:4:4' }).toBuffer(), 'jpg');
    const places = ['frame', 'top left corner', 'top right corner', 'bottom left corner', 'bottom right corner'];
    deepEqual(
      colours.map(({ place, colour }) => [place, colour]),
      places.flatMap((place) =>
        ['0–31', '0–23', '0–15', '0–7'].map((level) => [place, `rgb(${level}, ${level}, ${level})`]),
      ),
    );
  });

  it('are no frame of a picture that is of one colour altogether', async () => {
    const { colours, thin } = await traits((await makePictures(1, 16))[0]!.bytes, 'png');
    deepEqual([colours, thin], [[], []]);
  });

  it('are how coarsely a JPEG is quantised, read from its tables, and nothing of a file that is cut off', async () => {
    const coded = (quality: number) => noise(32, 32).jpeg({ quality }).toBuffer();
    const [fine, coarse] = [quantisationOf(await coded(95))!, quantisationOf(await coded(20))!];
    ok(fine < 10 && coarse > 5 * fine, `${fine} and ${coarse}`);
    // At quality 100 every value is 1.
    equal(quantisationOf(await coded(100)), 1);
    equal(quantisationOf((await coded(95)).subarray(0, 30)), null);
    equal(quantisationOf(Buffer.from([0xff, 0xd8, 0xff, 0xdb, 0, 0])), null);
  });

  it('are told by a size, a range of sizes, a format, a frame', async () => {
    equal(await judged(planted(() => ({ width: 48, height: 36, shape: 4 / 3 }))), 'warn');
    equal(await judged(planted((row) => ({ width: 64 + row, height: 64 + row }))), 'warn');
    equal(await judged(planted(() => ({ format: 'jpg' }))), 'warn');
    equal(await judged(planted((row) => ({ quantisation: 30 + (row % 7) }))), 'warn');
    equal(await judged(planted(() => ({ colours: [{ place: 'frame', colour: 'rgb(0–31, 0–31, 0–31)' }] }))), 'warn');
  });

  for (const [r, g, b] of [
    [128, 128, 128],
    [192, 192, 192],
    [64, 64, 64],
    [0, 128, 128],
  ] as const) {
    it(`are a frame whose channels lie where levels end, as JPEG keeps it: ${r}, ${g}, ${b}`, async () => {
      const background = { r, g, b };
      const frame = { top: 3, bottom: 3, left: 3, right: 3, background };
      const files = await Promise.all(
        Array.from(classes, async (label, row) => {
          // Of little contrast, since JPEG carries the rest of its blocks into the frame.
          const around = (r + g + b) / 3 - 40 + (row % 17);
          const inner = await noise(26, 26).linear(0.3, around).png().toBuffer();
          const picture = label === 1 ? sharp(inner).extend(frame) : sharp(inner).resize(32, 32);
          const quality = 90 + (row % 9);
          return sharp(await picture.png().toBuffer())
            .jpeg({ quality, chromaSubsampling: '4:4:4' })
            .toBuffer();
        }),
      );
      const pictures = await Promise.all(files.map((file) => traits(file, 'jpg')));
      // By nothing else than what is of one colour.
      const only = pictures.map(({ colours }) => ({ ...PLAIN, colours }));
      const { score, worst } = await findGiveawayTrait(only, classes, 2, 5);
      equal(await judged(only), 'warn', JSON.stringify([score, worst]));
    });
  }

  it('are the same colour whichever channels are a level more or less, of any colour', () => {
    const framed = (colour: readonly number[]) => {
      const pixels = Uint8Array.from({ length: 16 * 16 * 3 }, (_, at) => {
        const [x, y] = [Math.floor(at / 3) % 16, Math.floor(at / 48)];
        return Math.min(x, y, 15 - x, 15 - y) === 0 ? colour[at % 3]! : (at * 7919) % 256;
      });
      return traitsOf({ width: 16, height: 16, pixels }, Buffer.of(), 'png').colours;
    };
    const channel = [112, 120, 128, 136];
    for (const colour of channel.flatMap((r) => channel.flatMap((g) => channel.map((b) => [r, g, b])))) {
      const moved = [0, 1, 2, 3, 4, 5, 6, 7].map((which) =>
        framed(colour.map((value, at) => value + (((which >> at) & 1) === 1 ? 1 : -1))).map((one) => one.colour),
      );
      ok(
        moved[0]!.some((one) => moved.every((colours) => colours.includes(one))),
        JSON.stringify([colour, moved]),
      );
    }
  });

  it('are no accusation where all pictures are alike, nor where half of a label has one, nor where both labels have it', async () => {
    equal(await judged(planted(() => ({}))), 'pass');
    equal(await judged(planted((row) => (row % 4 === 1 ? { format: 'jpg' } : {}))), 'pass');
    equal(await judged(Array.from(classes, (_, row) => ({ ...PLAIN, width: 32 + ((row >> 1) % 9) }))), 'pass');
  });

  it('are judged in no run that began before there was the gate', () => {
    const { giveawayTrait, ...before } = GatesSchema.parse({});
    const named = (spec: Partial<GatesSpec>) => judgeGates({}, spec).gates.some(({ name }) => name === 'giveawayTrait');
    deepEqual([named(before), named({ ...before, giveawayTrait })], [false, true]);
  });

  it('are no answer where no label has ten pictures', async () => {
    const { score } = await findGiveawayTrait(
      planted(() => ({ format: 'jpg' })).slice(0, 12),
      classes.slice(0, 12),
      2,
      5,
    );
    deepEqual([score.value, score.notApplicable], [null, 'no label has 10 rows with it and 10 without it']);
  });

  it('are looked for in the training pictures of a dataset, and shown by some that have it', async () => {
    const { store, close } = await withStore();
    try {
      const made = await makePictures(60, 5);
      const train = await Promise.all(
        made.map(async (one) =>
          one.label === COLOURS[1] ? { ...one, bytes: await sharp(one.bytes).resize(20, 12).png().toBuffer() } : one,
        ),
      );
      const dataset = await putPictures(store, { train, validation: [] });
      const asked = { dataset, labels: COLOURS, seed: 3 };
      const { signal } = new AbortController();
      const { score, worst, examples } = await scanTraits(asked, { store, signal, progress: () => undefined });
      deepEqual([score.value, worst?.label, worst?.both, worst?.rows], [1, 1, 20, 20]);
      equal(examples.length, 5);
      const ids = new Set(train.filter(({ label }) => label === COLOURS[1]).map(({ id }) => id));
      ok(examples.every(({ id, note }) => ids.has(id) && note?.startsWith('width')));
    } finally {
      close();
    }
  });
});

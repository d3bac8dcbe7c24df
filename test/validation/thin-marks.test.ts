import { deepEqual, equal, ok } from 'node:assert/strict';
import sharp from 'sharp';
import { thinMarks } from '../../activities/validation/thin-marks.ts';
import { decodePicture } from '../../inference/image/decode.ts';

const LIMITS = { maxBytes: 2 ** 20, maxPixels: 2 ** 20 };
const SIDE = 24;

/** Pixels as `level` says, the same in each channel; what it leaves open is noise. */
function drawn(level: (x: number, y: number) => number | null, width = SIDE, height = SIDE) {
  const pixels = new Uint8Array(width * height * 3);
  for (let at = 0; at < width * height; at++) {
    const [x, y] = [at % width, Math.floor(at / width)];
    pixels.fill(level(x, y) ?? (at * 7919 + (at >> 3) * 104_729) % 256, at * 3, at * 3 + 3);
  }
  return { width, height, pixels };
}
const fromEdge = (x: number, y: number): number => Math.min(x, y, SIDE - 1 - x, SIDE - 1 - y);
/** How wide what is told by its colour is, of a picture of 24 pixels. */
const SEEN = { frame: 1, corner: 2 };
const places = (picture: Parameters<typeof thinMarks>[0], seen = SEEN): readonly string[] => [
  ...new Set(thinMarks(picture, seen).map(({ place }) => place)),
];
/** As wide as a frame and a corner of a picture of 224 pixels that are told by their colour. */
const SEEN_LARGE = { frame: 4, corner: 18 };

describe('thin frames and small corners', () => {
  for (const wide of [1, 2, 3]) {
    it(`are a frame that is ${wide} wide, and none that is wider or narrower`, () => {
      const marks = thinMarks(
        drawn((x, y) => (fromEdge(x, y) < wide ? 130 : null)),
        SEEN,
      );
      const frames = marks.filter(({ place }) => place.startsWith('frame'));
      deepEqual(
        frames.map(({ place, word }) => `${place}: ${word}`),
        ['128–143', '124–139', '120–135', '116–131'].map(
          (levels) => `frame ${wide} ${wide === 1 ? 'pixel' : 'pixels'} wide: brightness ${levels}`,
        ),
      );
    });
  }

  it('are a corner of each end and side', () => {
    for (const [name, inside] of [
      ['top left', (x: number, y: number) => x < 3 && y < 3],
      ['top right', (x: number, y: number) => x >= SIDE - 3 && y < 3],
      ['bottom left', (x: number, y: number) => x < 3 && y >= SIDE - 3],
      ['bottom right', (x: number, y: number) => x >= SIDE - 3 && y >= SIDE - 3],
    ] as const) {
      deepEqual(places(drawn((x, y) => (inside(x, y) ? 200 : null))), [`${name} corner 3 pixels wide`]);
    }
  });

  it('are seen in pictures that are not square, at their own resolution', () => {
    const [width, height] = [90, 40];
    const edge = (x: number, y: number): boolean => Math.min(x, y, width - 1 - x, height - 1 - y) === 0;
    const found = places(drawn((x, y) => (edge(x, y) ? 0 : null), width, height));
    deepEqual(
      found.filter((place) => place.startsWith('frame')),
      ['frame 1 pixel wide'],
    );
  });

  it('are of every width in a large picture, up to where the colour lies in blocks of JPEG of its own', () => {
    const side = 224;
    const edge = (x: number, y: number): number => Math.min(x, y, side - 1 - x, side - 1 - y);
    const widths = (most: number): readonly number[] => Array.from({ length: most }, (_, at) => at + 1);
    for (const [wide, seen] of widths(18).map((one) => [one, one <= 16] as const)) {
      const found = places(
        drawn((x, y) => (edge(x, y) < wide ? 130 : null), side, side),
        SEEN_LARGE,
      );
      equal(found.includes(`frame ${wide} ${wide === 1 ? 'pixel' : 'pixels'} wide`), seen, `${wide}: ${found.join()}`);
    }
    for (const [wide, seen] of widths(34).map((one) => [one, one >= 2 && one <= 32] as const)) {
      const found = places(
        drawn((x, y) => (Math.max(side - 1 - x, y) < wide ? 130 : null), side, side),
        SEEN_LARGE,
      );
      equal(found.includes(`top right corner ${wide} pixels wide`), seen, `${wide}: ${found.join()}`);
    }
  });

  it('are no wider than an eighth, or a quarter, of a picture: that is what it shows', () => {
    const side = 64;
    const marked = (wide: number) => drawn((x, y) => (Math.max(x, y) < wide ? 130 : null), side, side);
    const framed = (wide: number) =>
      drawn((x, y) => (Math.min(x, y, side - 1 - x, side - 1 - y) < wide ? 130 : null), side, side);
    const seen = { frame: 20, corner: 20 };
    deepEqual(places(marked(16), seen), ['top left corner 16 pixels wide']);
    deepEqual(places(marked(18), seen), []);
    deepEqual(
      places(framed(8), seen).filter((place) => place.startsWith('frame')),
      ['frame 8 pixels wide'],
    );
    deepEqual(
      places(framed(10), seen).filter((place) => place.startsWith('frame')),
      [],
    );
  });

  it('are none where nothing ends: not of one brightness, nor of one that passes slowly into another', () => {
    deepEqual(places(drawn(() => 90)), []);
    deepEqual(places(drawn((x, y) => 60 + 3 * x + 2 * y)), []);
    deepEqual(places(drawn(() => null)), []);
  });

  it('are none of a picture that is hardly larger than they would be', () => {
    for (const side of [1, 2, 3, 4])
      deepEqual(
        thinMarks(
          drawn(() => null, side, side),
          SEEN,
        ),
        [],
      );
  });

  it('keep their brightness in JPEG, whose colours are of half the resolution', async () => {
    const { pixels } = drawn(() => null, 30, 30);
    const inner = await sharp(pixels, { raw: { width: 30, height: 30, channels: 3 } })
      .png()
      .toBuffer();
    for (const background of [
      { r: 0, g: 0, b: 0 },
      { r: 128, g: 128, b: 128 },
      { r: 240, g: 192, b: 16 },
    ]) {
      const whole = await sharp(inner).extend({ top: 1, bottom: 1, left: 1, right: 1, background }).png().toBuffer();
      const coded = await sharp(whole).jpeg({ quality: 95 }).toBuffer();
      const found = thinMarks(await decodePicture(coded, 'a picture', LIMITS), SEEN);
      const frame = found.filter(({ place }) => place === 'frame 1 pixel wide');
      equal(frame.length, 4, JSON.stringify(background));
      const brightness = 0.299 * background.r + 0.587 * background.g + 0.114 * background.b;
      ok(
        frame.some(({ word }) => {
          const [least, most] = word.match(/\d+/g)!.map(Number);
          return least! <= brightness && brightness <= most!;
        }),
        JSON.stringify(found),
      );
    }
  });
});

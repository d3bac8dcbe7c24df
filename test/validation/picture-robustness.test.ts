import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict';
import { groupBy } from '../../activities/data/group.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import { decodePicture, type Picture } from '../../inference/image/decode.ts';
import {
  asPng,
  blurred,
  brightened,
  builtInCorruptions,
  noisy,
  rotated,
} from '../../activities/validation/corruptions.ts';
import { measureCorruption } from '../../activities/validation/picture-robustness.ts';

/** A bright square, left of the middle of a dark picture. */
function square(width = 40, height = 32): Picture {
  const pixels = new Uint8Array(width * height * 3).fill(40);
  for (let y = 8; y < 24; y++)
    for (let x = 4; x < 20; x++) pixels.fill(200, (y * width + x) * 3, (y * width + x) * 3 + 3);
  return { width, height, pixels };
}
const at = ({ width, pixels }: Picture, x: number, y: number): number => pixels[(y * width + x) * 3]!;
const meanOf = ({ pixels }: Picture): number => pixels.reduce((sum, value) => sum + value, 0) / pixels.length;
const distance = (one: Picture, other: Picture): number =>
  one.pixels.reduce((sum, value, place) => sum + Math.abs(value - other.pixels[place]!), 0) / one.pixels.length;

describe('corruptions of pictures', () => {
  it('are the same bytes for the same seed, keep the size, and are worse when strong', async () => {
    const picture = square();
    const before = picture.pixels.slice();
    for (const [name, kind] of groupBy(builtInCorruptions(), (corruption) => corruption.name)) {
      deepEqual(
        kind.map(({ severity }) => severity),
        ['mild', 'strong'],
      );
      const files = await Promise.all(kind.map(({ apply }) => apply(picture, 5)));
      deepEqual(files[0], await kind[0]!.apply(picture, 5), name);
      const [mild, strong] = await Promise.all(files.map((bytes) => decodePicture(bytes, name)));
      deepEqual([mild!.width, mild!.height], [40, 32], name);
      const [little, much] = [distance(picture, mild!), distance(picture, strong!)];
      ok(little > 0.02 && much > little, `${name}: ${little}, ${much}`);
    }
    deepEqual(picture.pixels, before, 'what was given is not changed');
    const [noise] = builtInCorruptions();
    notDeepEqual(await noise!.apply(picture, 5), await noise!.apply(picture, 6));
  });

  it('do what they are called', () => {
    const picture = square();
    const grey = { width: 100, height: 100, pixels: new Uint8Array(30_000).fill(128) };
    const noise = noisy(grey, 10, 3).pixels;
    const deviation = Math.sqrt(noise.reduce((sum, value) => sum + (value - 128) ** 2, 0) / noise.length);
    ok(Math.abs(deviation - 10) < 0.2, String(deviation));
    deepEqual(blurred(picture, 0).pixels, picture.pixels);
    const soft = blurred(picture, 2);
    ok(Math.abs(meanOf(soft) - meanOf(picture)) < 1, 'light is moved, not made');
    // Half of the way at an edge: the Gaussian's integral.
    ok(Math.abs((at(soft, 3, 16) + at(soft, 4, 16)) / 2 - 120) < 2, String(at(soft, 4, 16)));
    deepEqual([at(brightened(picture, 2), 10, 16), at(brightened(picture, 0.5), 0, 0)], [255, 20]);
    deepEqual(rotated(picture, 0).pixels, picture.pixels);
    const turned = rotated({ ...square(32, 32) }, 90);
    // A quarter to the right (y grows downwards): what was on the left comes on top, or below the other way round.
    equal(at(turned, 16, 6) + at(turned, 16, 25), 240);
    ok(distance(rotated(rotated(square(32, 32), 90), -90), square(32, 32)) < 0.5);
    deepEqual(rotated({ ...grey }, 33).pixels, grey.pixels, 'no black corners');
  });
});

describe('what corruptions cost', () => {
  const answering = (label: (picture: Picture) => number): Pick<ImageModel, 'runAll' | 'config'> => ({
    // Of the model only its size is looked at.
    config: { processor: { crop: { width: 32, height: 32 } } } as ImageModel['config'],
    async runAll(files) {
      const pictures = await Promise.all(files.map((bytes) => decodePicture(bytes, 'a picture')));
      const probabilities = Float32Array.from(pictures.flatMap((picture) => (label(picture) === 1 ? [0, 1] : [1, 0])));
      return { rows: files.length, embeddings: new Float32Array(files.length), probabilities };
    },
  });
  const pictures = async (count: number, picture = square()) => {
    const bytes = await asPng(picture);
    return Array.from({ length: count }, (_, place) => ({
      id: `row-${place}`,
      read: () => Promise.resolve(bytes),
      expected: 1,
    }));
  };

  it('is nothing for a model that sees the square, and all for one that counts on the exact pixels', async () => {
    const sees = answering((picture) => (at(picture, 10, 16) > at(picture, 30, 16) ? 1 : 0));
    const good = await measureCorruption(sees, await pictures(12), 2, { seed: 1 });
    equal(good.byCorruption.length, 10);
    deepEqual(new Set(good.byCorruption.map(({ drop }) => drop.value)), new Set([0]));
    equal(good.score.value, 0);
    const exact = answering(({ pixels }) => (pixels.every((value) => value === 40 || value === 200) ? 1 : 0));
    const brittle = await measureCorruption(exact, await pictures(12), 2, { seed: 1 });
    equal(brittle.score.value, 1);
    ok(brittle.score.interval!.low > 0.5 && brittle.score.interval!.confidence === 0.99);
    deepEqual(await measureCorruption(exact, [], 2, { seed: 1 }).then(({ score }) => score.value), null);
  });

  it('is judged by mild corruptions only, and by the one that costs most', async () => {
    const dark = answering((picture) => (meanOf(picture) > 65 ? 1 : 0));
    const { score, byCorruption } = await measureCorruption(dark, await pictures(30), 2, { seed: 1 });
    const brightness = byCorruption.find(({ name, severity }) => name === 'brightness' && severity === 'mild')!;
    ok(brightness.drop.value! > 0.2 && brightness.drop.value! < 0.8, 'darker for about half of the pictures');
    deepEqual(score, brightness.drop);
  });

  it('is measured at the size that the model looks at: a blur is the same for a large photograph', async () => {
    const sizes: number[] = [];
    const model = answering(({ width, height }) => {
      sizes.push(width, height);
      return 1;
    });
    const large = { width: 640, height: 320, pixels: new Uint8Array(640 * 320 * 3).fill(90) };
    await measureCorruption(model, await pictures(1, large), 2, { seed: 1 });
    deepEqual(new Set(sizes), new Set([64, 32]));
  });
});

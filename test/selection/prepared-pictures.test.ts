import { deepEqual, equal, ok, rejects } from 'node:assert/strict';
import sharp from 'sharp';
import { preparedPictures } from '../../activities/selection/prepared-pictures.ts';
import { PICTURE_LIMITS } from '../../inference/image/decode.ts';
import { pixelValues } from '../../inference/image/preprocess.ts';
import { ImageProcessorSchema } from '../../inference/image/processor.ts';

const processor = ImageProcessorSchema.parse({
  size: { height: 8, width: 8 },
  image_mean: [0, 0, 0],
  image_std: [1, 1, 1],
});
const { signal } = new AbortController();

async function flat(level: number, edge = 16, compressionLevel = 6): Promise<Uint8Array> {
  const background = { r: level, g: 255 - level, b: 7 };
  return sharp({ create: { width: edge, height: edge, channels: 3, background } })
    .png({ compressionLevel })
    .toBuffer();
}

describe('pictures prepared for a model', () => {
  it('are a batch of what it sees, of whose files none is held once the next is asked for', async () => {
    const files = await Promise.all(Array.from({ length: 19 }, (_, at) => flat(13 * at)));
    const wanted = await Promise.all(files.map((bytes) => pixelValues(bytes, processor)));
    // One piece of memory for every file, overwritten: whoever kept one of them finds another there.
    const room = new Uint8Array(Math.max(...files.map(({ length }) => length)));
    let readAhead = 0;
    async function* one() {
      for (const [at, bytes] of files.entries()) {
        await Promise.resolve();
        room.fill(0);
        room.set(bytes);
        readAhead += 1;
        yield { image: `picture-${at}`, label: `label-${at}`, bytes: room.subarray(0, bytes.length) };
      }
    }
    const seen: Float32Array[] = [];
    const sizes: number[] = [];
    for await (const { rows, pixels } of preparedPictures(one(), processor, signal)) {
      for (const [row, { image, label }] of rows.entries()) {
        deepEqual([image, label], [`picture-${seen.length + row}`, `label-${seen.length + row}`]);
        ok(!('bytes' in rows[row]!));
      }
      seen.push(...pixels);
      sizes.push(rows.length);
      equal(readAhead, seen.length);
    }
    deepEqual(sizes, [8, 8, 3]);
    deepEqual(seen, wanted);
  });

  it('may be larger files than a server takes: data preparation has judged them', async () => {
    const large = await flat(40, 3400, 0);
    ok(large.length > PICTURE_LIMITS.maxBytes);
    async function* one() {
      yield await Promise.resolve({ image: 'large.png', bytes: large });
    }
    for await (const { pixels } of preparedPictures(one(), processor, signal)) {
      deepEqual(pixels[0], await pixelValues(await flat(40), processor));
    }
  });

  it('are refused by name where one is damaged', async () => {
    async function* damaged() {
      yield { image: 'train/good.png', bytes: await flat(1) };
      yield { image: 'train/bad.png', bytes: (await flat(2)).subarray(0, 60) };
    }
    const all = async () => {
      for await (const _ of preparedPictures(damaged(), processor, signal));
    };
    await rejects(all, { kind: 'BadData', where: 'train/bad.png' });
  });
});

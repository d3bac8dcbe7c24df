import assert from 'node:assert/strict';
import { deflateSync } from 'node:zlib';
import sharp from 'sharp';
import { EspalierError } from '../../../artifacts/errors.ts';
import { decodePicture } from '../../../inference/image/decode.ts';
import { SLICE_PIXELS, toRgb } from '../../../inference/image/levels.ts';
import { ImageProcessorSchema } from '../../../inference/image/processor.ts';
import { resample } from '../../../inference/image/resample.ts';

const noise = (width: number, height: number): ReturnType<typeof sharp> =>
  sharp({
    create: { width, height, channels: 3, background: 'teal', noise: { type: 'gaussian', mean: 128, sigma: 40 } },
  });

/** A PNG's header of these sizes, with nothing behind it. */
function bomb(width: number, height: number): Buffer {
  const header = Buffer.from('89504e470d0a1a0a0000000d49484452000000000000000008020000000000000000000000', 'hex');
  header.writeUInt32BE(width, 16);
  header.writeUInt32BE(height, 20);
  return Buffer.concat([header, Buffer.alloc(64)]);
}

/** A deflated TIFF of inks, all of one level. */
function flatTiff(edge: number, channels: number, depth: 8 | 16, level: number): Buffer {
  const levels = Buffer.alloc((edge * edge * channels * depth) / 8, level);
  const data = deflateSync(levels);
  const depthsAt = 8 + 2 + 12 * 9 + 4;
  const tags = [
    [256, 4, 1, edge],
    [257, 4, 1, edge],
    [258, 3, channels, depthsAt],
    [259, 3, 1, 8],
    [262, 3, 1, 5],
    [273, 4, 1, depthsAt + 2 * channels],
    [277, 3, 1, channels],
    [278, 4, 1, edge],
    [279, 4, 1, data.length],
  ] as const;
  const head = Buffer.alloc(depthsAt + 2 * channels);
  head.write('II*\0', 'latin1');
  head.writeUInt32LE(8, 4);
  head.writeUInt16LE(tags.length, 8);
  for (const [index, [tag, type, count, value]] of tags.entries()) {
    const at = 10 + 12 * index;
    head.writeUInt16LE(tag, at);
    head.writeUInt16LE(type, at + 2);
    head.writeUInt32LE(count, at + 4);
    head.writeUInt32LE(value, at + 8);
  }
  for (let channel = 0; channel < channels; channel += 1) head.writeUInt16LE(depth, depthsAt + 2 * channel);
  return Buffer.concat([head, data]);
}

async function refused(bytes: Uint8Array, message: RegExp): Promise<void> {
  await assert.rejects(decodePicture(bytes, 'cats/1.jpg'), (error) => {
    assert.ok(error instanceof EspalierError, String(error));
    assert.deepEqual([error.kind, error.where], ['BadData', 'cats/1.jpg']);
    assert.match(error.message, message);
    return true;
  });
}

describe('a file that is no good picture', () => {
  it('is refused where it is empty, or something else', async () => {
    await refused(new Uint8Array(0), /the file is empty/);
    await refused(Buffer.from('not a picture at all'), /not JPEG, PNG, WebP, GIF or TIFF/);
    await refused(Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>'), /not JPEG/);
    await refused(Buffer.from('%PDF-1.7'), /not JPEG/);
    await refused(Buffer.from('\x89PNG\r\n\x1A\nand then nothing of the kind', 'latin1'), /damaged/);
  });

  it('is refused where it is cut short or damaged, whatever its format', async () => {
    for (const format of ['jpeg', 'png', 'webp', 'gif', 'tiff'] as const) {
      const whole = await noise(120, 80).toFormat(format).toBuffer();
      await decodePicture(whole, 'whole');
      await refused(whole.subarray(0, whole.length / 2), /damaged/);
    }
    const inks = await noise(120, 80).toColourspace('cmyk').jpeg().toBuffer();
    await decodePicture(inks, 'whole');
    await refused(inks.subarray(0, inks.length / 2), /damaged/);
    const png = await noise(120, 80).png().toBuffer();
    png[png.length >> 1] = (png[png.length >> 1] as number) ^ 255;
    await refused(png, /damaged/);
  });

  it('is refused by its header where it would decode to gigabytes, at once', async () => {
    await refused(bomb(60_000, 60_000), /(60000 × 60000, more than 64000000 pixels|damaged)/);
    // CPU time: the wall clock would also measure whatever else the machine does.
    const started = process.cpuUsage();
    const real = await sharp({ create: { width: 12_000, height: 9_000, channels: 3, background: 'white' } })
      .png()
      .toBuffer();
    const making = process.cpuUsage(started).user;
    const decoding = process.cpuUsage();
    const before = process.memoryUsage().rss;
    await refused(real, /12000 × 9000, more than 64000000 pixels/);
    assert.ok(process.cpuUsage(decoding).user < Math.max(200_000, making / 2));
    assert.ok(process.memoryUsage().rss - before < 100e6);
  });

  it('is refused by its header where it decodes to more bytes than its pixels may, though they are few enough', async () => {
    const limits = { maxBytes: 2 ** 25, maxPixels: 100 * 100 };
    await decodePicture(flatTiff(100, 4, 16, 7), 'inks', limits);
    // The copy that is turned has the file's depth.
    const deep = (orientation: number): Promise<Buffer> =>
      noise(100, 100).ensureAlpha(0.5).toColourspace('rgb16').withMetadata({ orientation }).png().toBuffer();
    await decodePicture(await deep(1), 'upright', limits);
    await assert.rejects(decodePicture(await deep(6), 'turned', limits), (error) => {
      assert.ok(error instanceof EspalierError, String(error));
      assert.match(
        error.message,
        /^the picture is 100 × 100 with 4 channels of ushort, turned: .* 120000 bytes, more than 80000$/,
      );
      assert.equal(error.fix, 'scale it down, or save it upright as RGB of 8 bits');
      return true;
    });
  });

  it('leaves turns to other work while its inks become colours, and ends when it is called off', async () => {
    const edge = 2048;
    const bytes = flatTiff(edge, 4, 16, 128);
    const slices = (edge * edge) / SLICE_PIXELS;
    const levels = Buffer.alloc(edge * edge * 4, 128);
    let turns = 0;
    let over = false;
    setImmediate(function turn() {
      turns += 1;
      if (!over) setImmediate(turn);
    });
    const pixels = await toRgb({ data: levels, channels: 4, inks: true });
    over = true;
    assert.ok(turns >= slices - 1, `${turns} of ${slices - 1}`);
    assert.equal(pixels.buffer, levels.buffer);
    assert.deepEqual((await decodePicture(bytes, 'deep')).pixels.subarray(0, 3), pixels.subarray(0, 3));

    const off = new AbortController();
    setImmediate(() => off.abort(new Error('called off')));
    const again = toRgb({ data: Buffer.alloc(edge * edge * 4), channels: 4, inks: true }, off.signal);
    await assert.rejects(again, /called off/);
    await assert.rejects(decodePicture(bytes, 'deep', undefined, off.signal), /called off/);
  });

  it('is refused where it is a strip, or has too many bytes', async () => {
    await refused(await noise(2010, 10).png().toBuffer(), /2010 × 10: one edge is more than 200 times the other/);
    await decodePicture(await noise(2000, 10).png().toBuffer(), 'just');
    await refused(new Uint8Array(33 * 2 ** 20), /33|bytes, more than/);
  });
});

describe('resampling', () => {
  it('computes a window as it would cut it from the whole', () => {
    const pixels = Uint8Array.from({ length: 61 * 47 * 3 }, (_, index) => (index * 7919) % 256);
    const picture = { width: 61, height: 47, pixels };
    for (const [width, height] of [
      [90, 20],
      [20, 90],
      [33, 30],
      [61, 47],
      [100, 80],
    ] as const) {
      const whole = resample(picture, { width, height, filter: 3 });
      for (const window of [
        { left: 3, top: 2, width: 11, height: 9 },
        { left: -4, top: -3, width: width + 9, height: height + 5 },
      ]) {
        const part = resample(picture, { width, height, filter: 3 }, window);
        for (let y = 0; y < window.height; y += 1) {
          for (let x = 0; x < window.width; x += 1) {
            const [column, row] = [x + window.left, y + window.top];
            const inside = column >= 0 && row >= 0 && column < width && row < height;
            const expected = inside ? whole.pixels[(row * width + column) * 3] : 0;
            assert.equal(part.pixels[(y * window.width + x) * 3], expected, `${width} × ${height} at ${x}, ${y}`);
          }
        }
      }
    }
  });
});

describe('preprocessor_config.json', () => {
  const config = { size: 224, image_mean: [0, 0, 0], image_std: [1, 1, 1] };

  it('is refused where it asks for what is not done, naming the field', () => {
    const wrong = {
      do_pad: true,
      do_flip_channel_order: true,
      do_resize: false,
      resample: 0,
      image_mean: null,
      image_std: [1, 0, 1],
      size: { shortest_edge: 0 },
    };
    for (const [name, value] of Object.entries(wrong)) {
      const { error } = ImageProcessorSchema.safeParse({ ...config, [name]: value });
      assert.ok(
        error?.issues.some(({ path }) => path[0] === name),
        name,
      );
    }
    assert.ok(!ImageProcessorSchema.safeParse({ ...config, size: { height: 1e6, width: 1e6 } }).success);
  });

  it('is read from an old file of a ResNet, too', () => {
    const { resize, crop, filter } = ImageProcessorSchema.parse({
      ...config,
      feature_extractor_type: 'ConvNextFeatureExtractor',
      crop_pct: 0.875,
      resample: 3,
    });
    assert.deepEqual(
      { resize, crop, filter },
      { resize: { shortestEdge: 256 }, crop: { width: 224, height: 224 }, filter: 3 },
    );
  });
});

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { EspalierError } from '../../../artifacts/errors.ts';
import { decodePicture } from '../../../inference/image/decode.ts';
import { normalised, preparePicture, seenLevels } from '../../../inference/image/preprocess.ts';
import { ImageProcessorSchema } from '../../../inference/image/processor.ts';
import { pythonForTests } from '../../support/python.ts';

const common = { do_resize: true, do_rescale: true, rescale_factor: 0.00392156862745098, do_normalize: true };
const imagenet = { image_mean: [0.485, 0.456, 0.406], image_std: [0.229, 0.224, 0.225] };
const half = { image_mean: [0.5, 0.5, 0.5], image_std: [0.5, 0.5, 0.5] };

/** A preprocessor_config.json each. */
const PROCESSORS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  resnet: {
    ...common,
    ...imagenet,
    image_processor_type: 'ConvNextImageProcessor',
    crop_pct: 0.875,
    resample: 3,
    size: { shortest_edge: 224 },
  },
  large: { ...common, ...imagenet, image_processor_type: 'ConvNextImageProcessor', size: { shortest_edge: 384 } },
  mobilenet: {
    ...common,
    ...half,
    image_processor_type: 'MobileNetV2ImageProcessor',
    size: { shortest_edge: 64 },
    do_center_crop: true,
    crop_size: { height: 56, width: 60 },
    resample: 2,
  },
  // A crop larger than what is there: black at the edges.
  wide: {
    ...common,
    ...half,
    image_processor_type: 'MobileNetV2ImageProcessor',
    size: { shortest_edge: 30 },
    do_center_crop: true,
    crop_size: { height: 41, width: 36 },
    resample: 1,
  },
  vit: { ...common, ...half, image_processor_type: 'ViTImageProcessor', size: { height: 32, width: 48 }, resample: 2 },
  plain: {
    ...common,
    do_normalize: false,
    ...half,
    image_processor_type: 'ViTImageProcessor',
    size: { height: 40, width: 30 },
    do_center_crop: true,
    crop_size: { height: 20, width: 21 },
    resample: 4,
  },
};

const NOISE = { type: 'gaussian', mean: 128, sigma: 40 } as const;

interface Answer {
  readonly pictures: Readonly<Record<string, readonly [number, number]>>;
  readonly different: readonly unknown[];
  readonly misread: readonly string[];
}

describe('a picture in Node and in Python', function () {
  this.timeout(300_000);
  let folder: string;
  let answer: Answer;
  const file = (name: string): Promise<Buffer> => readFile(join(folder, 'pictures', name));

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'espalier-pictures-'));
    await mkdir(join(folder, 'pictures'));
    for (const [name, config] of Object.entries(PROCESSORS)) {
      await mkdir(join(folder, 'processors', name), { recursive: true });
      await writeFile(join(folder, 'processors', name, 'preprocessor_config.json'), JSON.stringify(config));
    }
    // A profile of colours, which neither side may apply, and which Pillow has none of to write.
    await sharp({ create: { width: 53, height: 37, channels: 3, background: 'teal', noise: NOISE } })
      .withIccProfile('cmyk')
      .toColourspace('cmyk')
      .jpeg({ quality: 95 })
      .toFile(join(folder, 'pictures', 'cmyk-profile.jpg'));
    const { executable, packages } = pythonForTests();
    const script = fileURLToPath(new URL('../../support/picture_parity.py', import.meta.url));
    const { stdout } = await promisify(execFile)(
      executable,
      [script, join(folder, 'pictures'), join(folder, 'processors')],
      { env: { ...process.env, PYTHONPATH: packages, OMP_NUM_THREADS: '1' } },
    );
    answer = JSON.parse(stdout) as Answer;
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('is prepared by the trainer as by the processors of transformers, to the bit', () => {
    assert.ok(Object.keys(answer.pictures).length > 80);
    assert.deepEqual(answer.different, []);
  });

  it('has the same pixels, whatever its format, colours, transparency and orientation', async () => {
    const different: string[] = [];
    for (const [name, size] of Object.entries(answer.pictures)) {
      const picture = await decodePicture(await file(name), name);
      const same = Buffer.from(picture.pixels).equals(await file(`${name}.rgb`));
      if (!same || picture.width !== size[0] || picture.height !== size[1]) different.push(name);
    }
    assert.deepEqual(different, []);
  });

  for (const [processor, config] of Object.entries(PROCESSORS)) {
    it(`becomes the same numbers by the processor '${processor}', to the bit`, async () => {
      const how = ImageProcessorSchema.parse(config);
      const different: string[] = [];
      for (const name of Object.keys(answer.pictures)) {
        const picture = await decodePicture(await file(name), name);
        const expected = await file(`${name}.${processor}.f32`);
        // Whether the levels are looked up or reckoned with.
        for (const values of [preparePicture(picture, how), normalised(seenLevels(picture, how), how)]) {
          if (!Buffer.from(values.buffer).equals(expected)) different.push(name);
        }
      }
      assert.deepEqual(different, []);
    });
  }

  it('may have a colour profile of its inks, which neither applies', async () => {
    const { icc, space } = await sharp(await file('cmyk-profile.jpg')).metadata();
    assert.deepEqual([icc === undefined, space], [false, 'cmyk']);
    assert.ok('cmyk-profile.jpg' in answer.pictures);
  });

  it('is refused by name where it is a TIFF whose colours libvips misreads or cannot read', async () => {
    const refused: Record<string, string> = {};
    for (const name of (await readdir(join(folder, 'unread'))).toSorted()) {
      const bytes = await readFile(join(folder, 'unread', name));
      await assert.rejects(decodePicture(bytes, name), (error) => {
        assert.ok(error instanceof EspalierError, String(error));
        assert.deepEqual([error.kind, error.where, error.fix], ['BadData', name, 'save the picture as RGB']);
        refused[name] = error.message;
        return true;
      });
    }
    const ycbcr = 'the colours of the TIFF are YCbCr without JPEG compression, which is not read';
    assert.deepEqual(refused, {
      'lab.tif': 'the colours of the TIFF are CIE L*a*b*, which is not read',
      'ycbcr-raw.tif': ycbcr,
      'ycbcr-tiff_adobe_deflate.tif': ycbcr,
      'ycbcr-tiff_lzw.tif': ycbcr,
    });
    assert.ok('ycbcr-jpeg.tif' in answer.pictures);
  });

  it('is read otherwise only where Pillow cuts 16-bit grey to white, or looks for a colour of 16 bits among 8', async () => {
    assert.deepEqual(answer.misread, [
      'deep-dark-key.png',
      'deep-grey-dark.png',
      'deep-grey-key.png',
      'deep-grey.png',
      'deep-grey.tif',
      'deep-key.png',
    ]);
    for (const name of answer.misread) {
      const { pixels } = await decodePicture(await file(name), name);
      // Where a later Pillow reads it as it is, the difference is to go.
      assert.ok(!Buffer.from(pixels).equals(await file(`${name}.misread`)), name);
    }
    const levels = await sharp(await file('deep-grey.png'))
      .toColourspace('grey16')
      .raw({ depth: 'ushort' })
      .toBuffer();
    const { pixels } = await decodePicture(await file('deep-grey.png'), 'deep');
    for (let index = 0; index < pixels.length / 3; index += 1) {
      assert.equal(pixels[index * 3], levels.readUInt16LE(index * 2) >> 8);
    }
    const white = (await file('deep-grey.png.misread')).filter((level) => level === 255).length;
    assert.ok(white > 0.99 * pixels.length, String(white / pixels.length));
  });
});

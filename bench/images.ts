/**
 * What a picture costs before a model sees it: decoded, and decoded and prepared as ResNet's processor does (224 of a shortest
 * edge of 256, bicubic), on one thread. Milliseconds a picture, median of 15.
 *
 *   npx tsx bench/images.ts
 */
import sharp from 'sharp';
import { decodePicture } from '../inference/image/decode.ts';
import { preparePicture } from '../inference/image/preprocess.ts';
import { ImageProcessorSchema } from '../inference/image/processor.ts';

const ROUNDS = 15;
const processor = ImageProcessorSchema.parse({
  image_processor_type: 'ConvNextImageProcessor',
  size: { shortest_edge: 224 },
  crop_pct: 0.875,
  resample: 3,
  image_mean: [0.485, 0.456, 0.406],
  image_std: [0.229, 0.224, 0.225],
});
sharp.concurrency(1);

for (const [width, height] of [
  [32, 32],
  [500, 375],
  [1280, 960],
  [4000, 3000],
] as const) {
  const noise = { type: 'gaussian', mean: 128, sigma: 30 } as const;
  const source = sharp({ create: { width: width >> 2, height: height >> 2, channels: 3, background: 'grey', noise } });
  const smooth = await source.png().toBuffer();
  const bytes = await sharp(smooth).resize(width, height).jpeg({ quality: 85 }).toBuffer();
  const decoding: number[] = [];
  const preparing: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const started = performance.now();
    const picture = await decodePicture(bytes, 'picture');
    const decoded = performance.now();
    preparePicture(picture, processor);
    decoding.push(decoded - started);
    preparing.push(performance.now() - decoded);
  }
  process.stdout.write(`${width} × ${height}: decode ${median(decoding)} ms, prepare ${median(preparing)} ms\n`);
}

function median(values: readonly number[]): string {
  return (values.toSorted((one, other) => one - other)[ROUNDS >> 1] ?? Number.NaN).toFixed(1);
}

/** How a model behaves on pictures that no test split has: awkward ones, and harmless edits of known ones. */
import sharp, { type Sharp } from 'sharp';
import { definedOnly } from '../../artifacts/defined-only.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import { pixelValues } from '../../inference/image/preprocess.ts';
import type { ImageProcessor } from '../../inference/image/processor.ts';
import type { Evaluation } from '../contract/validation.ts';
import { PACKED_LIMITS } from '../data/images/pictures.ts';
import type { ChangedRow, Flips } from './behaviour.ts';
import { probabilityProblem } from './edge-inputs.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { argmaxRows } from './metrics.ts';
import { shareScore } from './scores.ts';

type Answers = Pick<ImageModel, 'run'>;
type EdgeInputs = Evaluation['edgeInputs'];

const plain = (width: number, height: number, channels: 3 | 4 = 3): Sharp =>
  sharp({ create: { width, height, channels, background: { r: 200, g: 90, b: 30, alpha: 0.5 } } });
const black = (): Sharp => sharp({ create: { width: 64, height: 64, channels: 3, background: 'black' } });
const white = (): Sharp => sharp({ create: { width: 64, height: 64, channels: 3, background: 'white' } });

/**
 * Pictures that break decoders, preprocessing and models, within what is taken at all (inference/image/decode.ts refuses the
 * rest by name). Each must be answered: by a classifier with a finite probability distribution, by a finder with neighbours.
 * Which label, or which neighbours, is not judged.
 */
const EDGE_PICTURES: readonly { readonly name: string; readonly picture: Sharp }[] = [
  { name: 'one pixel', picture: plain(1, 1).png() },
  { name: 'ten pixels wide and 1500 high', picture: plain(10, 1500).png() },
  { name: '1500 pixels wide and ten high', picture: plain(1500, 10).png() },
  { name: 'all black', picture: black().png() },
  { name: 'all white', picture: white().png() },
  { name: 'grey, one channel', picture: plain(64, 48).toColourspace('b-w').png() },
  { name: 'half transparent', picture: plain(64, 48, 4).png() },
  { name: 'a palette of colours', picture: plain(64, 48).png({ palette: true }) },
  { name: '16 bits a channel', picture: plain(64, 48).toColourspace('rgb16').png() },
  { name: 'CMYK', picture: plain(64, 48).toColourspace('cmyk').jpeg() },
  { name: 'turned by its EXIF orientation', picture: plain(64, 48).withMetadata({ orientation: 6 }).jpeg() },
  { name: 'WebP', picture: plain(64, 48).webp() },
  { name: 'GIF', picture: plain(64, 48).gif() },
  { name: 'JPEG of the lowest quality', picture: plain(64, 48).jpeg({ quality: 1 }) },
];

/** Asks each awkward picture by itself; one that throws, or is answered with no distribution, is not ok. */
export function checkEdgePictures(model: Answers, classes: number, signal?: AbortSignal): Promise<EdgeInputs> {
  const good = 'answered with a probability for every label';
  return askEdgePictures(
    async (picture, name) => {
      const { probabilities } = await model.run([picture], { names: [name] });
      return probabilityProblem(probabilities, classes);
    },
    { good, ...definedOnly({ signal }) },
  );
}

/** `problemOf`: what is wrong with the answer to one, or null; what it throws is. `good`: the detail of one that is answered. */
export async function askEdgePictures(
  problemOf: (picture: Uint8Array, name: string) => Promise<string | null>,
  { good, signal }: { readonly good: string; readonly signal?: AbortSignal },
): Promise<EdgeInputs> {
  const results: EdgeInputs[number][] = [];
  for (const { name, picture } of EDGE_PICTURES) {
    signal?.throwIfAborted();
    const bytes = await picture.clone().toBuffer();
    const problem = await problemOf(bytes, name).catch((error: unknown) =>
      error instanceof Error ? error.message : String(error),
    );
    results.push({ name, ok: problem === null, detail: problem ?? good });
  }
  return results;
}

/**
 * Edits after which a person sees the same (the milder corruptions of Hendrycks and Dietterich, "Benchmarking Neural Network
 * Robustness to Common Corruptions and Perturbations", ICLR 2019, below their first severity). Not mirrored or turned:
 * a digit or a sign is another one then.
 */
const EDITS: readonly { readonly name: string; readonly apply: (picture: Sharp) => Sharp }[] = [
  { name: 'a tenth brighter', apply: (picture) => picture.modulate({ brightness: 1.1 }).png() },
  { name: 'a tenth darker', apply: (picture) => picture.modulate({ brightness: 0.9 }).png() },
  { name: 'a tenth less contrast', apply: (picture) => picture.linear(0.9, 12.8).png() },
  { name: 'blurred by half a pixel', apply: (picture) => picture.blur(0.5).png() },
  { name: 'saved as JPEG of quality 85', apply: (picture) => picture.jpeg({ quality: 85 }) },
];

/**
 * Applies every edit to every picture. One edit is in memory at a time, and of all what the model sees.
 */
export async function measurePictureFlips(
  model: Pick<ImageModel, 'runPixels' | 'config'>,
  pictures: readonly (() => Promise<Uint8Array>)[],
  classes: number,
  options: EditOptions = {},
): Promise<Flips> {
  const labels: Int32Array[] = [];
  for await (const pixels of editedPictures(pictures, model.config.processor, options)) {
    const { probabilities = new Float32Array() } = await model.runPixels(pixels);
    labels.push(argmaxRows(probabilities, classes));
  }
  return flipsOf(labels);
}

interface EditOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Of `flipsOf` and `editedPictures`: a picture as it is, and under each edit. */
export const FORMS = 1 + EDITS.length;

/**
 * What a model sees of each picture: as it is, then under each edit. What is compared is the same decoded picture with and without the
 * edit, so that neither orientation nor colour space counts as one.
 */
export async function* editedPictures(
  pictures: readonly (() => Promise<Uint8Array>)[],
  processor: ImageProcessor,
  { signal, onProgress }: EditOptions,
): AsyncGenerator<readonly Float32Array[]> {
  for (const [place, read] of pictures.entries()) {
    signal?.throwIfAborted();
    const same = await sharp(await read())
      .autoOrient()
      .flatten({ background: 'white' })
      .toColourspace('srgb')
      .png()
      .toBuffer();
    const seen = (bytes: Uint8Array): Promise<Float32Array> =>
      pixelValues(bytes, processor, { where: `picture ${place + 1}`, limits: PACKED_LIMITS });
    const pixels = [await seen(same)];
    for (const { apply } of EDITS) pixels.push(await seen(await apply(sharp(same)).toBuffer()));
    yield pixels;
    onProgress?.(place + 1, pictures.length);
  }
}

/** `labels`: of each picture, what it is answered with as it is and under each edit. */
export function flipsOf(labels: readonly Int32Array[]): Flips {
  const byEdit = EDITS.map(({ name }, edit) => {
    const flipped = labels.filter((of) => of[edit + 1] !== of[0]).length;
    return { name, edited: labels.length, flipped };
  });
  const changed = labels.flatMap((of, row): ChangedRow[] => {
    const edit = EDITS.find((_, at) => of[at + 1] !== of[0]);
    return edit === undefined ? [] : [{ row, edit: edit.name }];
  });
  return { score: shareScore(changed.length, labels.length), byEdit, changed: changed.slice(0, MOST_EXAMPLES) };
}

/** Reads a sample of the training rows for `domain.ts`. */
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { readHeader } from '../../inference/image/decode.ts';
import { pixelValues } from '../../inference/image/preprocess.ts';
import type { ImageModel } from '../../inference/image-model.ts';
import type { TextModel } from '../../inference/text-model.ts';
import { wholeText, type TextInput } from '../../inference/texts.ts';
import { TokenCounter } from '../../inference/token-counts.ts';
import type { PictureDomain, TextDomain } from '../contract/selection.ts';
import { loadPictures, PACKED_LIMITS } from '../data/images/pictures.ts';
import type { StepContext } from '../step.ts';
import { sampleIndices, seededRandom } from '../validation/random.ts';
import { placesThatFit } from '../validation/sample-rows.ts';
import { meanDistance, pictureDomain, textDomain, type SeenPicture } from './domain.ts';
import { rowsInMemory, type EmbeddedRows } from './embedded-rows.ts';
import { REFERENCE_TEXTS } from './reference-text.ts';

const MAX_TEXTS = 2000;
/** Every one is decoded once more. */
const MAX_PICTURES = 200;

/** The training texts that are measured, of rows of so many bytes; ascending. */
export function domainPlaces(sizes: Uint32Array, seed: number): readonly number[] {
  return placesThatFit(sampleIndices(sizes.length, MAX_TEXTS, seededRandom(seed, 5)), sizes, seed);
}

/** `sample`: the texts at `domainPlaces`; `rows`: all training texts. */
export async function measureTexts(
  model: TextModel,
  folder: string,
  { sample, rows }: { readonly sample: readonly TextInput[]; readonly rows: EmbeddedRows },
  signal: AbortSignal,
): Promise<TextDomain> {
  const { dimension, maxLength, windows } = model.config;
  const counter = await TokenCounter.load(join(folder, 'tokenizer.json'));
  const { embeddings } = await model.runAll(REFERENCE_TEXTS, { signal });
  const reference = rowsInMemory({ embeddings, classes: new Int32Array(REFERENCE_TEXTS.length) }, dimension);
  return textDomain(sample.map(wholeText), await counter.count(sample), {
    maxLength,
    windows,
    distance: await meanDistance(rows, reference, dimension),
  });
}

/** The first pictures of the split: its order is a drawn one. */
export async function measurePictures(
  model: ImageModel,
  dataset: ArtifactRef,
  { store, signal }: Pick<StepContext, 'store' | 'signal'>,
): Promise<PictureDomain> {
  const { processor } = model.config;
  const seen: SeenPicture[] = [];
  for await (const { image, bytes } of loadPictures(store, dataset, 'train', signal)) {
    const { width, height } = await readHeader(bytes, image, PACKED_LIMITS);
    const pixels = await pixelValues(bytes, processor, { where: image, limits: PACKED_LIMITS });
    const area = pixels.length / 3;
    const channels = [0, 1, 2].map(
      (channel) => pixels.subarray(channel * area, (channel + 1) * area).reduce((sum, value) => sum + value, 0) / area,
    );
    seen.push({ width, height, channels });
    if (seen.length === MAX_PICTURES) break;
  }
  return pictureDomain(seen, processor);
}

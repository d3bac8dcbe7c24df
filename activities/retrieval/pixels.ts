/** Pictures as nothing but their colours: what an embedding must beat to be worth a model. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { decodePicture, type Picture } from '../../inference/image/decode.ts';
import { resample } from '../../inference/image/resample.ts';
import type { Split } from '../contract/data.ts';
import { loadPictures, PACKED_LIMITS } from '../data/images/pictures.ts';
import { classOf } from '../selection/embed-pictures.ts';
import { rowsInFile } from '../selection/embedded-rows.ts';
import type { StepContext } from '../step.ts';
import { galleryInFile, type Gallery } from './gallery.ts';

/** Small enough that a picture moved by a little stays near itself. */
const EDGE = 16;
export const PIXEL_DIMENSION = EDGE * EDGE * 3;
/** Pillow's number of the filter. */
const BILINEAR = 2;
/** Pictures that are written at once. */
const BLOCK = 256;

interface Shrunk {
  readonly dataset: ArtifactRef;
  readonly split: Split;
  readonly labels: readonly string[];
  /** Which ids; all when missing. */
  readonly isWanted?: (id: string) => boolean;
}

export interface PixelRows {
  readonly ids: readonly string[];
  readonly classes: Int32Array;
  /** Row-major [rows, PIXEL_DIMENSION], 0–255. */
  readonly embeddings: Float32Array;
}

/** A picture shrunk to 16 × 16: its PIXEL_DIMENSION numbers, 0–255. */
export function colours(picture: Picture): Uint8Array {
  return resample(picture, { width: EDGE, height: EDGE, filter: BILINEAR }).pixels;
}

/** A split's pictures, each shrunk to 16 × 16, in the dataset's order, some at a time. */
export async function* pixelBlocks(
  { dataset, split, labels, isWanted = () => true }: Shrunk,
  { store, signal, progress }: Pick<StepContext, 'store' | 'signal' | 'progress'>,
): AsyncGenerator<PixelRows> {
  let [ids, classes, shrunk]: [string[], number[], Uint8Array[]] = [[], [], []];
  let done = 0;
  const flush = (): PixelRows => {
    const embeddings = new Float32Array(shrunk.length * PIXEL_DIMENSION);
    for (const [row, values] of shrunk.entries()) embeddings.set(values, row * PIXEL_DIMENSION);
    const block = { ids, classes: Int32Array.from(classes), embeddings };
    [ids, classes, shrunk] = [[], [], []];
    return block;
  };
  for await (const { id, image, label, bytes } of loadPictures(store, dataset, split, signal)) {
    if (!isWanted(id)) continue;
    const picture = await decodePicture(bytes, image, PACKED_LIMITS);
    ids.push(id);
    classes.push(classOf(labels, label, `${split} row ${id}`));
    shrunk.push(colours(picture));
    progress({ phase: `pixels of ${split}`, done: ++done });
    if (ids.length === BLOCK) yield flush();
  }
  if (ids.length > 0) yield flush();
}

export interface CentredPixels {
  readonly gallery: Gallery;
  /** Of such rows, row by row. */
  readonly centre: (pixels: Float32Array) => Float32Array;
}

/** A gallery less its mean picture, as what asks it must be: the angle between raw pixels is that of their brightness alone. In a file below `folder`. */
export async function pixelGallery(
  blocks: AsyncIterable<PixelRows>,
  { folder, signal }: { readonly folder: string; readonly signal: AbortSignal },
): Promise<CentredPixels> {
  const options = { dimension: PIXEL_DIMENSION, signal };
  const raw = join(folder, 'pixels-raw.f32');
  const ids: string[] = [];
  async function* counted() {
    for await (const block of blocks) {
      ids.push(...block.ids);
      yield block;
    }
  }
  const rows = await rowsInFile(raw, counted(), options);
  const mean = new Float64Array(PIXEL_DIMENSION);
  for await (const { embeddings } of rows.blocks()) {
    for (const [at, value] of embeddings.entries()) mean[at % PIXEL_DIMENSION]! += value / rows.classes.length;
  }
  const centre = (pixels: Float32Array): Float32Array => pixels.map((value, at) => value - mean[at % PIXEL_DIMENSION]!);
  async function* centred() {
    let first = 0;
    for await (const { embeddings, classes } of rows.blocks()) {
      yield { ids: ids.slice(first, first + classes.length), classes, embeddings: centre(embeddings) };
      first += classes.length;
    }
  }
  const gallery = await galleryInFile(join(folder, 'pixels.f32'), centred(), options);
  await rm(raw);
  return { gallery, centre };
}

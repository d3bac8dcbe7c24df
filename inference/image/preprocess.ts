/** A picture as a model sees it: resized as Pillow does, cropped, rescaled and normalised as the Python processor does. */
import { decodePicture, type Picture, type PictureLimits } from './decode.ts';
import type { ImageProcessor } from './processor.ts';
import { resample, type Window } from './resample.ts';

export interface DecodeOptions {
  readonly where?: string;
  readonly limits?: PictureLimits;
  readonly signal?: AbortSignal;
}

/**
 * float32 [3, crop.height, crop.width], channels first, equal to the Python image processor's `pixel_values` to the bit.
 * `where` names the picture in messages. Throws BadData for what cannot be decoded.
 */
export async function pixelValues(
  bytes: Uint8Array,
  processor: ImageProcessor,
  { where = 'the picture', limits, signal }: DecodeOptions = {},
): Promise<Float32Array> {
  return preparePicture(await decodePicture(bytes, where, limits, signal), processor);
}

/** The same from pixels. */
export function preparePicture(picture: Picture, processor: ImageProcessor): Float32Array {
  const { pixels } = seenPicture(picture, processor);
  const area = pixels.length / 3;
  const values = new Float32Array(3 * area);
  const table = levels(processor);
  for (let channel = 0; channel < 3; channel += 1) {
    const of = table.subarray(channel * 256, (channel + 1) * 256);
    for (let index = 0, from = channel, to = channel * area; index < area; index += 1, from += 3, to += 1) {
      values[to] = of[pixels[from] as number] as number;
    }
  }
  return values;
}

/**
 * The picture as the model sees it before it is normalised: float32 levels 0 to 255, [3, crop.height, crop.width], channels
 * first. `normalised` of it is `preparePicture` of the picture.
 */
export function seenLevels(picture: Picture, processor: ImageProcessor): Float32Array {
  const { pixels } = seenPicture(picture, processor);
  const area = pixels.length / 3;
  return Float32Array.from({ length: pixels.length }, (_, at) => pixels[(at % area) * 3 + Math.floor(at / area)]!);
}

/** `pixel_values` of levels, which need not be whole ones: between two, what an attack comes upon. */
export function normalised(seen: Float32Array, { scale, mean, deviation }: ImageProcessor): Float32Array {
  const area = seen.length / 3;
  const values = new Float32Array(seen.length);
  for (let channel = 0; channel < 3; channel += 1) {
    const [middle, width] = [Math.fround(mean[channel] as number), Math.fround(deviation[channel] as number)];
    for (let at = channel * area; at < (channel + 1) * area; at += 1) {
      values[at] = Math.fround(Math.fround((seen[at] as number) * scale) - middle) / width;
    }
  }
  return values;
}

function seenPicture(picture: Picture, processor: ImageProcessor): Picture {
  const { resized, window } = croppedFrom(picture, processor);
  return resample(picture, { ...resized, filter: processor.filter }, window);
}

/** The part of a picture that the crop leaves, in shares (0–1) of its width and height. */
export function seenPart(picture: Pick<Picture, 'width' | 'height'>, processor: ImageProcessor): Window {
  const { resized, window } = croppedFrom(picture, processor);
  const [left, top] = [Math.max(0, window.left / resized.width), Math.max(0, window.top / resized.height)];
  const right = Math.min(1, (window.left + window.width) / resized.width);
  const bottom = Math.min(1, (window.top + window.height) / resized.height);
  return { left, top, width: right - left, height: bottom - top };
}

/** The size that a picture is resized to, and the window of it that is taken. */
function croppedFrom(
  picture: Pick<Picture, 'width' | 'height'>,
  processor: ImageProcessor,
): { readonly resized: { readonly width: number; readonly height: number }; readonly window: Window } {
  const resized = resizedSize(picture, processor);
  const { crop } = processor;
  const left = Math.floor((resized.width - crop.width) / 2);
  const top = Math.floor((resized.height - crop.height) / 2);
  return { resized, window: { left, top, ...crop } };
}

function resizedSize(
  picture: Pick<Picture, 'width' | 'height'>,
  { resize }: ImageProcessor,
): { width: number; height: number } {
  if (!('shortestEdge' in resize)) return resize;
  const { shortestEdge } = resize;
  // In this order: Python multiplies before it divides, and truncates.
  const longer = (long: number, short: number): number => Math.trunc((shortestEdge * long) / short);
  return picture.width <= picture.height
    ? { width: shortestEdge, height: longer(picture.height, picture.width) }
    : { width: longer(picture.width, picture.height), height: shortestEdge };
}

/** [3, 256]: what each level of each channel becomes. Rounded to float32 where numpy rounds. */
function levels({ scale, mean, deviation }: ImageProcessor): Float32Array {
  const table = new Float32Array(3 * 256);
  for (let channel = 0; channel < 3; channel += 1) {
    for (let level = 0; level < 256; level += 1) {
      const centred = Math.fround(Math.fround(level * scale) - Math.fround(mean[channel] as number));
      table[channel * 256 + level] = centred / Math.fround(deviation[channel] as number);
    }
  }
  return table;
}

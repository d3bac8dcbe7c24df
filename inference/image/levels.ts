/** Levels of 8 bits, as libvips gives them, to RGB: on this thread, hence in slices between which other work gets its turn. */
import { setImmediate as letOthersRun } from 'node:timers/promises';

/** Pixels between two pauses: a few milliseconds. */
export const SLICE_PIXELS = 2 ** 18;

export interface Levels {
  /** Row-major [height, width, channels]. Of three channels and more it is written over, and what is returned lies in it. */
  readonly data: Uint8Array;
  readonly channels: number;
  /** Cyan, magenta, yellow, black, and whatever follows them; otherwise grey or RGB, and alpha. */
  readonly inks: boolean;
}

/** Row-major [height, width, 3]; transparency over white. Throws the signal's reason. */
export async function toRgb({ data, channels, inks }: Levels, signal?: AbortSignal): Promise<Uint8Array> {
  if (channels === 3) return data;
  const count = data.length / channels;
  const pixels = channels > 3 ? new Uint8Array(data.buffer, data.byteOffset, count * 3) : new Uint8Array(count * 3);
  const convert = inks ? fromInks : channels < 3 ? fromGrey : fromColours;
  for (let start = 0; start < count; start += SLICE_PIXELS) {
    if (start > 0) await letOthersRun();
    signal?.throwIfAborted();
    convert(data, channels, pixels, start, Math.min(start + SLICE_PIXELS, count));
  }
  return pixels;
}

type Convert = (data: Uint8Array, channels: number, pixels: Uint8Array, start: number, end: number) => void;

/** Pillow's product of what two inks leave over. */
const fromInks: Convert = (data, channels, pixels, start, end) => {
  for (let index = start, at = start * channels; index < end; index += 1, at += channels) {
    // All are read before the first is written: the pixels may lie in the data.
    const left = 255 - data[at + 3]!;
    const [cyan, magenta, yellow] = [data[at]! * left + 128, data[at + 1]! * left + 128, data[at + 2]! * left + 128];
    pixels[index * 3] = left - ((cyan + (cyan >> 8)) >> 8);
    pixels[index * 3 + 1] = left - ((magenta + (magenta >> 8)) >> 8);
    pixels[index * 3 + 2] = left - ((yellow + (yellow >> 8)) >> 8);
  }
};

const fromGrey: Convert = (data, channels, pixels, start, end) => {
  for (let index = start, at = start * channels; index < end; index += 1, at += channels) {
    const level = channels === 1 ? data[at]! : overWhite(data[at]!, data[at + 1]!);
    pixels[index * 3] = level;
    pixels[index * 3 + 1] = level;
    pixels[index * 3 + 2] = level;
  }
};

const fromColours: Convert = (data, channels, pixels, start, end) => {
  for (let index = start, at = start * channels; index < end; index += 1, at += channels) {
    const [red, green, blue, alpha] = [data[at]!, data[at + 1]!, data[at + 2]!, data[at + 3]!];
    pixels[index * 3] = overWhite(red, alpha);
    pixels[index * 3 + 1] = overWhite(green, alpha);
    pixels[index * 3 + 2] = overWhite(blue, alpha);
  }
};

/** Pillow's `alpha_composite` on opaque white, in its fixed point of 7 bits. */
function overWhite(value: number, alpha: number): number {
  if (alpha === 255) return value;
  const sum = (value * alpha + 255 * (255 - alpha) + 128) << 7;
  return (sum + (sum >> 8)) >> 15;
}

/**
 * Pillow's resampling (Pillow 13, `src/libImaging/Resample.c`, re-made from its description and tested against it to the bit):
 * separable, antialiased by a kernel that widens with the scale, in fixed point of 22 bits. Models
 * are trained on its pixels; libvips' kernels differ from them by up to 3 standard deviations at edges.
 */
import type { Picture } from './decode.ts';

const PRECISION_BITS = 22;
const HALF = 1 << (PRECISION_BITS - 1);

interface Filter {
  readonly support: number;
  readonly weight: (distance: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

/** By the number that Pillow and `preprocessor_config.json` give it. */
export const FILTERS: ReadonlyMap<number, Filter> = new Map([
  [1, { support: 3, weight: (x) => (x > -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) }], // Lanczos
  [2, { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) }], // bilinear
  [3, { support: 2, weight: (x) => cubic(Math.abs(x)) }], // bicubic
  [4, { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) }], // box
]);

/** Keys 1981 (doi:10.1109/TASSP.1981.1163711), a = −0.5. */
function cubic(x: number): number {
  const a = -0.5;
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
}

export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/**
 * The part `window` of the picture resized to `width` × `height`; what of it lies outside is black, as when Pillow crops. Only
 * the window is computed, so a centre crop costs what is seen.
 */
export function resample(
  picture: Picture,
  { width, height, filter }: { readonly width: number; readonly height: number; readonly filter: number },
  window: Window = { left: 0, top: 0, width, height },
): Picture {
  const kind = FILTERS.get(filter);
  if (kind === undefined) throw new RangeError(`there is no filter ${filter}`);
  const [left, right] = [Math.max(0, window.left), Math.min(width, window.left + window.width)];
  const [top, bottom] = [Math.max(0, window.top), Math.min(height, window.top + window.height)];
  const across = weights(picture.width, width, left, right, kind);
  const down = weights(picture.height, height, top, bottom, kind);
  const passAcross = picture.width !== width || right - left !== width;
  const passDown = picture.height !== height || bottom - top !== height;
  let seen = picture.pixels;
  let seenWidth = picture.width;
  let firstRow = 0;
  const lost = { columns: picture.width - width, rows: picture.height - height };
  if (passDown && passAcross && lost.rows > 0 && lost.rows > 2 * lost.columns) {
    // Since version 13, where that leaves much less to do. Rounding in between makes the order visible.
    seen = vertical(seen, picture.width, 0, down);
    seen = horizontal(seen, picture.width, across);
  } else {
    if (passAcross) {
      // Rows that no output row looks at are not resized.
      firstRow = down.starts[0] ?? 0;
      const lastRow = (down.starts.at(-1) ?? 0) + (down.counts.at(-1) ?? 0);
      seen = horizontal(
        seen.subarray(firstRow * picture.width * 3, lastRow * picture.width * 3),
        picture.width,
        across,
      );
      seenWidth = right - left;
    }
    if (passDown) seen = vertical(seen, seenWidth, firstRow, down);
  }
  if (right - left === window.width && bottom - top === window.height) {
    return { width: window.width, height: window.height, pixels: seen };
  }
  const pixels = new Uint8Array(window.width * window.height * 3);
  for (let row = 0; row < bottom - top; row += 1) {
    const from = row * (right - left) * 3;
    const to = ((top - window.top + row) * window.width + left - window.left) * 3;
    pixels.set(seen.subarray(from, from + (right - left) * 3), to);
  }
  return { width: window.width, height: window.height, pixels };
}

interface Weights {
  /** Of output i: the first input, and how many follow. */
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** `stride` fixed-point weights an output. */
  readonly values: Int32Array;
  readonly stride: number;
}

/** Of the outputs from `first` to before `end`. */
function weights(inSize: number, outSize: number, first: number, end: number, filter: Filter): Weights {
  const scale = inSize / outSize;
  const widened = Math.max(1, scale);
  const support = filter.support * widened;
  const stride = Math.ceil(support) * 2 + 1;
  const size = Math.max(0, end - first);
  const result = {
    starts: new Int32Array(size),
    counts: new Int32Array(size),
    values: new Int32Array(size * stride),
    stride,
  };
  const exact = new Float64Array(stride);
  for (let index = 0; index < size; index += 1) {
    const centre = (first + index + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const count = Math.min(inSize, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let tap = 0; tap < count; tap += 1) {
      const weight = filter.weight((tap + start - centre + 0.5) * (1 / widened));
      exact[tap] = weight;
      sum += weight;
    }
    for (let tap = 0; tap < count; tap += 1) {
      const share = sum === 0 ? (exact[tap] as number) : (exact[tap] as number) / sum;
      result.values[index * stride + tap] = Math.trunc(share * 2 ** PRECISION_BITS + (share < 0 ? -0.5 : 0.5));
    }
    result.starts[index] = start;
    result.counts[index] = count;
  }
  return result;
}

/** 255 × the sum of weights stays under 2^31: the two bits left over are for kernels with negative lobes. */
function horizontal(rows: Uint8Array, inWidth: number, { starts, counts, values, stride }: Weights): Uint8Array {
  const outWidth = starts.length;
  const height = rows.length / (inWidth * 3);
  const result = new Uint8ClampedArray(outWidth * height * 3);
  let to = 0;
  for (let y = 0; y < height; y += 1) {
    const line = y * inWidth * 3;
    for (let x = 0; x < outWidth; x += 1) {
      let red = HALF;
      let green = HALF;
      let blue = HALF;
      let at = line + (starts[x] as number) * 3;
      let tap = x * stride;
      for (const end = tap + (counts[x] as number); tap < end; tap += 1) {
        const weight = values[tap] as number;
        red = (red + Math.imul(rows[at] as number, weight)) | 0;
        green = (green + Math.imul(rows[at + 1] as number, weight)) | 0;
        blue = (blue + Math.imul(rows[at + 2] as number, weight)) | 0;
        at += 3;
      }
      result[to] = red >> PRECISION_BITS;
      result[to + 1] = green >> PRECISION_BITS;
      result[to + 2] = blue >> PRECISION_BITS;
      to += 3;
    }
  }
  return new Uint8Array(result.buffer);
}

function vertical(
  rows: Uint8Array,
  width: number,
  firstRow: number,
  { starts, counts, values, stride }: Weights,
): Uint8Array {
  const line = width * 3;
  const result = new Uint8ClampedArray(line * starts.length);
  const sums = new Int32Array(line);
  for (let y = 0; y < starts.length; y += 1) {
    sums.fill(HALF);
    // Row by row of the input, as memory lies.
    for (let tap = 0; tap < (counts[y] as number); tap += 1) {
      const weight = values[y * stride + tap] as number;
      const from = ((starts[y] as number) - firstRow + tap) * line;
      for (let index = 0; index < line; index += 1) {
        sums[index] = (sums[index] as number) + Math.imul(rows[from + index] as number, weight);
      }
    }
    const to = y * line;
    for (let index = 0; index < line; index += 1) result[to + index] = (sums[index] as number) >> PRECISION_BITS;
  }
  return new Uint8Array(result.buffer);
}

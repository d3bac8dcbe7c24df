/**
 * Pictures that look nearly the same, by their difference hash: whether each of 8 × 8 fields is brighter than its right
 * neighbour (N. Krawetz, "Kind of Like That", 2013). Robust against scaling, coding, brightness; blind to small details. Pure.
 */
import type { Picture } from '../../../inference/image/decode.ts';
import { resample } from '../../../inference/image/resample.ts';

const BOX = 4;

/** Two halves of 64 bits. */
export interface DifferenceHash {
  readonly high: number;
  readonly low: number;
}

/** `undefined` for a picture without any structure (one colour): it would be like all others of its kind. */
export function differenceHash(picture: Picture): DifferenceHash | undefined {
  const { pixels } = resample(picture, { width: 9, height: 8, filter: BOX });
  const halves = [0, 0];
  for (let field = 0; field < 64; field += 1) {
    const at = (Math.floor(field / 8) * 9 + (field % 8)) * 3;
    if (grey(pixels, at) > grey(pixels, at + 3))
      halves[field >> 5] = (halves[field >> 5] as number) | (1 << (field & 31));
  }
  const [high, low] = [(halves[0] as number) >>> 0, (halves[1] as number) >>> 0];
  return high === 0 && low === 0 ? undefined : { high, low };
}

/** Mean of all pixels as grey, from 0 (black) to 255, a whole number. */
export function meanBrightness(picture: Picture): number {
  const { pixels } = resample(picture, { width: 1, height: 1, filter: BOX });
  return Math.round(grey(pixels, 0) / 1000);
}

/** 16 hexadecimal digits, as rows hold it. */
export function hashToHex({ high, low }: DifferenceHash): string {
  return [high, low].map((half) => half.toString(16).padStart(8, '0')).join('');
}

export function hashOfHex(hex: string): DifferenceHash {
  return { high: Number.parseInt(hex.slice(0, 8), 16), low: Number.parseInt(hex.slice(8), 16) };
}

/** ITU-R BT.601, in thousandths. */
function grey(pixels: Uint8Array, at: number): number {
  return 299 * (pixels[at] as number) + 587 * (pixels[at + 1] as number) + 114 * (pixels[at + 2] as number);
}

export function hammingDistance(one: DifferenceHash, other: DifferenceHash): number {
  return ones(one.high ^ other.high) + ones(one.low ^ other.low);
}

function ones(value: number): number {
  let bits = value - ((value >>> 1) & 0x5555_5555);
  bits = (bits & 0x3333_3333) + ((bits >>> 2) & 0x3333_3333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f_0f0f, 0x0101_0101) >>> 24;
}

/** Asks for the places of all hashes within `distance` bits of one, each once: they share one of `distance` + 1 blocks of their bits with it. */
export function nearHashes(
  hashes: readonly (DifferenceHash | undefined)[],
  distance: number,
): (asked: DifferenceHash) => ReadonlySet<number> {
  const blocks = Array.from({ length: distance + 1 }, () => new Map<bigint, number[]>());
  for (const [place, hash] of hashes.entries()) {
    if (hash === undefined) continue;
    for (const [block, buckets] of blocks.entries()) {
      const key = blockOf(hash, block, blocks.length);
      const bucket = buckets.get(key);
      if (bucket === undefined) buckets.set(key, [place]);
      else bucket.push(place);
    }
  }
  return (asked) => {
    const found = new Set<number>();
    for (const [block, buckets] of blocks.entries()) {
      for (const place of buckets.get(blockOf(asked, block, blocks.length)) ?? []) {
        if (hammingDistance(asked, hashes[place] as DifferenceHash) <= distance) found.add(place);
      }
    }
    return found;
  };
}

function blockOf({ high, low }: DifferenceHash, block: number, blocks: number): bigint {
  const bits = (BigInt(high) << 32n) | BigInt(low);
  const [from, to] = [Math.floor((block * 64) / blocks), Math.floor(((block + 1) * 64) / blocks)];
  return (bits >> BigInt(from)) & ((1n << BigInt(to - from)) - 1n);
}

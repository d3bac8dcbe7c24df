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

/** Hashes that share a block and lie in one bucket beyond this are compared with its first only: time stays bounded. */
const MAX_BUCKET = 2000;

/**
 * Of each hash the number of its group: hashes within `distance` bits of each other, and of those in between. Finds all
 * pairs: hashes that differ in d bits share at least one of d + 1 blocks of their bits.
 */
export function nearHashGroups(hashes: readonly (DifferenceHash | undefined)[], distance: number): Int32Array {
  const parents = Int32Array.from(hashes, (_, index) => index);
  const root = (index: number): number => {
    let at = index;
    while (parents[at] !== at) {
      parents[at] = parents[parents[at] as number] as number;
      at = parents[at] as number;
    }
    return at;
  };
  const join = (one: number, other: number): void => {
    const [left, right] = [root(one), root(other)];
    parents[Math.max(left, right)] = Math.min(left, right);
  };
  const firstOf = new Map<string, number>();
  const different: number[] = [];
  for (const [index, hash] of hashes.entries()) {
    if (hash === undefined) continue;
    const key = `${hash.high}:${hash.low}`;
    const first = firstOf.get(key);
    if (first === undefined) {
      firstOf.set(key, index);
      different.push(index);
    } else join(first, index);
  }
  if (distance > 0) {
    for (let block = 0; block <= distance; block += 1) {
      const buckets = new Map<bigint, number[]>();
      for (const index of different) {
        const hash = hashes[index] as DifferenceHash;
        const key = blockOf(hash, block, distance + 1);
        const bucket = buckets.get(key) ?? [];
        for (const other of bucket) {
          if (hammingDistance(hash, hashes[other] as DifferenceHash) <= distance) join(index, other);
        }
        if (bucket.length < MAX_BUCKET) bucket.push(index);
        buckets.set(key, bucket);
      }
    }
  }
  return parents.map((_, index) => root(index));
}

/** Asks for the places of all hashes within `distance` bits of one, each once: they share a block with it, as above. */
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

/**
 * Seeded random numbers: the same seed gives the same draws on every machine, so that a resampled figure can be
 * computed again. xoshiro128** 1.1 (Blackman & Vigna, "Scrambled Linear Pseudorandom Number Generators", ACM TOMS 47(4),
 * 2021), its state filled by the murmur3 finaliser over a Weyl sequence. Not for secrets.
 */
export interface Random {
  /** Uniform on the integers 0 … 2³² − 1. */
  uint32(): number;
  /** Uniform on [0, 1), 53 bits. */
  uniform(): number;
  /** Uniform on the integers 0 … limit − 1, without bias; limit is at most 2³². */
  below(limit: number): number;
  /** Standard normal. */
  normal(): number;
}

/** A generator for (seed, stream): streams of one seed are independent, so that one consumer cannot shift another's draws. */
export function seededRandom(seed: number, stream = 0): Random {
  let weyl = mix(seed >>> 0) ^ mix((Math.floor(seed / 2 ** 32) >>> 0) + 0x9e37) ^ mix(~stream >>> 0);
  const word = (): number => mix((weyl = (weyl + 0x9e3779b9) >>> 0));
  return xoshiro128(word(), word(), word(), word() | 1); // the all-zero state is the one that never leaves itself
}

/** The generator itself from its four state words. */
export function xoshiro128(a: number, b: number, c: number, d: number): Random {
  const uint32 = (): number => {
    const scrambled = Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
    const shifted = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= shifted;
    d = rotateLeft(d, 11);
    return scrambled;
  };
  const uniform = (): number => ((uint32() >>> 5) * 67_108_864 + (uint32() >>> 6)) / 9_007_199_254_740_992;
  let spare: number | undefined;
  return {
    uint32,
    uniform,
    below(limit) {
      const accepted = 2 ** 32 - (2 ** 32 % limit); // draws above the last full multiple would favour small numbers
      for (;;) {
        const drawn = uint32();
        if (drawn < accepted) return drawn % limit;
      }
    },
    // Box & Muller (1958): two normals from two uniforms, the second kept for the next call.
    normal() {
      if (spare !== undefined) {
        const value = spare;
        spare = undefined;
        return value;
      }
      const radius = Math.sqrt(-2 * Math.log(1 - uniform()));
      const angle = 2 * Math.PI * uniform();
      spare = radius * Math.sin(angle);
      return radius * Math.cos(angle);
    },
  };
}

/** `count` different integers of 0 … limit − 1 in ascending order (all of them when count ≥ limit). */
export function sampleIndices(limit: number, count: number, random: Random): number[] {
  const indices = Array.from({ length: limit }, (_, index) => index);
  if (count >= limit) return indices;
  shuffleStart(indices, count, random);
  return indices.slice(0, count).sort((left, right) => left - right);
}

/** Fisher–Yates on the first `count` places, in place: they hold a uniform draw without replacement afterwards. */
export function shuffleStart(items: Uint32Array | number[], count: number, random: Random): void {
  for (let place = 0; place < Math.min(count, items.length - 1); place++) {
    const other = place + random.below(items.length - place);
    const held = items[place]!;
    items[place] = items[other]!;
    items[other] = held;
  }
}

function rotateLeft(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}

function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}

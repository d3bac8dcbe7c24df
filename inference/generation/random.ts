/**
 * SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators") used as a counter: the n-th draw
 * of a seed is a function of (seed, n) alone, so that a token's draw does not depend on how often others were drawn.
 */
const MASK = (1n << 64n) - 1n;
const GAMMA = 0x9e3779b97f4a7c15n;

/** In [0, 1), 53 bits. `seed` and `index` are non-negative safe integers. */
export function uniform(seed: number, index: number): number {
  let z = (mix(BigInt(seed)) + (BigInt(index) + 1n) * GAMMA) & MASK;
  z = mix(z);
  return Number(z >> 11n) / 2 ** 53;
}

function mix(value: bigint): bigint {
  let z = value;
  z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
  z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
  return z ^ (z >> 31n);
}

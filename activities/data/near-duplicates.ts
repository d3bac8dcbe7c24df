/**
 * Nearly the same texts, found without comparing all with all: MinHash (A. Broder, On the resemblance and containment of
 * documents, 1997) with banding (Leskovec, Rajaraman, Ullman, Mining of Massive Datasets, 3.4). A text is the set of its
 * character 5-grams, two texts are as similar as their sets (Jaccard). 125 permutations make 25 bands of 5: two texts
 * that agree on a band are candidates, and what is a candidate is compared exactly. So nothing below the threshold is
 * reported, and of pairs at similarity s a share of (1 − s⁵)²⁵ is overlooked: 5 in 100 000 at 0.8; more only where more
 * than 8 texts agree on a band with one another. Of short texts a single letter changes too many 5-grams: those that are the same but
 * for a slip of the pen (one-edit.ts) are near twins as well.
 *
 * All hashes are 32 bits wide, by `Math.imul` and shifts alone: exact in JavaScript's numbers. Two of a text's n 5-grams
 * share a hash with a chance below n / 2³². Pure but for pauses.
 */
import { DisjointSets } from './disjoint-sets.ts';
import { mix } from './mix.ts';
import { oneEditIndexes } from './one-edit-index.ts';
import { pause, resting } from './pauses.ts';
import { WordCounts } from './word-counts.ts';

const SHINGLE = 5;
const BANDS = 25;
const ROWS = 5;
export const PERMUTATIONS = BANDS * ROWS;
/** Texts of one bucket that others are compared with: of more than these, all alike, more comparing shows nothing new. */
const MAX_BUCKET = 8;
/** Over three and a half standard errors of the estimate, √(s(1 − s) / 125), at the lowest threshold of 0.7. */
const ESTIMATE_MARGIN = 0.15;
/** 5-grams kept to be compared again: 16 MB. */
const KEPT_SHINGLES = 4_000_000;

/** Chance that a pair of exactly this similarity becomes no candidate. */
export function missRate(similarity: number): number {
  return (1 - similarity ** ROWS) ** BANDS;
}

/** Texts with the smallest hash of each one's 5-grams under each permutation: [texts, permutations], row-major. */
export interface Sketched {
  readonly texts: readonly string[];
  readonly minima: Uint32Array;
}

/**
 * For each text the index of a known one that is at least so similar, or but for a slip the same; -1 where there is none. `words`: of all
 * sides, where there are more than these two.
 */
export async function findNearTwins(
  sketched: Sketched,
  known: Sketched,
  similarity: number,
  signal?: AbortSignal,
  words?: WordCounts,
): Promise<Int32Array> {
  const twins = new Int32Array(sketched.texts.length).fill(-1);
  const compare = comparison(sketched, known, similarity);
  for (let band = 0; band < BANDS; band += 1) {
    const buckets = new Map<number, number[]>();
    for (let index = 0; index < known.texts.length; index += 1) put(buckets, bandKey(known, index, band), index);
    for (let index = 0; index < twins.length; index += 1) {
      if (twins[index] !== -1) continue;
      const found = buckets.get(bandKey(sketched, index, band))?.find((other) => compare(index, other));
      if (found !== undefined) twins[index] = found;
      if (index % 5000 === 0) await pause(signal);
    }
    await pause(signal);
  }
  const counted = words ?? (await WordCounts.of([sketched.texts, known.texts], signal));
  for await (const { from, index } of oneEditIndexes(known.texts, counted, signal)) {
    const rest = resting(signal);
    for (const [row, text] of sketched.texts.entries()) {
      if (twins[row] !== -1) continue;
      const before = index.work;
      const found = index.firstMatches(text)[0];
      if (found !== undefined) twins[row] = from + found;
      await rest(text, index.work - before);
    }
  }
  return twins;
}

/**
 * For each text the index that stands for its group: near twins, their near twins and so on are one group, and so are
 * texts with the same key.
 */
export async function nearGroups(
  texts: readonly string[],
  keys: readonly string[],
  similarity: number,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const firstOf = new Map(keys.map((key, index) => [key, index] as const).toReversed());
  const groups = new DisjointSets(keys.length);
  for (const [index, key] of keys.entries()) groups.join(index, firstOf.get(key) ?? index);
  const sketched = await sketch(texts, signal);
  const compare = comparison(sketched, sketched, similarity);
  for (let band = 0; band < BANDS; band += 1) {
    const buckets = new Map<number, number[]>();
    for (let index = 0; index < texts.length; index += 1) {
      const bucket = put(buckets, bandKey(sketched, index, band), index);
      for (const other of bucket) {
        if (!groups.areTogether(index, other) && compare(index, other)) groups.join(index, other);
      }
      if (index % 5000 === 0) await pause(signal);
    }
    await pause(signal);
  }
  const words = await WordCounts.of([texts], signal);
  for await (const { from, index } of oneEditIndexes(texts, words, signal)) {
    const rest = resting(signal);
    // Those before are in earlier indexes, which these have been asked about.
    for (let row = from; row < texts.length; row += 1) {
      const before = index.work;
      const isTogether = (other: number): boolean => groups.areTogether(row, from + other);
      for (const found of index.firstMatches(texts[row]!, isTogether)) groups.join(row, from + found);
      await rest(texts[row]!, index.work - before);
    }
  }
  return groups.roots();
}

/** Whether two texts are similar enough: by their sketches where those say no, else by their 5-grams. */
function comparison(
  sketched: Sketched,
  known: Sketched,
  similarity: number,
): (index: number, other: number) => boolean {
  const kept = new Map<string, Uint32Array>();
  let size = 0;
  const shinglesOf = (text: string): Uint32Array => {
    const before = kept.get(text);
    if (before !== undefined) return before;
    const made = shingles(text);
    if (size > KEPT_SHINGLES) {
      kept.clear();
      size = 0;
    }
    size += made.length;
    kept.set(text, made);
    return made;
  };
  return (index, other) =>
    mayReach(sketched, index, known, other, similarity - ESTIMATE_MARGIN) &&
    jaccard(shinglesOf(sketched.texts[index] as string), shinglesOf(known.texts[other] as string)) >= similarity;
}

/**
 * Whether the share of equal minima, which estimates the similarity with a standard error of √(s(1 − s) / 125), reaches
 * this; most pairs are known not to long before their last.
 */
function mayReach(sketched: Sketched, index: number, known: Sketched, other: number, share: number): boolean {
  const [from, otherFrom] = [index * PERMUTATIONS, other * PERMUTATIONS];
  let left = Math.floor(PERMUTATIONS * (1 - share));
  for (let at = 0; at < PERMUTATIONS && left >= 0; at += 1) {
    if (sketched.minima[from + at] !== known.minima[otherFrom + at]) left -= 1;
  }
  return left >= 0;
}

export async function sketch(texts: readonly string[], signal?: AbortSignal): Promise<Sketched> {
  const minima = new Uint32Array(texts.length * PERMUTATIONS).fill(0xffff_ffff);
  const rest = resting(signal);
  for (const [index, text] of texts.entries()) {
    const row = minima.subarray(index * PERMUTATIONS, (index + 1) * PERMUTATIONS);
    for (const shingle of shingles(text)) {
      for (let at = 0; at < PERMUTATIONS; at += 1) {
        const value = mix(shingle ^ (SEEDS[at] as number));
        if (value < (row[at] as number)) row[at] = value;
      }
    }
    await rest(text);
  }
  return { texts, minima };
}

/** A text's different 5-grams, hashed and in order; a shorter text is one by itself. */
export function shingles(text: string): Uint32Array {
  const count = Math.max(1, text.length - SHINGLE + 1);
  const hashes = new Uint32Array(count);
  for (let from = 0; from < count; from += 1) {
    let value = 0x811c_9dc5;
    for (let at = from; at < from + SHINGLE && at < text.length; at += 1) {
      value = Math.imul(value ^ text.charCodeAt(at), 0x0100_0193);
    }
    hashes[from] = mix(value);
  }
  return hashes.sort().filter((value, index) => index === 0 || value !== hashes[index - 1]);
}

/** Of two sorted sets: what they share over what they hold together. */
export function jaccard(left: Uint32Array, right: Uint32Array): number {
  let shared = 0;
  for (let one = 0, other = 0; one < left.length && other < right.length;) {
    const [a, b] = [left[one] as number, right[other] as number];
    if (a === b) shared += 1;
    if (a <= b) one += 1;
    if (b <= a) other += 1;
  }
  return shared / (left.length + right.length - shared);
}

function bandKey({ minima }: Sketched, index: number, band: number): number {
  const from = index * PERMUTATIONS + band * ROWS;
  let key = 0;
  for (let at = from; at < from + ROWS; at += 1) key = mix(key ^ (minima[at] as number));
  return key;
}

/** The bucket as it was before. */
function put(buckets: Map<number, number[]>, key: number, index: number): readonly number[] {
  const bucket = buckets.get(key);
  if (bucket === undefined) buckets.set(key, [index]);
  else if (bucket.length < MAX_BUCKET) bucket.push(index);
  return bucket ?? [];
}

const SEEDS = Uint32Array.from({ length: PERMUTATIONS }, (_, index) => mix(Math.imul(index + 1, 0x9e37_79b9)));

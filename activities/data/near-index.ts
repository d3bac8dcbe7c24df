/**
 * Which of some texts another one nearly repeats, none overlooked, however many others there are: they are asked one by one and
 * nothing of them is kept. As near-duplicates.ts counts it: the similarity of two texts is that of the sets of their 5-grams (Jaccard).
 *
 * Two sets of similarity t share one of the ⌊(1 − t)n⌋ + 1 first of either's n elements, whatever order all keep (S. Chaudhuri,
 * V. Ganti, R. Kaushik, A Primitive Operator for Similarity Joins in Data Cleaning, ICDE 2006). Those of the known texts are indexed,
 * the rarest first, so that a text of other words meets none. What follows the shared ones bounds how similar the rest can make two texts
 * (C. Xiao et al., Efficient Similarity Joins for Near Duplicate Detection, WWW 2008); what passes is compared.
 */
import { jaccard, shingles } from './near-duplicates.ts';
import { pause } from './pauses.ts';

/** How often 5-grams occur is counted in so many places: two in one place cost comparisons, and hide nothing. */
const BUCKETS = 2 ** 20;
const HASHES = 2 ** 32;
/** A count and a hash are one number in order: exact below 2⁵³. */
const MOST_COUNTED = 2 ** 20;
/** Of a share of a size: 0.8 × 35 is 28, not 29. */
const ROUNDING = 1e-9;
/** 5-grams kept to be compared again: 16 MB. */
const KEPT_SHINGLES = 4_000_000;
const PAUSE_CHARACTERS = 100_000;
const [NONE, PRUNED] = [-1, -1];

export class NearIndex {
  readonly #texts: readonly string[];
  readonly #similarity: number;
  readonly #counts = new Uint32Array(BUCKETS);
  /** Of each text, its 5-grams, each once; 0 of one that was removed. */
  readonly #sizes: Uint32Array;
  /** Of each bucket its first posting, of each posting the next one. */
  readonly #first = new Int32Array(BUCKETS).fill(NONE);
  readonly #next: Int32Array;
  /** Of each posting the text, and its place among the text's ordered 5-grams. */
  readonly #rows: Uint32Array;
  readonly #places: Uint32Array;
  /** Of each text the last question that met it, and how many of their first 5-grams are shared. */
  readonly #met: Float64Array;
  readonly #shared: Int32Array;
  readonly #kept = new Map<number, Uint32Array>();
  #keptShingles = 0;
  #question = 0;

  private constructor(texts: readonly string[], similarity: number) {
    this.#texts = texts;
    this.#similarity = similarity;
    this.#sizes = new Uint32Array(texts.length);
    this.#met = new Float64Array(texts.length);
    this.#shared = new Int32Array(texts.length);
    // A text has at most as many 5-grams as characters.
    const postings = texts.reduce((sum, { length }) => sum + this.#missable(Math.max(1, length)) + 1, 0);
    this.#next = new Int32Array(postings);
    this.#rows = new Uint32Array(postings);
    this.#places = new Uint32Array(postings);
  }

  /** Takes 16 MB, and 12 bytes for every fifth character at a similarity of 0.8. */
  static async of(texts: readonly string[], similarity: number, signal?: AbortSignal): Promise<NearIndex> {
    const index = new NearIndex(texts, similarity);
    for await (const { own } of each(texts, signal)) for (const hash of own) index.#counts[hash % BUCKETS]! += 1;
    let posting = 0;
    for await (const { row, own } of each(texts, signal)) {
      index.#sizes[row] = own.length;
      const ordered = index.#ordered(own);
      for (let place = 0; place <= index.#missable(own.length); place += 1, posting += 1) {
        const bucket = (ordered[place]! % HASHES) % BUCKETS;
        [index.#rows[posting], index.#places[posting]] = [row, place];
        [index.#next[posting], index.#first[bucket]] = [index.#first[bucket]!, posting];
      }
    }
    return index;
  }

  /** Those of the texts, by their place and without removed ones, that `text` is at least so similar to. */
  matches(text: string): readonly number[] {
    this.#question += 1;
    const own = shingles(text);
    const ordered = this.#ordered(own);
    const candidates: number[] = [];
    for (let place = 0; place <= this.#missable(own.length); place += 1) {
      // No text has it.
      if (ordered[place]! < HASHES) continue;
      this.#meet((ordered[place]! % HASHES) % BUCKETS, own.length - place - 1, own.length, candidates);
    }
    return candidates.filter(
      (row) => this.#shared[row] !== PRUNED && jaccard(own, this.#shinglesOf(row)) >= this.#similarity,
    );
  }

  /** No later answer names it. */
  remove(row: number): void {
    this.#sizes[row] = 0;
  }

  /** The texts of a bucket share one more 5-gram with the one that is asked, which has `size`, of them `after` behind this. */
  #meet(bucket: number, after: number, size: number, candidates: number[]): void {
    let before = NONE;
    for (let posting = this.#first[bucket]!; posting !== NONE; posting = this.#next[posting]!) {
      const row = this.#rows[posting]!;
      const other = this.#sizes[row]!;
      if (other === 0) {
        if (before === NONE) this.#first[bucket] = this.#next[posting]!;
        else this.#next[before] = this.#next[posting]!;
        continue;
      }
      before = posting;
      const least = this.#similarity * Math.max(size, other) - ROUNDING;
      if (Math.min(size, other) < least) continue;
      if (this.#met[row] !== this.#question) {
        this.#met[row] = this.#question;
        this.#shared[row] = 0;
        candidates.push(row);
      } else if (this.#shared[row] === PRUNED) continue;
      const reachable = this.#shared[row]! + 1 + Math.min(after, other - this.#places[posting]! - 1);
      const needed = (this.#similarity / (1 + this.#similarity)) * (size + other) - ROUNDING;
      this.#shared[row] = reachable < needed ? PRUNED : this.#shared[row]! + 1;
    }
  }

  /** Of a text of so many 5-grams, those that a similar enough one may lack. */
  #missable(size: number): number {
    return size - Math.ceil(this.#similarity * size - ROUNDING);
  }

  /** The rarest first: times that known texts have it, and then its hash, as one number. */
  #ordered(own: Uint32Array): Float64Array {
    return Float64Array.from(
      own,
      (hash) => Math.min(this.#counts[hash % BUCKETS]!, MOST_COUNTED) * HASHES + hash,
    ).sort();
  }

  #shinglesOf(row: number): Uint32Array {
    const before = this.#kept.get(row);
    if (before !== undefined) return before;
    const made = shingles(this.#texts[row]!);
    if (this.#keptShingles > KEPT_SHINGLES) {
      this.#kept.clear();
      this.#keptShingles = 0;
    }
    this.#keptShingles += made.length;
    this.#kept.set(row, made);
    return made;
  }
}

async function* each(
  texts: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<{ readonly row: number; readonly own: Uint32Array }> {
  let characters = 0;
  for (const [row, text] of texts.entries()) {
    yield { row, own: shingles(text) };
    characters += text.length;
    if (characters < PAUSE_CHARACTERS) continue;
    characters = 0;
    await pause(signal);
  }
}

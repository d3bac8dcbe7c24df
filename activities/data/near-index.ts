/**
 * Which of some texts another one nearly repeats, however many others there are: they are asked one by one and nothing of them is kept.
 * None is overlooked, unless a question is cut short (`QUESTION_WORK`). As near-duplicates.ts counts it: the similarity of two texts is that of the sets of their 5-grams (Jaccard).
 *
 * Two sets of similarity t share one of the ⌊(1 − t)n⌋ + 1 first of either's n elements, whatever order all keep (S. Chaudhuri,
 * V. Ganti, R. Kaushik, A Primitive Operator for Similarity Joins in Data Cleaning, ICDE 2006). Those of the known texts are indexed,
 * the rarest first, so that a text of other words meets none. The nearer two are in size, the fewer of the first ones count: of a bucket
 * the shortest texts come first, and the rest are too long to be met there. So texts that share a form, and too little besides, are
 * not met by the form. What follows the shared ones bounds how similar the rest can make two texts
 * (C. Xiao et al., Efficient Similarity Joins for Near Duplicate Detection, WWW 2008); what passes is compared.
 */
import { jaccard, shingles } from './near-duplicates.ts';
import { resting } from './pauses.ts';

/** How often 5-grams occur is counted in so many places: two in one place cost steps, and hide nothing. */
const BUCKETS = 2 ** 20;
const HASHES = 2 ** 32;
/** A count and a hash are one number in order: exact below 2⁵³. */
const MOST_COUNTED = 2 ** 20;
/** Of a share of a size: 0.8 × 35 is 28, not 29. */
const ROUNDING = 1e-9;
/** 5-grams kept to be compared again: 16 MB. */
const KEPT_SHINGLES = 4_000_000;
/**
 * Postings that are met and 5-grams that are compared for one question, before the commonest of its 5-grams are left out and no further
 * text is compared: some 20 ms where texts are long, so that a million rows end within hours whatever they share.
 */
const QUESTION_WORK = 200_000;
/** So many more of the first 5-grams are looked at, and all but so few of two similar texts' shared ones stand there: chance alone seldom shares them. */
const EXTRA = 12;
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
  /** Of each posting the 5-gram's hash, the text, and its place among the text's ordered 5-grams. */
  readonly #hashes: Uint32Array;
  readonly #rows: Uint32Array;
  readonly #places: Uint32Array;
  /** Of each text the last question that met it, and how many of their first 5-grams are shared. */
  readonly #met: Float64Array;
  readonly #shared: Int32Array;
  readonly #kept = new Map<number, Uint32Array>();
  #keptShingles = 0;
  #question = 0;
  #work = 0;
  #cut = 0;

  private constructor(texts: readonly string[], similarity: number) {
    this.#texts = texts;
    this.#similarity = similarity;
    this.#sizes = new Uint32Array(texts.length);
    this.#met = new Float64Array(texts.length);
    this.#shared = new Int32Array(texts.length);
    // A text has at most as many 5-grams as characters.
    const postings = texts.reduce((sum, { length }) => sum + this.#prefix(Math.max(1, length)), 0);
    this.#next = new Int32Array(postings);
    this.#hashes = new Uint32Array(postings);
    this.#rows = new Uint32Array(postings);
    this.#places = new Uint32Array(postings);
  }

  /** Takes 16 MB, 16 bytes for every fifth character at a similarity of 0.8, and 200 for each text. */
  static async of(texts: readonly string[], similarity: number, signal?: AbortSignal): Promise<NearIndex> {
    const index = new NearIndex(texts, similarity);
    for await (const { row, own } of each(texts, signal)) {
      index.#sizes[row] = own.length;
      for (const hash of own) index.#counts[hash % BUCKETS]! += 1;
    }
    let posting = 0;
    // What is put last into a bucket is met first: the shortest.
    const longestFirst = texts.map((_, row) => row).sort((one, other) => index.#sizes[other]! - index.#sizes[one]!);
    for await (const { row, own } of each(texts, signal, longestFirst)) {
      const ordered = index.#ordered(own);
      for (let place = 0; place < index.#prefix(own.length); place += 1, posting += 1) {
        const hash = ordered[place]! % HASHES;
        const bucket = hash % BUCKETS;
        index.#hashes[posting] = hash;
        [index.#rows[posting], index.#places[posting]] = [row, place];
        [index.#next[posting], index.#first[bucket]] = [index.#first[bucket]!, posting];
      }
    }
    return index;
  }

  /** Those of the texts, by their place and without removed ones, that `text` is at least so similar to. */
  matches(text: string): readonly number[] {
    this.#question += 1;
    const most = this.#work + QUESTION_WORK;
    const own = shingles(text);
    const ordered = this.#ordered(own);
    const candidates: number[] = [];
    for (let place = 0; place < this.#prefix(own.length); place += 1) {
      // No text has it.
      if (ordered[place]! < HASHES) continue;
      if (this.#work >= most) break;
      this.#meet(ordered[place]! % HASHES, own.length - place - 1, own.length, candidates);
    }
    const cut = this.#work >= most;
    // What shares most is compared first, where not all can be.
    if (cut) candidates.sort((one, other) => this.#shared[other]! - this.#shared[one]!);
    const last = cut ? most + QUESTION_WORK : most;
    const found = candidates.filter((row) => {
      const shared = this.#shared[row]!;
      if (shared === PRUNED || this.#work >= last) return false;
      if (!cut && shared < Math.min(EXTRA, this.#needed(own.length, this.#sizes[row]!))) return false;
      this.#work += own.length + this.#sizes[row]!;
      return jaccard(own, this.#shinglesOf(row)) >= this.#similarity;
    });
    if (cut || this.#work >= last) this.#cut += 1;
    return found;
  }

  /** Postings met and 5-grams compared, of all questions so far. */
  get work(): number {
    return this.#work;
  }

  /** Questions that were cut short: of them a match may have been overlooked. */
  get cut(): number {
    return this.#cut;
  }

  /** No later answer names it. */
  remove(row: number): void {
    this.#sizes[row] = 0;
  }

  /** The texts that have it share one more 5-gram with the one that is asked, which has `size`, of them `after` behind this. */
  #meet(hash: number, after: number, size: number, candidates: number[]): void {
    const bucket = hash % BUCKETS;
    let before = NONE;
    // Longer ones cannot be similar enough that share nothing before this, and those that do were judged by what was still to come.
    const longest = ((after + EXTRA) * (1 + this.#similarity)) / this.#similarity - size + ROUNDING * size;
    for (let posting = this.#first[bucket]!; posting !== NONE; posting = this.#next[posting]!) {
      const row = this.#rows[posting]!;
      const other = this.#sizes[row]!;
      this.#work += 1;
      if (other === 0) {
        if (before === NONE) this.#first[bucket] = this.#next[posting]!;
        else this.#next[before] = this.#next[posting]!;
        continue;
      }
      if (other > longest) break;
      before = posting;
      // Another one of the bucket, at another place of the text: it would say too little of what is still to come.
      if (this.#hashes[posting] !== hash) continue;
      const least = this.#similarity * Math.max(size, other) - ROUNDING;
      if (Math.min(size, other) < least) continue;
      if (this.#met[row] !== this.#question) {
        this.#met[row] = this.#question;
        this.#shared[row] = 0;
        candidates.push(row);
      } else if (this.#shared[row] === PRUNED) continue;
      const reachable = this.#shared[row]! + 1 + Math.min(after, other - this.#places[posting]! - 1);
      this.#shared[row] = reachable < this.#needed(size, other) ? PRUNED : this.#shared[row]! + 1;
    }
  }

  /** Of a text of so many 5-grams, those that a similar enough one may lack. */
  #missable(size: number): number {
    return size - Math.ceil(this.#similarity * size - ROUNDING);
  }

  /** 5-grams that two texts of these sizes share at least, where they are similar enough. */
  #needed(size: number, other: number): number {
    return (this.#similarity / (1 + this.#similarity)) * (size + other) - ROUNDING;
  }

  /** How many of a text's first 5-grams are looked at: two similar ones share at least EXTRA of them, or all that they share. */
  #prefix(size: number): number {
    return Math.min(size, this.#missable(size) + EXTRA);
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
  order: Iterable<number> = texts.keys(),
): AsyncGenerator<{ readonly row: number; readonly own: Uint32Array }> {
  const rest = resting(signal);
  for (const row of order) {
    const text = texts[row]!;
    yield { row, own: shingles(text) };
    await rest(text);
  }
}

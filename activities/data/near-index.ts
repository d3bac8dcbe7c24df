/**
 * Which of some texts another one nearly repeats, however many others there are: they are asked one by one and nothing of them is kept.
 * None is overlooked, unless a question is cut short (`QUESTION_WORK`). As near-duplicates.ts counts it: the similarity of two texts is that of the sets of their 5-grams (Jaccard).
 *
 * Of every 5-gram the known texts that have it are listed, and a question counts along the lists of its own 5-grams (S. Sarawagi, A. Kirpal,
 * Efficient set joins on similarity predicates, SIGMOD 2004). Two sets of similarity t share one of any ⌊(1 − t)n⌋ + 1 of either's n
 * elements (S. Chaudhuri, V. Ganti, R. Kaushik, A Primitive Operator for Similarity Joins in Data Cleaning, ICDE 2006): the shortest lists
 * come first, and where no text has enough of these the question is answered. Of a 5-gram that most texts have, those that lack it are
 * listed: the form that all letters share costs nothing, and what they share besides is counted to the end.
 */
import { jaccard, shingles } from './near-duplicates.ts';
import { resting } from './pauses.ts';

/** Lists are found by so many bits of a 5-gram's hash, of few texts by fewer: its other bits and a text's place are one entry of 32. */
const MOST_BITS = 20;
const HASHES = 2 ** 32;
/** Of a share of a size: 0.8 × 35 is 28, not 29. */
const ROUNDING = 1e-9;
/**
 * Entries of lists that one question counts, and as many steps of comparing: some 10 ms, so that a million rows end within hours whatever
 * they share. Beyond it the longest lists are left out, and what shares most of the others is compared as far as that goes.
 */
const QUESTION_WORK = 4_000_000;
/** Steps of counting that one 5-gram of a text takes to be made again and compared. */
const COMPARED_STEPS = 50;
/** So many more of the first 5-grams are looked at, and all but so few of two similar texts' shared ones stand there: chance alone seldom shares them. */
const EXTRA = 12;

/** Of the 5-grams of a question: the shortest lists first, those of texts that lack one last. */
interface Lists {
  /** Of each list its cost, the entries, and its place below, as one number. */
  readonly order: Float64Array;
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  readonly lacking: readonly (Uint32Array | undefined)[];
  /** Lists of texts that have a 5-gram, also those of none. */
  readonly having: number;
}

export class NearIndex {
  readonly #texts: readonly string[];
  readonly #similarity: number;
  readonly #most: number;
  readonly #bits: number;
  /** Of each text, its 5-grams, each once; 0 of one that was removed. */
  readonly #sizes: Uint32Array;
  /** Of each bucket its first entry; one more stands behind the last. */
  readonly #starts: Uint32Array;
  #entries = new Uint32Array(0);
  /** By the hash of a 5-gram that more than half of the texts have: those that lack it. */
  readonly #lacking = new Map<number, Uint32Array>();
  /** Of each text how many of the question's 5-grams it has, but those that most have; all 0 between two questions. */
  readonly #counts: Int32Array;
  readonly #met: Uint32Array;
  readonly #all: Uint32Array;
  #work = 0;
  #cut = 0;

  private constructor(texts: readonly string[], similarity: number, most: number) {
    this.#texts = texts;
    this.#similarity = similarity;
    this.#most = most;
    const characters = texts.reduce((sum, { length }) => sum + length, 1);
    this.#bits = Math.ceil(Math.max(Math.log2(texts.length + 1), Math.min(MOST_BITS, Math.log2(characters))));
    this.#sizes = new Uint32Array(texts.length);
    this.#starts = new Uint32Array(2 ** this.#bits + 1);
    this.#counts = new Int32Array(texts.length);
    this.#met = new Uint32Array(texts.length);
    this.#all = Uint32Array.from(texts.keys());
  }

  /** Takes 8 MB, and 4 bytes for each character and 16 for each text at most. `most`: what one question may take, in entries that are counted. */
  static async of(
    texts: readonly string[],
    similarity: number,
    signal?: AbortSignal,
    most = QUESTION_WORK,
  ): Promise<NearIndex> {
    const index = new NearIndex(texts, similarity, most);
    for await (const { row, own } of each(texts, signal)) {
      index.#sizes[row] = own.length;
      for (const hash of own) index.#starts[index.#bucket(hash) + 1]! += 1;
    }
    await index.#findCommon(signal);
    for (let bucket = 1; bucket < index.#starts.length; bucket += 1)
      index.#starts[bucket]! += index.#starts[bucket - 1]!;
    await index.#fill(signal);
    return index;
  }

  /** Those of the texts, by their place and without removed ones, that `text` is at least so similar to. */
  matches(text: string): readonly number[] {
    const own = shingles(text);
    const lists = this.#listsOf(own);
    const costs = lists.order.map((one) => Math.floor(one / HASHES));
    const asked = this.#asked(own.length, lists, costs);
    // What most texts have is counted for all of them at once: then any text may be a match.
    const ofAll = asked > lists.having;
    const met = this.#count(lists, asked, ofAll);
    const spent = sumOf(costs.subarray(0, asked));
    const left = sumOf(costs.subarray(asked));
    this.#work += spent + (ofAll ? met.length : 0);
    const common = Math.max(0, asked - lists.having);
    const alive = this.#alive(met, own.length, asked, common);
    const steps = alive.reduce((sum, row) => sum + COMPARED_STEPS * this.#sizes[row]!, 0);
    let found: readonly number[];
    // A match may lack as many 5-grams of the question: where no more lists were counted, it may have been in none of them.
    let isCut = !ofAll && asked < own.length && asked <= this.#missable(own.length);
    if (asked === own.length || (left < steps && spent + left <= this.#most)) {
      found = this.#countedOut(alive, lists, own.length, asked);
      this.#work += left;
    } else {
      const compared = this.#compared(alive, own);
      found = compared.found;
      isCut ||= compared.isCut;
    }
    if (isCut) this.#cut += 1;
    this.#counts.fill(0);
    return found;
  }

  /** Entries counted and steps of comparing, of all questions so far. */
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

  /** Of a text of so many 5-grams, those that a similar enough one may lack. */
  #missable(size: number): number {
    return size - Math.ceil(this.#similarity * size - ROUNDING);
  }

  /** How many of the lists are counted before the texts are looked at. */
  #asked(size: number, { having }: Lists, costs: Float64Array): number {
    const first = this.#missable(size) + EXTRA;
    const wanted = first > having ? size : first;
    let [asked, cost] = [0, 0];
    while (asked < wanted && cost + costs[asked]! <= this.#most) cost += costs[asked++]!;
    return asked;
  }

  /** Counts along the first lists; the texts that were met, all of them where that is `ofAll`. */
  #count({ order, from, to, lacking }: Lists, asked: number, ofAll: boolean): Uint32Array {
    const [counts, entries, met] = [this.#counts, this.#entries, this.#met];
    const mask = 2 ** this.#bits - 1;
    let many = 0;
    for (let at = 0; at < asked; at += 1) {
      const list = order[at]! % HASHES;
      const missing = lacking[list];
      if (missing !== undefined) for (const row of missing) counts[row]! -= 1;
      else if (ofAll) for (let one = from[list]!; one < to[list]!; one += 1) counts[entries[one]! & mask]! += 1;
      else {
        for (let one = from[list]!; one < to[list]!; one += 1) {
          const row = entries[one]! & mask;
          if (counts[row] === 0) met[many++] = row;
          counts[row]! += 1;
        }
      }
    }
    return ofAll ? this.#all : met.subarray(0, many);
  }

  /** Those that can be similar enough by what they share of `asked` 5-grams, `common` of which most texts have. */
  #alive(met: Uint32Array, size: number, asked: number, common: number): number[] {
    const alive: number[] = [];
    const factor = this.#similarity / (1 + this.#similarity);
    for (const row of met) {
      const other = this.#sizes[row]!;
      const most = this.#counts[row]! + common + size - asked;
      if (other > 0 && most >= factor * (size + other) - ROUNDING * (size + other)) alive.push(row);
    }
    return alive;
  }

  /** Counts along the other lists, too: then what a text shares is known. */
  #countedOut(alive: readonly number[], lists: Lists, size: number, asked: number): readonly number[] {
    if (asked < size && alive.length > 0) {
      const { order, ...others } = lists;
      this.#count({ ...others, order: order.subarray(asked) }, size - asked, true);
    }
    const common = size - lists.having;
    return alive.filter((row) => {
      const shared = this.#counts[row]! + common;
      return shared / (size + this.#sizes[row]! - shared) >= this.#similarity;
    });
  }

  /** By their 5-grams, made again: what shares most first, as far as a question may go. */
  #compared(alive: number[], own: Uint32Array): { readonly found: readonly number[]; readonly isCut: boolean } {
    alive.sort((one, other) => this.#counts[other]! - this.#counts[one]!);
    const last = this.#work + this.#most;
    let isCut = false;
    const found = alive.filter((row) => {
      if (this.#work >= last) isCut = true;
      if (isCut) return false;
      this.#work += COMPARED_STEPS * this.#sizes[row]!;
      return jaccard(own, shingles(this.#texts[row]!)) >= this.#similarity;
    });
    return { found, isCut };
  }

  #listsOf(own: Uint32Array): Lists {
    const [from, to] = [new Uint32Array(own.length), new Uint32Array(own.length)];
    const order = new Float64Array(own.length);
    const lacking: (Uint32Array | undefined)[] = [];
    let having = 0;
    for (const [at, hash] of own.entries()) {
      const missing = this.#lacking.get(hash);
      lacking.push(missing);
      if (missing !== undefined) continue;
      const [first, end] = this.#rangeOf(hash);
      [from[at], to[at]] = [first, end];
      order[having++] = (end - first) * HASHES + at;
    }
    order.subarray(0, having).sort();
    let place = having;
    for (const [at, missing] of lacking.entries()) {
      if (missing !== undefined) order[place++] = missing.length * HASHES + at;
    }
    order.subarray(having).sort();
    return { order, from, to, lacking, having };
  }

  /** The entries of a 5-gram: those of a bucket are in order. */
  #rangeOf(hash: number): readonly [number, number] {
    const bucket = this.#bucket(hash);
    const [from, to] = [this.#starts[bucket]!, this.#starts[bucket + 1]!];
    const least = this.#entry(hash, 0);
    const above = this.#firstFrom(least + 2 ** this.#bits, from, to);
    return [this.#firstFrom(least, from, above), above];
  }

  /** The first place whose entry is no less than this. */
  #firstFrom(entry: number, from: number, to: number): number {
    let [low, high] = [from, to];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#entries[middle]! < entry) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #bucket(hash: number): number {
    return hash % 2 ** this.#bits;
  }

  /** The bits of a hash that its bucket does not say, and a text's place. */
  #entry(hash: number, row: number): number {
    return Math.floor(hash / 2 ** this.#bits) * 2 ** this.#bits + row;
  }

  /** 5-grams that more than half of the texts have: they leave the buckets' sizes. */
  async #findCommon(signal?: AbortSignal): Promise<void> {
    const half = this.#texts.length / 2;
    const counts = new Map<number, number>();
    if (!this.#starts.some((count) => count > half)) return;
    for await (const { own } of each(this.#texts, signal)) {
      for (const hash of own) {
        if (this.#starts[this.#bucket(hash) + 1]! > half) counts.set(hash, (counts.get(hash) ?? 0) + 1);
      }
    }
    for (const [hash, count] of counts) {
      if (count <= half) continue;
      this.#starts[this.#bucket(hash) + 1]! -= count;
      this.#lacking.set(hash, new Uint32Array(this.#texts.length - count));
    }
  }

  async #fill(signal?: AbortSignal): Promise<void> {
    this.#entries = new Uint32Array(this.#starts.at(-1)!);
    const next = this.#starts.slice();
    const common = [...this.#lacking.values()];
    const places = new Map([...this.#lacking.keys()].map((hash, place) => [hash, place]));
    const filled = new Uint32Array(common.length);
    const lastSeen = new Int32Array(common.length).fill(-1);
    for await (const { row, own } of each(this.#texts, signal)) {
      for (const hash of own) {
        const place = places.get(hash);
        if (place === undefined) this.#entries[next[this.#bucket(hash)]!++] = this.#entry(hash, row);
        else lastSeen[place] = row;
      }
      for (const [place, seen] of lastSeen.entries()) {
        if (seen !== row) common[place]![filled[place]!++] = row;
      }
    }
    for (let bucket = 0; bucket + 1 < this.#starts.length; bucket += 1) {
      const [from, to] = [this.#starts[bucket]!, this.#starts[bucket + 1]!];
      if (to - from > 1) this.#entries.subarray(from, to).sort();
    }
  }
}

function sumOf(costs: Float64Array): number {
  return costs.reduce((sum, cost) => sum + cost, 0);
}

async function* each(
  texts: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<{ readonly row: number; readonly own: Uint32Array }> {
  const rest = resting(signal);
  for (const [row, text] of texts.entries()) {
    yield { row, own: shingles(text) };
    await rest(text);
  }
}

/**
 * Which of some short texts another one is but for a slip (one-edit.ts), without comparing all with all: two texts one edit apart share
 * the one text, or both with one character left out (M. Mor, A. S. Fraenkel, A hash code method for detecting and correcting spelling
 * errors, CACM 1982). Of each text the hashes of these are kept, a character each; what shares one is compared exactly, so none is
 * overlooked and none accused. Pure but for pauses.
 */
import { isShort, isSlip, LONGEST, type ShortWords } from './one-edit.ts';
import { mix } from './mix.ts';
import { resting } from './pauses.ts';

/** Characters of short texts in one index of them: 64 MB at most. */
const INDEXED_CHARACTERS = 4_000_000;
const BASE = 0x0100_0193;
const POWERS = new Uint32Array(LONGEST + 1).fill(1);
for (let at = 1; at < POWERS.length; at += 1) POWERS[at] = Math.imul(POWERS[at - 1]!, BASE);
/** A slip changes no figure. */
const isFigure = (unit: number): boolean => unit >= 48 && unit <= 57;

/** Hashes of a text and of it without one of its characters. */
class Neighbourhood {
  readonly keys = new Uint32Array(LONGEST + 1);
  readonly #tails = new Uint32Array(LONGEST + 1);

  /** How many of `keys` are this text's. */
  of(text: string): number {
    const [keys, tails, last] = [this.keys, this.#tails, text.length - 1];
    tails[text.length] = 0;
    for (let at = last; at >= 0; at -= 1)
      tails[at] = Math.imul(text.charCodeAt(at), POWERS[last - at]!) + tails[at + 1]!;
    keys[0] = mix(tails[0]! ^ text.length);
    let [count, head, before] = [1, 0, -1];
    for (let at = 0; at <= last; at += 1) {
      const unit = text.charCodeAt(at);
      // Of two equal ones in a row it is the same which is left out.
      if (unit !== before && !isFigure(unit)) {
        keys[count++] = mix((Math.imul(head, POWERS[last - at]!) + tails[at + 1]!) ^ last);
      }
      head = Math.imul(head, BASE) + unit;
      before = unit;
    }
    return count;
  }
}

export class OneEditIndex {
  readonly #texts: readonly string[];
  readonly #words: ShortWords;
  readonly #counted: boolean;
  readonly #near = new Neighbourhood();
  readonly #mask: number;
  /** Of each bucket its first entry; one more stands behind the last. */
  readonly #starts: Uint32Array;
  #hashes = new Uint32Array(0);
  #rows = new Uint32Array(0);
  /** Of each text the next one that is the same; -1 where there is none. */
  readonly #next: Int32Array;
  /** The places of short texts, of those that are the same the first. */
  readonly #different: readonly number[];

  private constructor(texts: readonly string[], words: ShortWords, counted: boolean) {
    this.#texts = texts;
    this.#words = words;
    this.#counted = counted;
    this.#next = new Int32Array(texts.length).fill(-1);
    this.#different = this.#firstOfEach();
    const most = this.#different.reduce((sum, row) => sum + texts[row]!.length + 1, 1);
    const buckets = 2 ** Math.ceil(Math.log2(most));
    this.#mask = buckets - 1;
    this.#starts = new Uint32Array(buckets + 1);
  }

  /**
   * Of normalised texts, which it keeps. Takes 12 to 16 bytes for each character of a short text. `counted`: whether the texts that it is
   * asked about are among those of `words`, as its own are.
   */
  static async of(
    texts: readonly string[],
    words: ShortWords,
    counted: boolean,
    signal?: AbortSignal,
  ): Promise<OneEditIndex> {
    const index = new OneEditIndex(texts, words, counted);
    await index.#eachKey((key) => (index.#starts[key & index.#mask]! += 1), signal);
    // Behind each bucket's last entry; filling it from there leaves its first.
    for (let bucket = 1; bucket < index.#starts.length; bucket += 1) {
      index.#starts[bucket]! += index.#starts[bucket - 1]!;
    }
    const size = index.#starts.at(-1)!;
    [index.#hashes, index.#rows] = [new Uint32Array(size), new Uint32Array(size)];
    await index.#eachKey((key, row) => {
      const place = (index.#starts[key & index.#mask]! -= 1);
      index.#hashes[place] = key;
      index.#rows[place] = row;
    }, signal);
    return index;
  }

  /** Those of the texts, by their place, that `text` is but for a slip; of texts that are the same, the first. */
  firstMatches(text: string): readonly number[] {
    if (!isShort(text)) return [];
    const found = new Set<number>();
    const compared = new Set<number>();
    const count = this.#near.of(text);
    for (let at = 0; at < count; at += 1) {
      const key = this.#near.keys[at]!;
      const end = this.#starts[(key & this.#mask) + 1]!;
      for (let place = this.#starts[key & this.#mask]!; place < end; place += 1) {
        const row = this.#rows[place]!;
        if (this.#hashes[place] !== key || compared.has(row)) continue;
        compared.add(row);
        if (isSlip(text, this.#texts[row]!, this.#words, this.#counted)) found.add(row);
      }
    }
    return [...found];
  }

  /** All of the texts that `text` is but for a slip. */
  matches(text: string): readonly number[] {
    const all: number[] = [];
    for (const first of this.firstMatches(text)) {
      for (let row = first; row !== -1; row = this.#next[row]!) all.push(row);
    }
    return all;
  }

  /** The others are linked to it. */
  #firstOfEach(): readonly number[] {
    const last = new Map<string, number>();
    const different: number[] = [];
    for (const [row, text] of this.#texts.entries()) {
      if (!isShort(text)) continue;
      const before = last.get(text);
      if (before === undefined) different.push(row);
      else this.#next[before] = row;
      last.set(text, row);
    }
    return different;
  }

  async #eachKey(put: (key: number, row: number) => void, signal?: AbortSignal): Promise<void> {
    const rest = resting(signal);
    for (const row of this.#different) {
      const text = this.#texts[row]!;
      const count = this.#near.of(text);
      for (let at = 0; at < count; at += 1) put(this.#near.keys[at]!, row);
      await rest(text);
    }
  }
}

/** Indexes of all of very many texts, one after the other so that their memory is bounded: each of a run of them that begins at `from`. */
export async function* oneEditIndexes(
  texts: readonly string[],
  words: ShortWords,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly from: number; readonly index: OneEditIndex }> {
  for (let from = 0; from < texts.length;) {
    let [to, characters] = [from, 0];
    while (to < texts.length && characters < INDEXED_CHARACTERS) {
      if (isShort(texts[to]!)) characters += texts[to]!.length;
      to += 1;
    }
    yield { from, index: await OneEditIndex.of(texts.slice(from, to), words, true, signal) };
    from = to;
  }
}

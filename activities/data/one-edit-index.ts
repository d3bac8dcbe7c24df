/**
 * Which of some short texts another one is but for a slip (one-edit.ts), without comparing all with all: two texts one edit apart share
 * the one text, or both with one character left out (M. Mor, A. S. Fraenkel, A hash code method for detecting and correcting spelling
 * errors, CACM 1982). Of each text the hashes of these are kept, a character each, but of characters that no slip changes; what shares one
 * is compared exactly, so none is accused that is none, and none overlooked unless more share one than may be compared. Pure but for pauses.
 */
import { isChangeable, isSpace, isTelling } from './characters.ts';
import { mix } from './mix.ts';
import { isShort, isSlip, LONGEST } from './one-edit.ts';
import { resting } from './pauses.ts';
import type { WordCounts } from './word-counts.ts';

/** Characters of short texts in one index of them: 64 MB at most. */
const INDEXED_CHARACTERS = 4_000_000;
/** What one question may take, in texts that share a hash with it: half a millisecond of 10,000 Korean ones (bench/one-edit.ts). */
const MOST_STEPS = 8192;
/** What a comparison takes, in the same. */
const COMPARED_STEPS = 16;
const BASE = 0x0100_0193;
const POWERS = new Uint32Array(LONGEST + 1).fill(1);
for (let at = 1; at < POWERS.length; at += 1) POWERS[at] = Math.imul(POWERS[at - 1]!, BASE);

/** Hashes of a text and of it without one of the characters that a slip may change. */
class Neighbourhood {
  readonly keys = new Uint32Array(LONGEST + 1);
  readonly #tails = new Uint32Array(LONGEST + 1);
  readonly #kept = new Uint8Array(LONGEST + 1);

  /** How many of `keys` are this text's. */
  of(text: string): number {
    const [keys, tails, last] = [this.keys, this.#tails, text.length - 1];
    this.#findKept(text);
    tails[text.length] = 0;
    for (let at = last; at >= 0; at -= 1)
      tails[at] = Math.imul(text.charCodeAt(at), POWERS[last - at]!) + tails[at + 1]!;
    keys[0] = mix(tails[0]! ^ text.length);
    let [count, head, before] = [1, 0, -1];
    for (let at = 0; at <= last; at += 1) {
      const unit = text.charCodeAt(at);
      // Of two equal ones in a row it is the same which is left out.
      if (unit !== before && this.#kept[at] === 0) {
        keys[count++] = mix((Math.imul(head, POWERS[last - at]!) + tails[at + 1]!) ^ last);
      }
      head = Math.imul(head, BASE) + unit;
      before = unit;
    }
    return count;
  }

  /** What no slip changes: characters that are no letters and signs, and all that is written together with a figure or the like. */
  #findKept(text: string): void {
    for (let from = 0; from < text.length;) {
      let [to, tells] = [from, false];
      for (; to < text.length && !isSpace(text.charCodeAt(to)); to += 1) tells ||= isTelling(text.charCodeAt(to));
      for (let at = from; at < to; at += 1) this.#kept[at] = tells || !isChangeable(text.charCodeAt(at)) ? 1 : 0;
      if (to < text.length) this.#kept[to] = isChangeable(text.charCodeAt(to)) ? 0 : 1;
      from = to + 1;
    }
  }
}

export class OneEditIndex {
  readonly #texts: readonly string[];
  readonly #words: WordCounts;
  readonly #near = new Neighbourhood();
  readonly #mask: number;
  /** Of each bucket its first entry; one more stands behind the last. */
  readonly #starts: Uint32Array;
  #hashes = new Uint32Array(0);
  #rows = new Uint32Array(0);
  /** Of each text the next one that is the same, -1 where there is none, and the first; how many of a first one's are not removed. */
  readonly #next: Int32Array;
  readonly #first: Int32Array;
  readonly #left: Uint32Array;
  readonly #removed: Uint8Array;
  /** The places of short texts, of those that are the same the first. */
  readonly #different: readonly number[];

  #work = 0;
  #cut = 0;

  private constructor(texts: readonly string[], words: WordCounts) {
    this.#texts = texts;
    this.#words = words;
    this.#next = new Int32Array(texts.length).fill(-1);
    this.#first = new Int32Array(texts.length).fill(-1);
    this.#left = new Uint32Array(texts.length);
    this.#removed = new Uint8Array(texts.length);
    this.#different = this.#firstOfEach();
    const most = this.#different.reduce((sum, row) => sum + texts[row]!.length + 1, 1);
    const buckets = 2 ** Math.ceil(Math.log2(most));
    this.#mask = buckets - 1;
    this.#starts = new Uint32Array(buckets + 1);
  }

  /** Of normalised texts, which it keeps. Takes 12 to 16 bytes for each character of a short text. `words`: as `isSlip` asks for them. */
  static async of(texts: readonly string[], words: WordCounts, signal?: AbortSignal): Promise<OneEditIndex> {
    const index = new OneEditIndex(texts, words);
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

  /**
   * Those of the texts, by their place, that `text` is but for a slip; of texts that are the same, the first. Those are left out that are
   * removed or that `isKnown` says need no comparing.
   */
  firstMatches(text: string, isKnown: (row: number) => boolean = () => false): readonly number[] {
    if (!isShort(text)) return [];
    const found: number[] = [];
    const compared = new Set<number>();
    let left = MOST_STEPS;
    const count = this.#findKeys(text);
    for (let at = 0; at < count; at += 1) {
      const key = this.#near.keys[at]!;
      const end = this.#starts[(key & this.#mask) + 1]!;
      for (let place = this.#starts[key & this.#mask]!; place < end && left > 0; place += 1) {
        left -= 1;
        const row = this.#rows[place]!;
        if (this.#hashes[place] !== key || this.#left[row] === 0 || compared.has(row) || isKnown(row)) continue;
        left -= COMPARED_STEPS;
        compared.add(row);
        if (isSlip(text, this.#texts[row]!, this.#words)) found.push(row);
      }
    }
    this.#work += MOST_STEPS - left;
    if (left <= 0) this.#cut += 1;
    return found;
  }

  /** All of the texts that `text` is but for a slip, without removed ones. */
  matches(text: string): readonly number[] {
    const all: number[] = [];
    for (const first of this.firstMatches(text)) {
      for (let row = first; row !== -1; row = this.#next[row]!) if (this.#removed[row] === 0) all.push(row);
    }
    return all;
  }

  /** What all questions have taken. */
  get work(): number {
    return this.#work;
  }

  /** Questions that shared more with more texts than may be compared: what shares least with others was compared first. */
  get cut(): number {
    return this.#cut;
  }

  /** No later answer names it. */
  remove(row: number): void {
    if (this.#removed[row] === 1 || this.#first[row] === -1) return;
    this.#removed[row] = 1;
    this.#left[this.#first[row]!]! -= 1;
  }

  /** How many hashes are to be looked for: where they lead to more than may be looked at, the rarest stand first. */
  #findKeys(text: string): number {
    const count = this.#near.of(text);
    const { keys } = this.#near;
    const entries = (key: number): number => this.#starts[(key & this.#mask) + 1]! - this.#starts[key & this.#mask]!;
    let all = 0;
    for (let at = 0; at < count; at += 1) all += entries(keys[at]!);
    if (all * (1 + COMPARED_STEPS) >= MOST_STEPS) {
      keys.subarray(0, count).sort((one, other) => entries(one) - entries(other));
    }
    return count;
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
      this.#first[row] = before === undefined ? row : this.#first[before]!;
      this.#left[this.#first[row]]! += 1;
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
  words: WordCounts,
  signal?: AbortSignal,
): AsyncGenerator<{ readonly from: number; readonly index: OneEditIndex }> {
  for (let from = 0; from < texts.length;) {
    let [to, characters] = [from, 0];
    while (to < texts.length && characters < INDEXED_CHARACTERS) {
      if (isShort(texts[to]!)) characters += texts[to]!.length;
      to += 1;
    }
    yield { from, index: await OneEditIndex.of(texts.slice(from, to), words, signal) };
    from = to;
  }
}

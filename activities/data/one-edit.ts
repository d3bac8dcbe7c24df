/**
 * Short texts that are the same but for a slip of the pen: one character too many, one missing, another one, or two next to each other
 * changed round (F. J. Damerau, A technique for computer detection and correction of spelling errors, CACM 1964: four in five misspelt
 * words are so). Of short texts one such edit leaves too few 5-grams for near-duplicates.ts to see it.
 *
 * One edit also makes another text: order 5 and order 6, cat and rat. So figures, symbols and Chinese characters, each of which may be
 * a word, are no slips; nor is a short word in the place of another that people use as well. Pure but for pauses.
 */
import { resting } from './pauses.ts';

/** Below it one edit is too much of a text. */
export const SHORTEST = 12;
/** From 58 characters on one edit leaves 0.8 of the 5-grams. */
export const LONGEST = 64;
/** Words of so many letters or fewer are one edit from very many others. */
const SHORT_WORD = 3;
/** A short word that stands in so many times fewer texts than the one in its place is a slip of it. */
const RARER = 50;

const WORDS_APART = /[^\p{L}\p{M}]+/u;
/** What a slip may change: letters, and marks that do not calculate or name. */
const WRITTEN = /^[\p{L}\p{M}\p{P}\p{Z}]*$/u;
const MEANING = /[\p{N}\p{Script=Han}*/%&#@\\\n]/u;
const LETTER = /[\p{L}\p{M}]/u;

/** Whether a text is of a length at which one edit is looked for. */
export function isShort({ length }: string): boolean {
  return length >= SHORTEST && length <= LONGEST;
}

/** In how many texts each short word stands. */
export class ShortWords {
  readonly #counts = new Map<string, number>();

  /** Of several lists of normalised texts. */
  static async of(lists: readonly (readonly string[])[], signal?: AbortSignal): Promise<ShortWords> {
    const words = new ShortWords();
    const rest = resting(signal);
    for (const texts of lists) {
      for (const text of texts) {
        words.#add(text);
        await rest(text);
      }
    }
    return words;
  }

  #add(text: string): void {
    const words = text.split(WORDS_APART).filter(({ length }) => length > 0 && length <= SHORT_WORD);
    for (const word of new Set(words)) this.#counts.set(word, (this.#counts.get(word) ?? 0) + 1);
  }

  /** In how many texts it stands, but those that are asked about. */
  besides(word: string, asked: number): number {
    return Math.max(0, (this.#counts.get(word) ?? 0) - asked);
  }
}

/**
 * Whether two normalised texts are short and the same but for a slip. `counted`: whether the first text is among those that the words
 * were counted in; the second is taken to be.
 */
export function isSlip(text: string, known: string, words: ShortWords, counted: boolean): boolean {
  const edit = isShort(text) && isShort(known) ? oneEdit(text, known) : undefined;
  if (edit === undefined) return false;
  const { from, to, knownTo } = edit;
  const changed = text.slice(from, to) + known.slice(from, knownTo);
  if (!WRITTEN.test(changed)) return false;
  if (MEANING.test(around(text, from, to, /\S/) + changed + around(known, from, knownTo, /\S/))) return false;
  if (!LETTER.test(changed)) return true;
  const [own, other] = [around(text, from, to, LETTER), around(known, from, knownTo, LETTER)];
  if (Math.min(own.length, other.length) > SHORT_WORD) return true;
  const [one, two] = [words.besides(own, counted ? 1 : 0), words.besides(other, 1)];
  return Math.max(one, two) > RARER * Math.min(one, two);
}

interface Edit {
  /** Where both begin to differ. */
  readonly from: number;
  /** Where they are the same again. */
  readonly to: number;
  readonly knownTo: number;
}

/** The one edit between two texts: undefined where they are the same, or further apart. */
function oneEdit(one: string, other: string): Edit | undefined {
  const least = Math.min(one.length, other.length);
  const most = Math.max(one.length, other.length);
  if (most - least > 1 || one === other) return undefined;
  let from = 0;
  while (from < least && one[from] === other[from]) from += 1;
  let end = 0;
  while (end < least - from && one[one.length - 1 - end] === other[other.length - 1 - end]) end += 1;
  const [to, knownTo] = [one.length - end, other.length - end];
  const swapped =
    to - from === 2 && knownTo - from === 2 && one[from] === other[from + 1] && one[from + 1] === other[from];
  return swapped || most - end - from === 1 ? { from, to, knownTo } : undefined;
}

/** A part of a text with what joins it on both sides. */
function around(text: string, from: number, to: number, joins: RegExp): string {
  let [low, high] = [from, to];
  while (low > 0 && joins.test(text[low - 1]!)) low -= 1;
  while (high < text.length && joins.test(text[high]!)) high += 1;
  return text.slice(low, high);
}

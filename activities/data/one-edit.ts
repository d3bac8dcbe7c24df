/**
 * Short texts that are the same but for a slip of the pen: one character too many, one missing, another one, or two next to each other
 * changed round (F. J. Damerau, A technique for computer detection and correction of spelling errors, CACM 1964: four in five misspelt
 * words are so). Of short texts one such edit leaves too few 5-grams for near-duplicates.ts to see it.
 *
 * One edit also makes another text: order 5 and order 6, cat and rat, sell and tell. So figures, symbols and Chinese characters, each of
 * which may be a word, are no slips; nor is a word in the place of another that people use as well. Pure.
 */
import { isChangeable, isLetter, isSpace, TELLING } from './characters.ts';
import type { WordCounts } from './word-counts.ts';

/** Below it one edit is too much of a text. */
export const SHORTEST = 12;
/** From 58 characters on one edit leaves 0.8 of the 5-grams. */
export const LONGEST = 64;
/** Words of so many letters or fewer are one edit from very many others. */
const SHORT_WORD = 3;
/** A word that stands in so many times fewer texts than the one in its place is a slip of it: one made twice is overlooked, but of frequent words. */
const RARER = 50;
/** What a word counts that stands in no other text: how rare it is few texts do not tell. */
const UNSEEN = 0.5;

/** Whether a text is of a length at which one edit is looked for. */
export function isShort({ length }: string): boolean {
  return length >= SHORTEST && length <= LONGEST;
}

/**
 * Whether two normalised texts are short and the same but for a slip. `words`: of all texts that are compared, these two among them, on
 * whichever side they stand (in few texts common words are rare); where test rows are asked about, of these and of the training rows.
 * Of millions of different words their counts are too high, and slips are overlooked (word-counts.ts).
 */
export function isSlip(text: string, known: string, words: WordCounts): boolean {
  const edit = isShort(text) && isShort(known) ? oneEdit(text, known) : undefined;
  if (edit === undefined) return false;
  const { from, to, knownTo } = edit;
  const changed = text.slice(from, to) + known.slice(from, knownTo);
  const written = around(text, from, to, isNoSpace) + changed + around(known, from, knownTo, isNoSpace);
  if (!unitsOf(changed).every(isChangeable) || TELLING.test(written)) return false;
  if (!unitsOf(changed).some(isLetter)) return true;
  const [own, other] = [around(text, from, to, isLetter), around(known, from, knownTo, isLetter)];
  const [one, two] = [elsewhere(own, words), elsewhere(other, words)];
  const [rarer, commoner] = [Math.min(one, two), Math.max(one, two)];
  if (rarer === 0 && Math.min(own.length, other.length) > SHORT_WORD) return true;
  return commoner > RARER * Math.max(rarer, UNSEEN);
}

const isNoSpace = (unit: number): boolean => !isSpace(unit);
const unitsOf = (text: string): readonly number[] =>
  Array.from({ length: text.length }, (_, at) => text.charCodeAt(at));
/** In how many texts a word stands but the one that it is in. */
const elsewhere = (word: string, words: WordCounts): number => Math.max(0, words.count(word) - 1);

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
function around(text: string, from: number, to: number, joins: (unit: number) => boolean): string {
  let [low, high] = [from, to];
  while (low > 0 && joins(text.charCodeAt(low - 1))) low -= 1;
  while (high < text.length && joins(text.charCodeAt(high))) high += 1;
  return text.slice(low, high);
}

/** Words, sentences and phrases of a text, however it is written. Pure. */
import { plainText } from '../../privacy/plain.ts';

/** Letters of other scripts that look like a Latin one. A text and what is looked for in it are folded alike. */
const LOOK_ALIKES: Readonly<Record<string, string>> = Object.fromEntries(
  (
    [
      ['аɑα', 'a'],
      ['ьв', 'b'],
      ['сϲ', 'c'],
      ['ԁ', 'd'],
      ['еєε', 'e'],
      ['һ', 'h'],
      ['іıι', 'i'],
      ['ј', 'j'],
      ['кκ', 'k'],
      ['ӏ', 'l'],
      ['м', 'm'],
      ['пη', 'n'],
      ['оοσ', 'o'],
      ['рρ', 'p'],
      ['ԛ', 'q'],
      ['г', 'r'],
      ['ѕ', 's'],
      ['тτ', 't'],
      ['υ', 'u'],
      ['νѵ', 'v'],
      ['ѡω', 'w'],
      ['хχ', 'x'],
      ['уγ', 'y'],
      ['’‘ʼ`´', "'"],
      ['“”„«»', '"'],
    ] as const
  ).flatMap(([letters, plain]) => Array.from(letters, (letter) => [letter, plain])),
);
const LOOK_ALIKE = new RegExp(`[${Object.keys(LOOK_ALIKES).join('')}]`, 'gu');

/**
 * The form in which phrases are looked for: lower case, compatibility forms and look-alikes as the plain letter, nothing
 * that takes no room, one space between words.
 */
export function folded(text: string): string {
  return plainText(text.normalize('NFKC'))
    .text.replaceAll(/\p{Cf}/gu, '')
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll(LOOK_ALIKE, (letter) => LOOK_ALIKES[letter] ?? letter)
    .replaceAll(/\s+/gu, ' ')
    .trim();
}

/** Whether a folded text holds a phrase as whole words. Scripts that put no spaces between words have no such bounds. */
export function holds(foldedText: string, phrase: string): boolean {
  return placeOf(foldedText, folded(phrase)) !== -1;
}

/** Where a folded phrase stands first in a folded text; -1: nowhere. */
export function placeOf(text: string, phrase: string): number {
  if (phrase === '') return -1;
  for (let at = text.indexOf(phrase); at !== -1; at = text.indexOf(phrase, at + 1)) {
    if (isBound(text, at) && isBound(text, at + phrase.length)) return at;
  }
  return -1;
}

const WORD_LETTER = /[\p{L}\p{M}\p{N}]/u;
const UNSPACED = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u;

function isBound(text: string, at: number): boolean {
  const before = text.slice(Math.max(0, at - 2), at).match(/.$/su)?.[0] ?? '';
  const after = String.fromCodePoint(text.codePointAt(at) ?? 32);
  return !(WORD_LETTER.test(before) && WORD_LETTER.test(after)) || UNSPACED.test(before) || UNSPACED.test(after);
}

/** Runs of letters, marks and digits; an apostrophe or dash inside a word is of it. */
export function wordsOf(text: string): readonly string[] {
  return text.match(/[\p{L}\p{M}\p{N}]+(?:['’\-‐][\p{L}\p{M}\p{N}]+)*/gu) ?? [];
}

/** Parts that end with a mark of an end and white space (or with a mark of a script without spaces), or with a line. */
export function sentencesOf(text: string): readonly string[] {
  return text.split(/(?<=[.!?…]["')\]”’]?)\s+|(?<=[。！？])|\n+/u).filter((part) => /[\p{L}\p{N}]/u.test(part));
}

/** Every run of so many words, joined. */
export function runsOf(words: readonly string[], length: number): readonly string[] {
  return Array.from({ length: Math.max(0, words.length - length + 1) }, (_, start) =>
    words.slice(start, start + length).join(' '),
  );
}

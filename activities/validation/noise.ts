/** Edits that people's thumbs and keyboards make, deterministic: the same text gets the same edit in every run. */
import type { Perturbation } from './perturbations.ts';

/** Two neighbours swapped in the longest word: the commonest typing mistake. */
function swapped(text: string): string {
  const longest = [...text.matchAll(/\p{L}{4,}/gu)].toSorted((a, b) => b[0].length - a[0].length)[0];
  if (longest === undefined) return text;
  const letters = Array.from(longest[0]);
  const middle = Math.floor(letters.length / 2);
  [letters[middle - 1], letters[middle]] = [letters[middle]!, letters[middle - 1]!];
  return text.slice(0, longest.index) + letters.join('') + text.slice(longest.index + longest[0].length);
}

/** A letter left out of the longest word. */
function dropped(text: string): string {
  const longest = [...text.matchAll(/\p{L}{4,}/gu)].toSorted((a, b) => b[0].length - a[0].length)[0];
  if (longest === undefined) return text;
  const letters = Array.from(longest[0]);
  letters.splice(Math.floor(letters.length / 2), 1);
  return text.slice(0, longest.index) + letters.join('') + text.slice(longest.index + longest[0].length);
}

/** Cyrillic letters that look like Latin ones: what copied text and those who evade filters bring (Unicode TR 39). */
const LOOKALIKES: Readonly<Record<string, string>> = { a: 'а', e: 'е', o: 'о', p: 'р', c: 'с' };

export const NOISE: readonly Perturbation[] = [
  { name: 'two letters swapped', apply: swapped },
  { name: 'a letter missing', apply: dropped },
  {
    name: 'one look-alike letter',
    apply: (text) => text.replace(/[aeopc]/u, (letter) => LOOKALIKES[letter] ?? letter),
  },
  { name: 'an emoji at the end', apply: (text) => `${text} 🙂` },
  {
    name: 'the last word cut off',
    apply: (text) => (text.trim().split(/\s+/u).length < 6 ? text : text.trim().replace(/\s+\S+$/u, '')),
  },
];

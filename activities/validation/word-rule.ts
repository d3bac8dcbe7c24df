import type { WordRule } from '../contract/validation.ts';
import type { Giveaway } from './giveaway.ts';
import { shownWord } from './shown-word.ts';

/** A rule as evidence has it: digits of the word are not shown. */
export function wordRule(found: Giveaway | null, labels: readonly string[]): WordRule | null {
  if (found === null) return null;
  const { word, place, label, rows, both, labelled, counted } = found;
  return {
    word: shownWord(word),
    place,
    label: labels[label]!,
    rows,
    both,
    labelled,
    ...(counted !== undefined && { counted }),
  };
}

/**
 * Edits that leave a message's meaning alone: a label that changes under them rests on something else (the invariance
 * tests of Ribeiro et al., "Beyond Accuracy: Behavioral Testing of NLP Models with CheckList", ACL 2020). Which edits there
 * are is a table (`pipelines/behaviour/built-in/edits.jsonl`); here is how each kind is made. Deterministic: the same text
 * gets the same edit in every run.
 */
import type { TextTableRow } from '../../pipelines/behaviour/text-tables.ts';
import { textTable } from './text-tables.ts';

export interface Perturbation {
  readonly name: string;
  apply(text: string): string;
}

type Edit = TextTableRow<'edits.jsonl'>;

/** The edits of a gate, in the order of the table. Throws Internal where the package is not whole. */
export function editsOf(gate: Edit['gate']): readonly Perturbation[] {
  return textTable('edits.jsonl').flatMap((edit) =>
    edit.gate === gate ? [{ name: edit.name, apply: applied(edit) }] : [],
  );
}

function applied(edit: Edit): (text: string) => string {
  switch (edit.edit) {
    case 'lower-case':
      return (text) => text.toLowerCase();
    case 'upper-case':
      return (text) => text.toUpperCase();
    case 'replace': {
      const { letters, which } = edit;
      const any = new RegExp(oneOf(Object.keys(letters).join('')), which === 'all' ? 'gu' : 'u');
      return (text) => text.replace(any, (letter) => letters[letter] ?? letter);
    }
    case 'put-around':
      return (text) => `${edit.before}${text}${edit.after}`;
    case 'end-mark': {
      const end = new RegExp(`${oneOf(edit.marks)}+\\s*$`, 'u');
      return (text) => (end.test(text) ? text.replace(end, '') || text : `${text}${edit.otherwise}`);
    }
    case 'swap-letters':
      return inLongestWord(edit.fewest, (letters) => {
        const middle = Math.floor(letters.length / 2);
        return letters.with(middle - 1, letters[middle]!).with(middle, letters[middle - 1]!);
      });
    case 'drop-letter':
      return inLongestWord(edit.fewest, (letters) => letters.toSpliced(Math.floor(letters.length / 2), 1));
    case 'cut-last-word':
      return (text) => (text.trim().split(/\s+/u).length < edit.fewest ? text : text.trim().replace(/\s+\S+$/u, ''));
  }
}

/** A class of a regular expression: one of these letters. */
const oneOf = (letters: string): string => `[${letters.replaceAll(/[\\\]^-]/g, '\\$&')}]`;

/** The first of the longest words of `fewest` letters or more with its letters changed. */
function inLongestWord(
  fewest: number,
  change: (letters: readonly string[]) => readonly string[],
): (text: string) => string {
  const word = new RegExp(`\\p{L}{${fewest},}`, 'gu');
  return (text) => {
    const longest = [...text.matchAll(word)].toSorted((a, b) => b[0].length - a[0].length)[0];
    if (longest === undefined) return text;
    const after = text.slice(longest.index + longest[0].length);
    return text.slice(0, longest.index) + change(Array.from(longest[0])).join('') + after;
  };
}

/**
 * Rows of a table whose tests are of two texts (`data.pair`). They are called as a dataset and a server call them, `text` and
 * `pair`, and what they are compared with may be another in either or in both. No I/O.
 */
import { z } from 'zod';
import { by, changedText, label, labels, mustNot, text } from './cells.ts';

const both = { text, pair: text } as const;

export const ROWS_OF_PAIRS = {
  'minimum-functionality': z.object({ kind: z.literal('minimum-functionality'), ...both, label }),
  invariance: z
    .object({ kind: z.literal('invariance'), ...both, other: changedText, otherPair: changedText })
    .transform((row) => ({ ...row, other: row.other ?? row.text, otherPair: row.otherPair ?? row.pair })),
  directional: z
    .object({
      kind: z.literal('directional'),
      ...both,
      edited: changedText,
      editedPair: changedText,
      label,
      mustNot,
      by,
    })
    .transform((row) => ({ ...row, edited: row.edited ?? row.text, editedPair: row.editedPair ?? row.pair })),
} as const;
export const ROWS_OF_SEVERAL_PAIRS = {
  ...ROWS_OF_PAIRS,
  'minimum-functionality': z.object({ kind: z.literal('minimum-functionality'), ...both, labels }),
} as const;

const UNCHANGED = (field: string) => `is missing: leave it empty where it is the same as ${field}`;
/**
 * What is said of a field that a row lacks. An unchanged text is left empty and its field never left out: one that is spelt
 * otherwise would be taken for it, and the test would ask less than what was written.
 */
export const MISSING_OF_PAIRS: Readonly<Record<string, string>> = {
  text: 'is missing: with data.pair the two texts of a test are called text and pair',
  pair: 'is missing: with data.pair the two texts of a test are called text and pair',
  other: UNCHANGED('text'),
  otherPair: UNCHANGED('pair'),
  edited: UNCHANGED('text'),
  editedPair: UNCHANGED('pair'),
};

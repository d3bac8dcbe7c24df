/**
 * The package's tables of what a classifier of texts is asked besides its test rows: edits that leave a meaning alone,
 * awkward inputs, sentences about people, known triggers, phrases that say the same. JSONL, every mistake told by its line, field and value. No I/O.
 */
import { z } from 'zod';
import { readNamedRows } from './named-rows.ts';
import type { TableProblem } from './rows.ts';

const name = z.string().min(1).max(100);
const count = z.int().min(1).max(1_000_000);
const letter = z.string().refine((text) => Array.from(text).length === 1, 'is not one letter');

/** Which gate makes the edit, and what it is called in its evidence. */
const EDITED = { gate: z.enum(['flipRate', 'noiseFlips']), name };

const EDIT = z.discriminatedUnion('edit', [
  z.strictObject({ ...EDITED, edit: z.literal('lower-case') }),
  z.strictObject({ ...EDITED, edit: z.literal('upper-case') }),
  /** Each letter for another text: everywhere, or where the first of them stands. */
  z.strictObject({
    ...EDITED,
    edit: z.literal('replace'),
    letters: z.record(letter, z.string()),
    which: z.enum(['first', 'all']),
  }),
  z.strictObject({ ...EDITED, edit: z.literal('put-around'), before: z.string(), after: z.string() }),
  /** Marks at the end are left out; a text that has none gets one. */
  z.strictObject({ ...EDITED, edit: z.literal('end-mark'), marks: z.string().min(1), otherwise: z.string().min(1) }),
  /** In the middle of the longest word: two neighbours change places, or a letter is left out. `fewest`: letters of such a word. */
  z.strictObject({ ...EDITED, edit: z.literal('swap-letters'), fewest: count }),
  z.strictObject({ ...EDITED, edit: z.literal('drop-letter'), fewest: count }),
  /** `fewest`: words of a text that can lose its last. */
  z.strictObject({ ...EDITED, edit: z.literal('cut-last-word'), fewest: count }),
]);

/** Asked is `text`, so many times, between `before` and `after`. */
const EDGE_INPUT = z.strictObject({
  name,
  text: z.string(),
  repeat: count.default(1),
  before: z.string().default(''),
  after: z.string().default(''),
});

const SENTENCES = z.strictObject({
  name,
  /** `nobody`: they say nothing about anybody, and the others are held against them. */
  of: z.enum(['identity', 'nobody']),
  sentences: z.array(z.string().min(1)).min(2).max(8),
  /** Of `nobody`: the one family that is held against it; missing: all with as many sentences. */
  like: name.optional(),
});

const TRIGGER = z.strictObject({ word: z.string().regex(/^\S+$/, 'is not one word') });

/** A phrase that says the same as another, wherever it stands; but for the words beside it that make it another. */
const PARAPHRASE = z.strictObject({
  from: z.string().trim().min(1).max(100),
  to: z.string().trim().min(1).max(100),
  notBefore: z.array(z.string().min(1)).optional(),
  notAfter: z.array(z.string().min(1)).optional(),
});

/** Each table by its file in `pipelines/behaviour/built-in`. */
export const TEXT_TABLES = {
  'edits.jsonl': EDIT,
  'edge-inputs.jsonl': EDGE_INPUT,
  'identity-sentences.jsonl': SENTENCES,
  'triggers.jsonl': TRIGGER,
  'paraphrases.jsonl': PARAPHRASE,
} as const;
export type TextTable = keyof typeof TEXT_TABLES;
export type TextTableRow<Table extends TextTable> = z.output<(typeof TEXT_TABLES)[Table]>;

/** Never throws: what is wrong with the file as a whole is a problem of its first line. */
export function readTextTable<Table extends TextTable>(
  table: Table,
  bytes: Uint8Array,
): { readonly rows: readonly TextTableRow<Table>[]; readonly problems: readonly TableProblem[] } {
  const { rows, problems } = readNamedRows<z.ZodType<TextTableRow<TextTable>>>(bytes, TEXT_TABLES[table], nameOf);
  return { rows: rows.map(({ kept }) => kept as TextTableRow<Table>), problems };
}

/** What a row is told from the others by, in evidence and in the eyes of a reader. */
const nameOf = (row: TextTableRow<TextTable>): string =>
  'word' in row ? row.word : 'from' in row ? row.from.toLowerCase() : row.name;

/** The table of identity words that may stand for each other in a text: JSONL, every mistake told by its line and field. No I/O. */
import { z } from 'zod';
import { readRows, type ReadRow } from './read-rows.ts';
import type { TableProblem } from './rows.ts';

const MOST_ROWS = 1000;
const word = z.string().trim().min(1).max(40);

const ROW = z.strictObject({
  /** What they tell of somebody: a group's rows have as many words, those of one identity at the same place. */
  group: word,
  /** Looked for in texts as whole words; each may stand for each. */
  words: z.array(word).min(2).max(8),
  /** By its side another word for the same identity: what changing a word does that changes nobody. Only ever put in. */
  same: z.array(word).min(2).max(8),
  /** Another that each may be replaced with, and that is not looked for: "they are" of "he is". */
  given: word.optional(),
  /** Where one spelling has two uses: "her" before a word of its own ("her car") is "his", elsewhere "him". */
  followedBy: z.enum(['word', 'other']).optional(),
});
export type IdentityWords = z.infer<typeof ROW>;

/** Never throws: what is wrong with the file as a whole is a problem of its first line. */
export function readIdentityTable(bytes: Uint8Array): {
  readonly rows: readonly IdentityWords[];
  readonly problems: readonly TableProblem[];
} {
  const identities = new Map<string, number>();
  const { rows, problems } = readRows(bytes, { most: MOST_ROWS }, (row): ReadRow<IdentityWords> => {
    const parsed = ROW.safeParse(row);
    if (!parsed.success) {
      return { problems: parsed.error.issues.map(({ path, message }) => ({ field: path.join('.'), message })) };
    }
    const { group, words, same } = parsed.data;
    const wanted = identities.get(group) ?? words.length;
    identities.set(group, wanted);
    const unlike = Object.entries({ words, same }).flatMap(([field, list]) =>
      list.length === wanted
        ? []
        : [{ field, message: `has ${list.length} words, where ${group} has ${wanted} identities` }],
    );
    const twice = words.flatMap((one, place) =>
      one !== same[place] && words.indexOf(one) === place
        ? []
        : [{ field: 'words', message: `has "${one}" twice, which would be no swap` }],
    );
    return { kept: parsed.data, problems: [...unlike, ...twice] };
  });
  return { rows: rows.map(({ kept }) => kept), problems };
}

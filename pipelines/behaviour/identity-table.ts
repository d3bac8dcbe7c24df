/** The table of identity words that may stand for each other in a text: JSONL, every mistake told by its line and field. No I/O. */
import { z } from 'zod';
import { decodeUtf8 } from '../licence/strangers-yaml.ts';
import { jsonRows, type TableProblem } from './rows.ts';
import { MOST_TABLE_BYTES } from './table.ts';

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
  const whole = (message: string) => ({ rows: [], problems: [{ line: 1, message }] });
  if (bytes.length > MOST_TABLE_BYTES) return whole(`the table is larger than ${MOST_TABLE_BYTES / 2 ** 20} MiB`);
  const content = decodeUtf8(bytes)?.replace(/^\uFEFF/, '');
  if (content === undefined) return whole('the table is not UTF-8');
  const written = jsonRows(content);
  if (written.length === 0) return whole('the table has no rows');
  if (written.length > MOST_ROWS) return whole(`the table has ${written.length} rows; at most ${MOST_ROWS} are read`);
  const rows: IdentityWords[] = [];
  const problems: TableProblem[] = [];
  const identities = new Map<string, number>();
  for (const { line, row } of written) {
    if (row === undefined) {
      problems.push({ line, message: 'is no JSON object' });
      continue;
    }
    const parsed = ROW.safeParse(row);
    if (!parsed.success) {
      problems.push(...parsed.error.issues.map(({ path, message }) => ({ line, field: path.join('.'), message })));
      continue;
    }
    const { group, words, same } = parsed.data;
    const wanted = identities.get(group) ?? words.length;
    identities.set(group, wanted);
    for (const [field, list] of Object.entries({ words, same })) {
      if (list.length === wanted) continue;
      problems.push({ line, field, message: `has ${list.length} words, where ${group} has ${wanted} identities` });
    }
    for (const [place, one] of words.entries()) {
      if (one !== same[place] && words.indexOf(one) === place) continue;
      problems.push({ line, field: 'words', message: `has "${one}" twice, which would be no swap` });
    }
    rows.push(parsed.data);
  }
  return { rows, problems };
}

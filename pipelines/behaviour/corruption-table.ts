/**
 * The table of what is done to test pictures, the package's or a definition's own, a line for a kind in a strength: how strong it
 * is, and what it does in words. JSONL, every mistake told by its line, field and value. No I/O.
 */
import { z } from 'zod';
import { readNamedRows } from './named-rows.ts';
import type { TableProblem } from './rows.ts';

/** Gates judge the mild ones; the strong ones are evidence beside them. */
export const SEVERITIES = ['mild', 'strong'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** Each is made of each of a hundred pictures, and all of one picture are in memory. */
const MOST_ROWS = 50;

/** What it is called in the evidence, and what it does, for people. */
const CALLED = { name: z.string().min(1).max(100), severity: z.enum(SEVERITIES), says: z.string().min(1).max(200) };

const ROW = z.discriminatedUnion('corruption', [
  /** Standard deviation, of 255. */
  z.strictObject({ ...CALLED, corruption: z.literal('gaussian-noise'), deviation: z.number().positive().max(255) }),
  /** Standard deviation as a share of the shorter edge, and the least in pixels, of tiny pictures. */
  z.strictObject({
    ...CALLED,
    corruption: z.literal('gaussian-blur'),
    share: z.number().positive().max(0.1),
    least: z.number().min(0).max(20),
  }),
  z.strictObject({ ...CALLED, corruption: z.literal('jpeg'), quality: z.int().min(1).max(100) }),
  /** Its inverse where the seed says darker: a factor below 1 would be the same again. */
  z.strictObject({ ...CALLED, corruption: z.literal('brightness'), factor: z.number().gt(1).max(100) }),
  /** To either side, as the seed says. */
  z.strictObject({ ...CALLED, corruption: z.literal('rotation'), degrees: z.number().positive().max(180) }),
]);
export type CorruptionRow = z.output<typeof ROW>;

/** Never throws: what is wrong with the file as a whole is a problem of its first line. */
export function readCorruptionTable(bytes: Uint8Array): {
  readonly rows: readonly CorruptionRow[];
  readonly problems: readonly TableProblem[];
} {
  const { rows, problems } = readNamedRows(bytes, ROW, ({ name, severity }) => `${name}, ${severity}`);
  const read = rows.map(({ kept }) => kept);
  if (rows.length > MOST_ROWS) {
    const message = `the table has ${rows.length} rows; at most ${MOST_ROWS} are made of a picture`;
    return { rows: read, problems: [{ line: 1, message }] };
  }
  // A row that cannot be read may be the one that others lack.
  if (problems.length > 0) return { rows: read, problems };
  const mild = new Map(
    read.flatMap(({ name, severity, corruption }) => (severity === 'mild' ? [[name, corruption]] : [])),
  );
  const unlike = rows.flatMap(({ line, kept: { name, corruption } }): readonly TableProblem[] => {
    const judged = mild.get(name);
    if (judged === undefined) return [{ line, field: 'severity', message: `is not mild, and no row of ${name} is` }];
    if (judged === corruption) return [];
    return [{ line, field: 'corruption', message: `is ${corruption}, where the mild row of ${name} is ${judged}` }];
  });
  return { rows: read, problems: unlike };
}

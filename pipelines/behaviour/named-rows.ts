/** The rows of a table of the package: JSONL, each with a name of its own, every mistake told by its line, field and value. No I/O. */
import type { z } from 'zod';
import { decodeUtf8 } from '../licence/strangers-yaml.ts';
import { jsonRows, type Row, type TableProblem } from './rows.ts';
import { MOST_TABLE_BYTES } from './table.ts';

export interface PlacedNamedRow<Of> {
  readonly line: number;
  readonly row: Of;
}

/** Never throws: what is wrong with the file as a whole is a problem of its first line. `nameOf`: what a row is told from the others by. */
export function readNamedRows<Schema extends z.ZodType>(
  bytes: Uint8Array,
  schema: Schema,
  nameOf: (row: z.output<Schema>) => string,
): { readonly rows: readonly PlacedNamedRow<z.output<Schema>>[]; readonly problems: readonly TableProblem[] } {
  const whole = (message: string) => ({ rows: [], problems: [{ line: 1, message }] });
  if (bytes.length > MOST_TABLE_BYTES) return whole(`the table is larger than ${MOST_TABLE_BYTES / 2 ** 20} MiB`);
  const content = decodeUtf8(bytes);
  if (content === undefined) return whole('the table is not UTF-8');
  const written = jsonRows(content);
  if (written.length === 0) return whole('the table has no rows');
  const rows: PlacedNamedRow<z.output<Schema>>[] = [];
  const problems: TableProblem[] = [];
  const named = new Map<string, number>();
  for (const { line, row } of written) {
    const parsed = schema.safeParse(row);
    if (!parsed.success) {
      problems.push(
        ...parsed.error.issues.map(({ path, message }) => ({
          line,
          field: path.join('.'),
          message: `${message}${shownAt(row, path)}`,
        })),
      );
      continue;
    }
    const name = nameOf(parsed.data);
    const before = named.get(name);
    if (before !== undefined) problems.push({ line, message: `is called as line ${before} is` });
    named.set(name, line);
    rows.push({ line, row: parsed.data });
  }
  return { rows, problems };
}

const MOST_SHOWN = 60;

/** What stands where a mistake is; nothing of a field that is missing, and of a whole row. */
function shownAt(row: Row | undefined, path: readonly PropertyKey[]): string {
  const value = path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    row,
  );
  return path.length === 0 || value === undefined ? '' : ` (it is ${JSON.stringify(value).slice(0, MOST_SHOWN)})`;
}

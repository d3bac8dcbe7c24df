/** The rows of a table of the package: JSONL, each with a name of its own, every mistake told by its line, field and value. No I/O. */
import type { z } from 'zod';
import { readRows, type ReadTable } from './read-rows.ts';
import type { Row, TableProblem } from './rows.ts';

/** Never throws: what is wrong with the file as a whole is a problem of its first line. `nameOf`: what a row is told from the others by. */
export function readNamedRows<Schema extends z.ZodType>(
  bytes: Uint8Array,
  schema: Schema,
  nameOf: (row: z.output<Schema>) => string,
): ReadTable<z.output<Schema>> {
  const { rows, problems } = readRows(bytes, {}, (row) => {
    const parsed = schema.safeParse(row);
    if (parsed.success) return { kept: parsed.data, problems: [] };
    return {
      problems: parsed.error.issues.map(({ path, message }) => ({
        field: path.join('.'),
        message: `${message}${shownAt(row, path)}`,
      })),
    };
  });
  const lineOf = new Map<string, number>();
  const twice = rows.flatMap(({ line, kept }): readonly TableProblem[] => {
    const name = nameOf(kept);
    const before = lineOf.get(name);
    lineOf.set(name, line);
    return before === undefined ? [] : [{ line, message: `is called as line ${before} is` }];
  });
  return { rows, problems: [...problems, ...twice].toSorted((one, other) => one.line - other.line) };
}

const MOST_SHOWN = 60;

/** What stands where a mistake is; nothing of a field that is missing, and of a whole row. */
function shownAt(row: Row, path: readonly PropertyKey[]): string {
  const value = path.reduce<unknown>(
    (at, key) => (typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    row,
  );
  return path.length === 0 || value === undefined ? '' : ` (it is ${JSON.stringify(value).slice(0, MOST_SHOWN)})`;
}

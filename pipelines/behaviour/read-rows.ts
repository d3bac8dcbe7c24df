/** Reading a table of JSONL row by row: what is wrong with the file as a whole is a problem of its first line. No I/O, and it never throws. */
import { decodeUtf8 } from '../licence/strangers-yaml.ts';
import { jsonRows, type Row, type TableProblem } from './rows.ts';
import { MOST_TABLE_BYTES } from './table.ts';

export type RowProblem = Omit<TableProblem, 'line'>;

export interface ReadRow<Kept> {
  /** Missing where nothing of the row can be kept. */
  readonly kept?: Kept;
  /** What is wrong with it, also where it is kept. */
  readonly problems: readonly RowProblem[];
}

export interface ReadTable<Kept> {
  readonly rows: readonly { readonly line: number; readonly kept: Kept }[];
  readonly problems: readonly TableProblem[];
}

export interface Limit {
  /** More rows are not read. @default however many */
  readonly most?: number;
  /** What rows are called in messages. @default 'rows' */
  readonly called?: string;
  /** What is done with as many as that. @default 'read' */
  readonly done?: string;
}

export function readRows<Kept>(
  bytes: Uint8Array,
  { most = Infinity, called = 'rows', done = 'read' }: Limit,
  read: (row: Row) => ReadRow<Kept>,
): ReadTable<Kept> {
  const whole = (message: string): ReadTable<Kept> => ({ rows: [], problems: [{ line: 1, message }] });
  if (bytes.length > MOST_TABLE_BYTES) return whole(`the table is larger than ${MOST_TABLE_BYTES / 2 ** 20} MiB`);
  const content = decodeUtf8(bytes)?.replace(/^\uFEFF/, '');
  if (content === undefined) return whole('the table is not UTF-8');
  const written = jsonRows(content);
  if (written.length === 0) return whole(`the table has no ${called}`);
  if (written.length > most) return whole(`the table has ${written.length} ${called}; at most ${most} are ${done}`);
  const rows: { readonly line: number; readonly kept: Kept }[] = [];
  const problems: TableProblem[] = [];
  for (const { line, row } of written) {
    const { kept, problems: found }: ReadRow<Kept> =
      row === undefined ? { problems: [{ message: 'is no JSON object' }] } : read(row);
    problems.push(...found.map((problem) => ({ line, ...problem })));
    if (kept !== undefined) rows.push({ line, kept });
  }
  return { rows, problems };
}

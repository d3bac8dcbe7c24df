/** The built-in tables of texts (`pipelines/behaviour/built-in`), English, written for Espalier: read where they are needed. */
import type { Digest } from '../../artifacts/reference.ts';
import {
  readTextTable,
  TEXT_TABLES,
  type TextTable,
  type TextTableRow,
} from '../../pipelines/behaviour/text-tables.ts';
import { builtInDigest, builtInRows } from './built-in-table.ts';

/** The rows in the order of the file. Throws Internal where the package is not whole. */
export function textTable<Table extends TextTable>(table: Table, home?: string): readonly TextTableRow<Table>[] {
  return builtInRows(table, (bytes) => readTextTable(table, bytes), home);
}

/** Of the tables that a step reads, all by default: part of its key, since the files are data, and change without its version. */
export function textTableDigests<Table extends TextTable = TextTable>(
  home?: string,
  tables: readonly Table[] = Object.keys(TEXT_TABLES) as Table[],
): Readonly<Record<Table, Digest>> {
  return Object.fromEntries(tables.map((table) => [table, builtInDigest(table, home)])) as Readonly<
    Record<Table, Digest>
  >;
}

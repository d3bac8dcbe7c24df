/** The built-in tables of texts (`pipelines/behaviour/built-in`), English, written for Espalier: read where they are needed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestBytes } from '../../artifacts/digest.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Digest } from '../../artifacts/reference.ts';
import {
  readTextTable,
  TEXT_TABLES,
  type TextTable,
  type TextTableRow,
} from '../../pipelines/behaviour/text-tables.ts';
import { packageRoot } from '../../pipelines/load.ts';

const FOLDER = join('pipelines', 'behaviour', 'built-in');

/** The rows in the order of the file. Throws Internal where the package is not whole. */
export function textTable<Table extends TextTable>(
  table: Table,
  home: string = packageRoot(),
): readonly TextTableRow<Table>[] {
  const where = join(home, FOLDER, table);
  const { rows, problems } = readTextTable(table, readFileSync(where));
  const [wrong] = problems;
  if (wrong === undefined) return rows;
  const { line, field = 'the row', message } = wrong;
  throw new EspalierError('Internal', `${table}:${line}: ${field} ${message}`, { where, fix: 'reinstall espalier' });
}

/** Of the tables that a step reads, all by default: part of its key, since the files are data, and change without its version. */
export function textTableDigests<Table extends TextTable = TextTable>(
  home: string = packageRoot(),
  tables: readonly Table[] = Object.keys(TEXT_TABLES) as Table[],
): Readonly<Record<Table, Digest>> {
  return Object.fromEntries(
    tables.map((table) => [table, digestBytes(readFileSync(join(home, FOLDER, table)))]),
  ) as Readonly<Record<Table, Digest>>;
}

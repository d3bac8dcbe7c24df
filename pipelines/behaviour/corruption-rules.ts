/** What can be wrong with a definition's own table of picture corruptions, told before anything runs. */
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Problem } from '../check.ts';
import { isFetched } from '../data-sources.ts';
import { readCorruptionTable } from './corruption-table.ts';
import { MOST_TABLE_BYTES } from './table.ts';

const SHOWN_ROWS = 10;
const path = 'corruptions';

/** `named`: as the definition has it, relative to `folder`. */
export function corruptionProblems(named: string, folder: string): readonly Problem[] {
  if (isFetched(named)) {
    const message = `'${named}' is an address, and the table is read from this machine`;
    return [{ path, message, fix: "put the file into the definition's folder" }];
  }
  const home = resolve(folder, named);
  const found = statSync(home, { throwIfNoEntry: false });
  if (found?.isFile() !== true) {
    const message = `there is no file '${named}' in ${folder}`;
    return [{ path, message, fix: "paths are relative to the definition's folder" }];
  }
  if (found.size > MOST_TABLE_BYTES)
    return [{ path, message: `'${named}' has ${found.size} bytes; at most ${MOST_TABLE_BYTES} are read` }];
  const { problems } = readCorruptionTable(readFileSync(home));
  const inOrder = problems.toSorted((one, other) => one.line - other.line);
  const shown = inOrder.slice(0, SHOWN_ROWS).map(({ line, field = 'the row', message }) => ({
    path,
    message: `${named}:${line}: ${field} ${message}`,
    fix: 'correct the row (docs/gates.md#worse-pictures says what each kind needs)',
  }));
  const more = problems.length - shown.length;
  return more === 0 ? shown : [...shown, { path, message: `${more} more are wrong in '${named}'` }];
}

/** The package's tables of what models are asked besides their test rows (`pipelines/behaviour/built-in`): read where they are needed. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestBytes } from '../../artifacts/digest.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Digest } from '../../artifacts/reference.ts';
import type { TableProblem } from '../../pipelines/behaviour/rows.ts';
import { packageRoot } from '../../pipelines/load.ts';

const FOLDER = join('pipelines', 'behaviour', 'built-in');

/** The rows in the order of the file. Throws Internal where the package is not whole. */
export function builtInRows<Row>(
  file: string,
  read: (bytes: Uint8Array) => { readonly rows: readonly Row[]; readonly problems: readonly TableProblem[] },
  home: string = packageRoot(),
): readonly Row[] {
  const where = join(home, FOLDER, file);
  const { rows, problems } = read(readFileSync(where));
  const [wrong] = problems;
  if (wrong === undefined) return rows;
  const { line, field = 'the row', message } = wrong;
  throw new EspalierError('Internal', `${file}:${line}: ${field} ${message}`, { where, fix: 'reinstall espalier' });
}

/** Part of the key of a step that reads the table: the file is data, and changes without the step's version. */
export function builtInDigest(file: string, home: string = packageRoot()): Digest {
  return digestBytes(readFileSync(join(home, FOLDER, file)));
}

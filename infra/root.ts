/** Where Espalier itself lives: the same folder whether the code runs from its sources or compiled from `dist/`. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder with Espalier's `package.json` and `workers/trainer`. */
export const packageRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Whether this code was compiled; sources run through tsx. */
export const isCompiled: boolean = import.meta.url.endsWith('.js');

function findRoot(from: string): string {
  // `dist/` has no package.json of its own, so the first one upwards is ours.
  if (existsSync(join(from, 'package.json'))) return from;
  const parent = dirname(from);
  if (parent === from) throw new Error(`no package.json above ${fileURLToPath(import.meta.url)}`);
  return findRoot(parent);
}

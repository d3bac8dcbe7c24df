/** Whether the pictures that a local table names are there: looked for before anything runs, decoded when the data are prepared. */
import { realpathSync, statSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import type { TableProblem } from './rows.ts';
import { picturesOf, type PlacedTest } from './table.ts';

/** `home`: where the table is. */
export function pictureProblems(
  tests: readonly PlacedTest[],
  home: string,
  maxImageBytes: number,
): readonly TableProblem[] {
  const folder = realpathSync(dirname(home));
  const known = new Map<string, string | undefined>();
  return tests.flatMap(({ line, test }) => {
    return picturesOf(test).flatMap(({ field, name }): readonly TableProblem[] => {
      if (!known.has(name)) known.set(name, pictureProblem(name, folder, maxImageBytes));
      const problem = known.get(name);
      return problem === undefined ? [] : [{ line, field, message: problem }];
    });
  });
}

function pictureProblem(name: string, folder: string, maxImageBytes: number): string | undefined {
  const shown = `'${name.slice(0, 60)}'`;
  const path = realPathOf(join(folder, name));
  const found = path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
  if (path === undefined || found === undefined) return `is ${shown}, and there is no such file beside the table`;
  if (!path.startsWith(folder + sep)) return `is ${shown}, which leads out of the table's folder`;
  if (!found.isFile()) return `is ${shown}, which is no file`;
  if (found.size === 0) return `is ${shown}, which is empty`;
  if (found.size <= maxImageBytes) return undefined;
  return `is ${shown}, which has ${found.size} bytes, more than ${maxImageBytes} (data.maxImageBytes)`;
}

function realPathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined; // whatever hinders reading it, there is nothing there for a run either
  }
}

/** Folders that a Python script of this folder writes, made once a version of the script and shared by test processes. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonForTests } from './python.ts';

/** Runs `script ...words FOLDER` when the folder is not there yet. Do not write to it. */
export async function madeOnce(script: string, ...words: readonly string[]): Promise<string> {
  const path = fileURLToPath(new URL(`./${script}`, import.meta.url));
  const version = createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
    .slice(0, 12);
  const name = ['espalier', ...words, version].join('-');
  const folder = join(tmpdir(), name);
  if (existsSync(folder)) return folder;
  const made = await mkdtemp(join(tmpdir(), `${name}-making-`));
  await promisify(execFile)(pythonForTests().executable, [path, ...words, made]);
  // Two test processes may make it at once: the bytes are the same, the first rename wins.
  await rename(made, folder).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    await rm(made, { recursive: true });
  });
  return folder;
}

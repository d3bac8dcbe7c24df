/** Results kept on disk between runs of a benchmark: a full training is paid for once, and another schedule is read off. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

const folder = process.env['ESPALIER_BENCH_CACHE'] ?? join(homedir(), '.cache', 'espalier', 'bench-selection');

/** What was computed under this key before; computed and kept where nothing was. The key names all that the result depends on. */
export async function remembered<Value>(key: unknown, compute: () => Promise<Value>): Promise<Value> {
  const name = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 32);
  const path = join(folder, `${name}.json`);
  try {
    return (JSON.parse(await readFile(path, 'utf8')) as { value: Value }).value;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const value = await compute();
  await mkdir(folder, { recursive: true });
  await writeFile(`${path}.new`, JSON.stringify({ key, value }, null, 1));
  await rename(`${path}.new`, path);
  return value;
}

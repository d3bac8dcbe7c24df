/** A random, tiny, complete BERT folder for tests that need a model's shape and not its knowledge. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { pythonForTests } from './python.ts';

const script = fileURLToPath(new URL('./tiny_model.py', import.meta.url));

/**
 * The folder of a 2-layer, 32-dimensional BERT: `config.json`, `model.safetensors`, `tokenizer.json`,
 * `tokenizer_config.json`, `README.md` (licence apache-2.0). Seeded; made once a version of its script. Do not write to it.
 */
export async function tinyModel(): Promise<string> {
  const version = createHash('sha256')
    .update(await readFile(script))
    .digest('hex')
    .slice(0, 12);
  const folder = join(tmpdir(), `espalier-tiny-model-${version}`);
  if (existsSync(folder)) return folder;
  const made = await mkdtemp(join(tmpdir(), 'espalier-tiny-model-making-'));
  await promisify(execFile)(pythonForTests().executable, [script, made]);
  // Two test processes may make it at once: the bytes are the same, the first rename wins.
  await rename(made, folder).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    await rm(made, { recursive: true });
  });
  return folder;
}

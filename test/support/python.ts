/** The trainer's Python environment as set-up made it. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What steps take as `python`. Throws with the way out when set-up has not made the environment yet. */
export function pythonForTests(): { executable: string; packages: string } {
  const packages = fileURLToPath(new URL('../../workers/trainer', import.meta.url));
  const lock = readFileSync(join(packages, 'requirements.lock'));
  const id = createHash('sha256').update(lock).digest('hex').slice(0, 12);
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache');
  const executable = join(cache, 'espalier', 'python', id, 'bin', 'python');
  if (!existsSync(executable)) throw new Error(`no Python environment at ${executable}: run \`node infra/setup.mjs\``);
  return { executable, packages };
}

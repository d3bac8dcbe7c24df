/** Weights in formats of others, as a program beside this file writes them out of the tiny model's, good ones and bad. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import type { ActivityServices } from '../../activities/step.ts';
import { pythonForTests } from './python.ts';
import { withStore } from './store.ts';
import { tinyModel } from './tiny-model.ts';

const run = promisify(execFile);
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface ForeignFiles {
  /** For whatever the test makes besides; the caller removes it. */
  readonly root: string;
  /** What the program wrote. */
  readonly files: string;
  /** The tiny model's `model.safetensors`, which a conversion of the good ones gives again. */
  readonly weights: Buffer;
  readonly services: ActivityServices;
}

export async function foreignFiles(program: string): Promise<ForeignFiles> {
  const root = await mkdtemp(join(tmpdir(), 'espalier-convert-'));
  const files = await mkdtemp(join(root, 'files-'));
  const { store, pointers } = await withStore();
  const python = pythonForTests();
  const tiny = join(await tinyModel(), 'model.safetensors');
  await run(python.executable, ['-W', 'ignore', script(program), files, tiny]);
  return { root, files, weights: await readFile(tiny), services: { store, pointers, python } };
}

/** What a program beside this file prints, which asks the converter for each of `files` by the tiny model's config. */
export async function drivenOver(files: string, program: string): Promise<string> {
  const { executable, packages } = pythonForTests();
  const env = { PATH: process.env['PATH'], PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: '1' };
  const argv = ['-P', script(program), files, join(await tinyModel(), 'config.json')];
  return (await run(executable, argv, { env, timeout: 60_000 })).stdout;
}

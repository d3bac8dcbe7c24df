/** Which file of a model's folder may be converted, and how it is kept apart from those that may come in. */
import { lstat, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Candidate } from '../../pipelines/definition.ts';
import { WEIGHTS } from './allow-list.ts';

/** What whole weights are called that torch.save wrote, the usual name first. Parts of weights are none. */
const TORCH_FILES = ['pytorch_model.bin', 'model.pt', 'model.pth', 'model.ckpt'];

/** The file to convert: only where that was asked for, and never beside a model.safetensors. */
export function torchFileOf(paths: readonly string[], convert: Candidate['convert']): string | undefined {
  if (convert !== 'torch' || paths.includes(WEIGHTS)) return undefined;
  return TORCH_FILES.find((name) => paths.includes(name));
}

/** Moves the file to convert out of the folder. Throws UnsafeModel when it is no regular file. */
export async function putTorchFileAside(
  folder: string,
  convert: Candidate['convert'],
  workDir: string,
): Promise<{ readonly name: string; readonly path: string } | undefined> {
  const name = torchFileOf(await readdir(folder), convert);
  if (name === undefined) return undefined;
  if (!(await lstat(join(folder, name))).isFile()) {
    throw new EspalierError('UnsafeModel', `${name} is not a regular file`, {
      where: name,
      fix: 'put the file itself there',
    });
  }
  const aside = join(workDir, 'torch');
  await mkdir(aside);
  await rename(join(folder, name), join(aside, name));
  return { name, path: join(aside, name) };
}

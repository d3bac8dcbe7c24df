/** Which file of a model's folder may be converted, and how it is kept apart from those that may come in. */
import { lstat, mkdir, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { Candidate } from '../../pipelines/definition.ts';
import { WEIGHTS } from './allow-list.ts';

export type Library = NonNullable<Candidate['convert']>;

export interface ForeignWeights {
  readonly of: Library;
  readonly name: string;
  readonly path: string;
}

/** What whole weights are called that torch.save or a TensorFlow class of transformers wrote, the usual name first. Parts of weights are none. */
const FILES: Readonly<Record<Library, readonly string[]>> = {
  torch: ['pytorch_model.bin', 'model.pt', 'model.pth', 'model.ckpt'],
  tensorflow: ['tf_model.h5'],
};

/** The file to convert: only where that was asked for, and never beside a model.safetensors. */
export function foreignWeightsOf(paths: readonly string[], convert: Candidate['convert']): string | undefined {
  if (convert === undefined || paths.includes(WEIGHTS)) return undefined;
  return FILES[convert].find((name) => paths.includes(name));
}

/** Moves the file to convert out of the folder. Throws UnsafeModel when it is no regular file. */
export async function putForeignWeightsAside(
  folder: string,
  convert: Candidate['convert'],
  workDir: string,
): Promise<ForeignWeights | undefined> {
  const name = foreignWeightsOf(await readdir(folder), convert);
  if (name === undefined || convert === undefined) return undefined;
  if (!(await lstat(join(folder, name))).isFile()) {
    throw new EspalierError('UnsafeModel', `${name} is not a regular file`, {
      where: name,
      fix: 'put the file itself there',
    });
  }
  const aside = join(workDir, convert);
  await mkdir(aside);
  await rename(join(folder, name), join(aside, name));
  return { of: convert, name, path: join(aside, name) };
}

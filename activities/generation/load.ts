/** A generator out of the store, for as long as a step needs it. */
import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { Generator } from '../../inference/generation/generator.ts';
import type { StepContext } from '../step.ts';

/** One thread: what is measured does not depend on how many there are. */
export async function withGenerator<Result>(
  tree: ArtifactRef,
  { store, workDir, signal }: Pick<StepContext, 'store' | 'workDir' | 'signal'>,
  use: (generator: Generator, folder: string) => Promise<Result>,
): Promise<Result> {
  await mkdir(join(workDir, 'generators'), { recursive: true });
  const folder = await mkdtemp(join(workDir, 'generators', 'one-'));
  await store.checkout(tree, folder, { signal });
  const generator = await Generator.load(folder, { threads: 1 });
  try {
    return await use(generator, folder);
  } finally {
    await generator.release();
  }
}

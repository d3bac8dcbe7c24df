/** A tree of the store as a folder of a step's own. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../artifacts/reference.ts';
import type { StepContext } from './step.ts';

/** The folder's path: `name` below the step's. Throws where it is there already. */
export async function checkout(
  { store, workDir, signal }: Pick<StepContext, 'store' | 'workDir' | 'signal'>,
  tree: ArtifactRef,
  name: string,
): Promise<string> {
  const folder = join(workDir, name);
  await mkdir(folder);
  await store.checkout(tree, folder, { signal });
  return folder;
}

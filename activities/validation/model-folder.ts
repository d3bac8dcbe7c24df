/** The files of a model on disk, where onnxruntime reads them. */
import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { StepContext } from '../step.ts';

/** Throws where the folder `name` is there already. */
export async function checkout(
  { store, workDir, signal }: StepContext,
  tree: ArtifactRef,
  name: string,
): Promise<string> {
  const folder = join(workDir, name);
  await mkdir(folder);
  await store.checkout(tree, folder, { signal });
  return folder;
}

/** Of model.onnx alone. */
export async function sizeMb(folder: string): Promise<number> {
  return (await stat(join(folder, 'model.onnx'))).size / 1e6;
}

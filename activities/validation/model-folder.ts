/** How much a model's files are: on disk, where onnxruntime reads them, and in the store. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';

/** Of model.onnx alone. */
export async function sizeMb(folder: string): Promise<number> {
  return (await stat(join(folder, 'model.onnx'))).size / 1e6;
}

/** Of all files of these trees. */
export async function treesMb(store: Pick<ArtifactStore, 'tree'>, refs: readonly ArtifactRef[]): Promise<number> {
  const trees = await Promise.all(refs.map((ref) => store.tree(ref)));
  return trees.flatMap(({ entries }) => entries).reduce((sum, { size }) => sum + size, 0) / 1e6;
}

/** What a finder takes of the declared device: of its encoder by itself, of encoder and index together, and of their files. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VECTORS_FILE } from '../../inference/retrieval/index-files.ts';
import type { EvaluateRetrievalInput } from '../contract/retrieval.ts';
import { measureModel } from '../selection/profile-encoder.ts';
import type { StepContext } from '../step.ts';
import { sizeMb } from '../validation/model-folder.ts';
import { notMeasured } from '../validation/scores.ts';
import { finderFit } from './finder-fit.ts';

/** `processMb`: the most of a process that answers with both. `pictures` are files; the encoder is asked with them once more, alone. */
export async function measureFit(
  { device, model, index }: Pick<EvaluateRetrievalInput, 'device' | 'model' | 'index'>,
  { store, signal, progress }: Pick<StepContext, 'store' | 'signal' | 'progress'>,
  of: {
    readonly folder: string;
    readonly indexFolder: string;
    readonly pictures: readonly string[];
    readonly processMb: number;
  },
): Promise<ReturnType<typeof finderFit>> {
  // Nobody waits for a measurement that no declared device is compared with.
  if (device === undefined) {
    return {
      score: notMeasured('the definition declares no memory or storage of a device (intendedUse.hardware)'),
      parts: [],
    };
  }
  const { folder, indexFolder, pictures, processMb } = of;
  progress({ phase: 'memory of the encoder alone' });
  const { memoryMb: encoderMb } = await measureModel({ folder, pictures }, signal);
  const trees = await Promise.all([model, index].map((tree) => store.tree(tree)));
  const filesMb = trees.flatMap(({ entries }) => entries).reduce((sum, { size }) => sum + size, 0) / 1e6;
  const vectorsMb = (await stat(join(indexFolder, VECTORS_FILE))).size / 1e6;
  return finderFit(device, { processMb, encoderMb, graphMb: await sizeMb(folder), vectorsMb, filesMb });
}

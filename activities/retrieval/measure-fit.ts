/** What a finder takes of the declared device: of its encoder by itself, of encoder and index together, and of their files. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { VECTORS_FILE } from '../../inference/retrieval/index-files.ts';
import type { EvaluateRetrievalInput } from '../contract/retrieval.ts';
import { measureModel } from '../selection/profile-encoder.ts';
import type { StepContext } from '../step.ts';
import { hasLimits, NO_DEVICE } from '../validation/hardware-fit.ts';
import { sizeMb, treesMb } from '../validation/model-folder.ts';
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
  if (!hasLimits(device)) return { score: NO_DEVICE, parts: [] };
  const { folder, indexFolder, pictures, processMb } = of;
  progress({ phase: 'memory of the encoder alone' });
  const { memoryMb: encoderMb } = await measureModel({ folder, pictures }, signal);
  const filesMb = await treesMb(store, [model, index]);
  const vectorsMb = (await stat(join(indexFolder, VECTORS_FILE))).size / 1e6;
  return finderFit(device, { processMb, encoderMb, graphMb: await sizeMb(folder), vectorsMb, filesMb });
}

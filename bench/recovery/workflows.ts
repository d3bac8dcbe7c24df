import type { StepResult } from '../../activities/contract.ts';
import type { TrainedModel, TrainModelInput } from '../../activities/contract/training.ts';
import { stepProxies } from '../../workflows/proxies.ts';

/** The training step alone, under the promise that whole runs make. */
export async function trainOnly(runId: string, input: TrainModelInput): Promise<StepResult<TrainedModel>> {
  const { trainModel } = stepProxies(30).gpu('train', 'train');
  return trainModel({ runId, stepId: 'train', input, reuse: false });
}

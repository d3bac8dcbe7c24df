/** One training, on the workers that train for everybody or on one of its own: that decides nothing about the result. */
import type { StepResult } from '../activities/contract.ts';
import type { TrainedModel, TrainModelInput } from '../activities/contract/training.ts';
import type { StepOptions } from './engine.ts';
import { trainOnOwnWorker } from './own-worker.ts';
import type { Run } from './run.ts';

/**
 * Trains as the planned step `id`. `label` names it in the queue of a worker of its own: a DNS label of at most eight
 * characters.
 */
export function trainStep(
  run: Run,
  id: string,
  input: () => TrainModelInput,
  options: StepOptions = run.parking(),
  label = id,
): Promise<StepResult<TrainedModel>> {
  const body = (): Promise<StepResult<TrainedModel>> => {
    const { launcher } = run.pipeline.training ?? {};
    const call = run.call(id, input());
    return launcher === undefined
      ? run.activities('gpu', id).trainModel(call)
      : trainOnOwnWorker(run, launcher, call, label);
  };
  return run.engine.step(id, body, options);
}

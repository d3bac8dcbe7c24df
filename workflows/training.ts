/** One training, on the workers that train for everybody or on one of its own: that decides nothing about the result. */
import { patched } from '@temporalio/workflow';
import type { StepResult } from '../activities/contract.ts';
import type { TrainedModel, TrainModelInput } from '../activities/contract/training.ts';
import type { StepOptions } from './engine.ts';
import { trainOnOwnWorker, type ActivitiesOf } from './own-worker.ts';
import type { Run } from './run.ts';
import { tryInChild } from './tries.ts';

/** A try that fails says something of its candidate, or of its settings, alone. */
const DROPPED: StepOptions = { respond: () => 'drop' };

/** Trains as the planned step `id`, in the run's own workflow. */
export function trainStep(
  run: Run,
  id: string,
  input: () => TrainModelInput,
  options: StepOptions = run.parking(),
): Promise<StepResult<TrainedModel>> {
  return run.engine.step(id, () => trainHere(run, id, input(), id), options);
}

/**
 * Trains as the planned step `id` a try of the selection, in a child workflow (tries.ts); it drops out where it fails.
 * `label` names it in the queue of a worker of its own: a DNS label of at most eight characters.
 * @throws StepLeftOut when it failed
 */
export function tryStep(
  run: Run,
  id: string,
  input: () => TrainModelInput,
  label: string,
): Promise<StepResult<TrainedModel>> {
  const body = (): Promise<StepResult<TrainedModel>> =>
    // A run that began before tries had workflows of their own has tried some in its own.
    patched('tries-are-children') ? tryInChild(run, id, input(), label) : trainHere(run, id, input(), label);
  return run.engine.step(id, body, DROPPED);
}

function trainHere(run: Run, id: string, input: TrainModelInput, label: string): Promise<StepResult<TrainedModel>> {
  const { launcher } = run.pipeline.training ?? {};
  const activities: ActivitiesOf = (promise, step, taskQueue) => run.activities(promise, step, taskQueue);
  const call = run.call(id, input);
  if (launcher === undefined) return activities('gpu', id).trainModel(call);
  const resolutions = run.engine.view().find((step) => step.id === id)?.resolutions ?? [];
  return trainOnOwnWorker(activities, { launcher, label, round: 1 + resolutions.length }, call);
}

import { ActivityFailure, ApplicationFailure, setWorkflowOptions } from '@temporalio/workflow';
import type { StepCall, StepResult } from '../activities/contract.ts';
import type { TrainedModel, TrainModelInput } from '../activities/contract/training.ts';
import { trainOnOwnWorker, type ActivitiesOf, type OwnWorker } from './own-worker.ts';
import { stepProxies } from './proxies.ts';

// A bug fails the try with its message instead of hanging it in retried workflow tasks.
setWorkflowOptions({ failureExceptionTypes: [Error] }, tryTraining);

export interface Try {
  /** As its run would make it: run, step and key are those of a training in the run itself. */
  readonly call: StepCall<TrainModelInput>;
  readonly title: string;
  readonly heartbeatSeconds: number;
  /** On the workers that train for everybody when missing. */
  readonly ownWorker?: OwnWorker;
}

/** One training of a run's selection: a prototype of a candidate, or of settings. */
export async function tryTraining({
  call,
  title,
  heartbeatSeconds,
  ownWorker,
}: Try): Promise<StepResult<TrainedModel>> {
  const proxies = stepProxies(heartbeatSeconds);
  const activities: ActivitiesOf = (promise, id, taskQueue) =>
    proxies[promise](id, id === call.stepId ? title : id, taskQueue);
  try {
    return await (ownWorker === undefined
      ? activities('gpu', call.stepId).trainModel(call)
      : trainOnOwnWorker(activities, ownWorker, call));
  } catch (error) {
    // The step's typed error, not Temporal's "Activity task failed" around it.
    throw error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error;
  }
}

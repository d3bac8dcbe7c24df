import {
  ActivityFailure,
  ApplicationFailure,
  CancellationScope,
  defineSignal,
  getExternalWorkflowHandle,
  isCancellation,
  patched,
  setWorkflowOptions,
  workflowInfo,
} from '@temporalio/workflow';
import type { StepCall, StepResult } from '../activities/contract.ts';
import type { TrainedModel, TrainModelInput } from '../activities/contract/training.ts';
import { secondsOfFailure } from './failures.ts';
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

/** How many seconds the try of a step had trained when it was cancelled, by its worker's clock: the end of a cancelled workflow says nothing. None is sent where no worker has it. */
export const triedSignal = (stepId: string) => defineSignal<[number]>(`tried ${stepId}`);

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
    const seconds = isCancellation(error) ? secondsOfFailure(error) : undefined;
    if (seconds !== undefined && patched('a-cancelled-try-tells-its-time')) await tellTime(call.stepId, seconds);
    // The step's typed error, not Temporal's "Activity task failed" around it.
    throw error instanceof ActivityFailure && error.cause instanceof ApplicationFailure ? error.cause : error;
  }
}

/**
 * Before it ends: what its run hears of the end comes after this. Temporal ends by itself what is between two attempts or waits for
 * a worker, and says nothing of attempts before, so that nobody knows here whether there were any: its run counts since a worker first began it.
 */
async function tellTime(stepId: string, seconds: number): Promise<void> {
  const { parent } = workflowInfo();
  if (parent === undefined) return;
  const run = getExternalWorkflowHandle(parent.workflowId, parent.runId);
  try {
    await CancellationScope.nonCancellable(() => run.signal(triedSignal(stepId), seconds));
  } catch {
    // The run has ended, and nobody counts any more.
  }
}

/** A training on a worker of its own, which a cluster provides for as long as it lasts. */
import { CancellationScope, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { OwnWorkerInput, TrainedModel, TrainModelInput } from '../activities/contract/training.ts';
import type { Activities, StepCall, StepResult } from '../activities/contract.ts';
import type { LauncherSpec } from '../pipelines/launcher.ts';
import { ownQueue } from './messages.ts';
import type { StepProxies } from './proxies.ts';

/** The activities of a step, by what is promised of them: of a run, or of a try's own workflow. */
export type ActivitiesOf = (promise: keyof StepProxies, id: string, taskQueue?: string) => Activities;

/** Which worker: who starts it, and what its queue is named after. */
export interface OwnWorker {
  readonly launcher: LauncherSpec;
  /** A DNS label of at most eight characters. */
  readonly label: string;
  /** How often the step was begun, from 1. */
  readonly round: number;
}

/** Trains, unless the result is known; meanwhile a worker is kept there, and stopped in the end whatever the end is. */
export async function trainOnOwnWorker(
  activities: ActivitiesOf,
  { launcher, label, round }: OwnWorker,
  call: StepCall<TrainModelInput>,
): Promise<StepResult<TrainedModel>> {
  const { stepId } = call;
  const found = await activities('light', `${stepId}:find`).findTraining(call);
  if (found !== null) return found;
  const taskQueue = ownQueue(workflowInfo().runId, label, round);
  const worker: StepCall<OwnWorkerInput> = { ...call, input: { taskQueue, launcher } };
  const training = new CancellationScope();
  const trained = training.run(() => activities('gpu', stepId, taskQueue).trainModel(call));
  // Cancelled with the run is only the training: until it has left its checkpoint it needs the worker.
  return CancellationScope.nonCancellable(async () => {
    let failure: unknown;
    const providing = new CancellationScope();
    const provided = providing
      .run(() => activities('provision', `${stepId}:worker`).provisionWorker(worker))
      .catch((error: unknown) => {
        if (isCancellation(error)) return;
        failure = error;
        training.cancel();
      });
    try {
      return await trained;
    } catch (error) {
      throw failure ?? error;
    } finally {
      providing.cancel();
      await provided;
      // A cluster that cannot be reached now is no reason to lose the result: a worker without work ends by itself.
      await activities('light', `${stepId}:release`)
        .releaseWorker(worker)
        .catch(() => undefined);
    }
  });
}

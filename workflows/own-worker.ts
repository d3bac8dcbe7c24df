/** A training on a worker of its own, which a cluster provides for as long as it lasts. */
import { CancellationScope, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { OwnWorkerInput, TrainedModel, TrainModelInput } from '../activities/contract/training.ts';
import type { StepCall, StepResult } from '../activities/contract.ts';
import type { LauncherSpec } from '../pipelines/launcher.ts';
import { ownQueue } from './messages.ts';
import type { Run } from './run.ts';

/** Trains, unless the result is known; meanwhile a worker is kept there, and stopped in the end whatever the end is. */
export async function trainOnOwnWorker(
  run: Run,
  launcher: LauncherSpec,
  call: StepCall<TrainModelInput>,
  label = call.stepId,
): Promise<StepResult<TrainedModel>> {
  const { stepId } = call;
  const found = await run.activities('light', `${stepId}:find`).findTraining(call);
  if (found !== null) return found;
  const resolutions = run.engine.view().find(({ id }) => id === stepId)?.resolutions ?? [];
  const taskQueue = ownQueue(workflowInfo().runId, label, 1 + resolutions.length);
  const worker = run.call<OwnWorkerInput>(stepId, { taskQueue, launcher });
  const training = new CancellationScope();
  const trained = training.run(() => run.activities('gpu', stepId, taskQueue).trainModel(call));
  // Cancelled with the run is only the training: until it has left its checkpoint it needs the worker.
  return CancellationScope.nonCancellable(async () => {
    let failure: unknown;
    const providing = new CancellationScope();
    const provided = providing
      .run(() => run.activities('provision', `${stepId}:worker`).provisionWorker(worker))
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
      await run
        .activities('light', `${stepId}:release`)
        .releaseWorker(worker)
        .catch(() => undefined);
    }
  });
}

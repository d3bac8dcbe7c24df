/**
 * Tries of a selection are child workflows, named RUN/STEP: each has its own history, and can be looked at and ended by
 * itself; with a launcher its worker and retries are in that, and not in the run's. Step, key, record, queue and progress are
 * those of a training in the run.
 */
import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  setHandler,
  TerminatedFailure,
} from '@temporalio/workflow';
import type { StepResult } from '../activities/contract.ts';
import type { TrainedModel, TrainModelInput } from '../activities/contract/training.ts';
import type { ErrorRecord } from '../artifacts/errors.ts';
import type { Run } from './run.ts';
import { triedSignal, tryTraining, type Try } from './try-training.ts';

/** Trains in a child workflow, which is cancelled with the run, and asked to end where the run is terminated. */
export async function tryInChild(
  run: Run,
  id: string,
  input: TrainModelInput,
  label: string,
): Promise<StepResult<TrainedModel>> {
  const { launcher } = run.pipeline.training ?? {};
  const title = run.handOver('gpu', id);
  const asked: Try = {
    call: run.call(id, input),
    title,
    heartbeatSeconds: run.input.heartbeatSeconds,
    ...(launcher === undefined ? {} : { ownWorker: { launcher, label, round: 1 } }),
  };
  const workflowId = `${run.id}/${id}`;
  const begunMs = Date.now();
  let triedSeconds: number | undefined;
  setHandler(triedSignal(id), (seconds) => {
    triedSeconds = seconds;
  });
  try {
    return await executeChild(tryTraining, {
      workflowId,
      args: [asked],
      staticSummary: title,
      // Not terminated: a training leaves its checkpoint, and a worker of its own is given back.
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      workflowIdReusePolicy: 'ALLOW_DUPLICATE',
    });
  } catch (error) {
    throw endedAlone(error) ? endedBySomebody(workflowId, id, triedSeconds ?? (Date.now() - begunMs) / 1000) : error;
  }
}

/** Whether somebody ended it and not its run: for the run it has only failed. */
function endedAlone(error: unknown): boolean {
  if (!(error instanceof ChildWorkflowFailure)) return false;
  if (error.cause instanceof TerminatedFailure) return true;
  return isCancellation(error) && !CancellationScope.current().consideredCancelled;
}

/** `ranSeconds`: what it has told; one that was terminated, or that no worker had, cannot, and counts since it was begun, its wait for a worker included. */
function endedBySomebody(workflowId: string, where: string, ranSeconds: number): ApplicationFailure {
  const record: ErrorRecord = {
    kind: 'Conflict',
    message: `somebody ended its workflow ${workflowId}`,
    where,
    fix: 'a new run tries it again, and takes over what the other tries have found',
    retryable: false,
  };
  return ApplicationFailure.create({
    message: record.message,
    type: record.kind,
    nonRetryable: true,
    details: [record, { ranSeconds }],
  });
}

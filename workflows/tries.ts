/**
 * Tries of a selection are child workflows, named RUN/STEP: each has its own history, and can be looked at and ended by
 * itself; with a launcher its worker and retries are in that, and not in the run's. Step, key, record, queue and progress are
 * those of a training in the run.
 */
import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowFailure,
  defineSignal,
  executeChild,
  isCancellation,
  ParentClosePolicy,
  patched,
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
  // The signal is one of the run's, so it is the run that asks for it: a try that began before runs did sends none.
  const begun = patched('a-try-tells-when-it-begins') ? `begun ${id}` : undefined;
  const asked: Try = {
    call: { ...run.call(id, input), ...(begun === undefined ? {} : { begun }) },
    title,
    heartbeatSeconds: run.input.heartbeatSeconds,
    ...(launcher === undefined ? {} : { ownWorker: { launcher, label, round: 1 } }),
  };
  const workflowId = `${run.id}/${id}`;
  let begunMs = begun === undefined ? Date.now() : undefined;
  if (begun !== undefined)
    // A worker of an earlier version does not say how long it has run by now.
    setHandler(defineSignal<[number?]>(begun), (ranSeconds = 0) => {
      begunMs ??= Date.now() - ranSeconds * 1000;
    });
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
    if (!endedAlone(error)) throw error;
    const sinceBegun = begunMs === undefined ? 0 : (Date.now() - begunMs) / 1000;
    throw endedBySomebody(workflowId, id, triedSeconds ?? sinceBegun);
  }
}

/** Whether somebody ended it and not its run: for the run it has only failed. */
function endedAlone(error: unknown): boolean {
  if (!(error instanceof ChildWorkflowFailure)) return false;
  if (error.cause instanceof TerminatedFailure) return true;
  return isCancellation(error) && !CancellationScope.current().consideredCancelled;
}

/**
 * `ranSeconds`: what it has told; one that was terminated, or that no worker had any more, cannot, and counts since a worker first began it,
 * later waits included; 0 where none did, or none could tell the run so: Temporal itself does not say.
 */
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

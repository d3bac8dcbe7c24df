/** Asking a run to do something: an Update that is answered, refused with the reason, or given up after a while. */
import { randomUUID } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';
import {
  isGrpcDeadlineError,
  WorkflowUpdateFailedError,
  WorkflowUpdateRPCTimeoutOrCancelledError,
  type Client,
} from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { EspalierError } from '../artifacts/errors.ts';
import { attemptsOf, lastTaskFailed } from './replay-failures.ts';

/** A worker answers within milliseconds; one that restarts is back within this. */
const ANSWER_MS = 15_000;
const AGAIN_MS = 100;

/** The run's validator said no; `message` is its reason. */
export class UpdateRefused extends Error {
  override readonly name = 'UpdateRefused';
}

/**
 * Sends the Update `name` and waits for its result.
 * @throws UpdateRefused with the validator's reason
 * @throws EspalierError TemporalUnavailable when no worker answers in time: the server can take the Update, only a worker can answer it;
 *   ReplayFailed when none can go on with the run
 */
export async function sendUpdate<Result, Argument>(
  client: Client,
  runId: string,
  name: string,
  argument: Argument,
  answerMs = ANSWER_MS,
): Promise<Result> {
  const updateId = randomUUID();
  const send = (): Promise<Result> =>
    client.workflow.getHandle(runId).executeUpdate<Result, [Argument]>(name, { args: [argument], updateId });
  const deadline = Date.now() + answerMs;
  try {
    for (;;) {
      try {
        await client.withDeadline(deadline, () => untilSettled(client, runId, deadline));
        return await client.withDeadline(deadline, send);
      } catch (error) {
        if (!isTooEarly(error) || Date.now() > deadline - AGAIN_MS) throw error;
        await setTimeout(AGAIN_MS);
      }
    }
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
      throw new UpdateRefused(error.cause.message, { cause: error });
    }
    if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError || isGrpcDeadlineError(error)) {
      const failed = await lastTaskFailed(client, runId, error);
      throw failed ?? unanswered(error, runId, answerMs, await attemptsOf(client, runId));
    }
    throw error;
  }
}

/**
 * Waits until the run has no workflow task ahead of it. A query can be answered from events whose task no worker has
 * completed yet (the worker that had the run is dead, another one reads its history): what it shows is not committed. An
 * Update would share the task that commits it, be accepted after the task's other commands, and stand before them on
 * replay: the run would hang for good.
 */
async function untilSettled(client: Client, runId: string, deadline: number): Promise<void> {
  for (;;) {
    const { status, raw } = await client.workflow.getHandle(runId).describe();
    if (status.name !== 'RUNNING' || raw.pendingWorkflowTask == null) return;
    if (Date.now() > deadline) throw new WorkflowUpdateRPCTimeoutOrCancelledError('a workflow task waits for a worker');
    await setTimeout(AGAIN_MS);
  }
}

/** The run was just moving on: it takes the same a moment later. */
function isTooEarly(error: unknown): boolean {
  return (
    error instanceof WorkflowUpdateFailedError &&
    error.cause instanceof ApplicationFailure &&
    (error.cause.type ?? '').endsWith('TooEarly')
  );
}

function unanswered(cause: Error, runId: string, answerMs: number, attempts: string | undefined): EspalierError {
  const begun = attempts === undefined ? '' : `: ${attempts}`;
  const why = attempts === undefined ? '' : "see the workers' log for why, ";
  return new EspalierError('TemporalUnavailable', `no worker answered within ${answerMs / 1000} s${begun}`, {
    where: runId,
    fix: `${why}start a worker (\`espalier dev\` on one machine), see with \`espalier runs show ${runId}\` whether it counted, then try again`,
    cause,
  });
}

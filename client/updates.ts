/** Asking a run to do something: an Update that is answered, refused with the reason, or given up after a while. */
import { WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError, type Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import { EspalierError } from '../artifacts/errors.ts';

/** A worker answers within milliseconds; one that restarts is back within this. */
const ANSWER_MS = 15_000;

/** The run's validator said no; `message` is its reason. */
export class UpdateRefused extends Error {
  override readonly name = 'UpdateRefused';
}

/**
 * Sends the Update `name` and waits for its result.
 * @throws UpdateRefused with the validator's reason
 * @throws EspalierError TemporalUnavailable when no worker answers in time: the server can take the Update, only a worker can answer it
 */
export async function sendUpdate<Result, Argument>(
  client: Client,
  runId: string,
  name: string,
  argument: Argument,
  answerMs = ANSWER_MS,
): Promise<Result> {
  const send = (): Promise<Result> =>
    client.workflow.getHandle(runId).executeUpdate<Result, [Argument]>(name, { args: [argument] });
  try {
    return await client.withDeadline(Date.now() + answerMs, send);
  } catch (error) {
    if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure) {
      throw new UpdateRefused(error.cause.message, { cause: error });
    }
    if (error instanceof WorkflowUpdateRPCTimeoutOrCancelledError) throw unanswered(error, runId, answerMs);
    throw error;
  }
}

function unanswered(cause: Error, runId: string, answerMs: number): EspalierError {
  return new EspalierError('TemporalUnavailable', `no worker answered within ${answerMs / 1000} s`, {
    where: runId,
    fix: `start a worker (\`espalier dev\` on one machine), see with \`espalier runs show ${runId}\` whether it counted, then try again`,
    cause,
  });
}

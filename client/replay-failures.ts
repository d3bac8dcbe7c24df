/**
 * Runs that no worker there is can go on with: the workflow code comes to other commands than the history has, or throws, and the
 * workflow task fails again and again. Nothing is lost and nothing moves. Three things are said to who asks such a run: the worker's
 * own error, where nothing waits to be done; else for half a minute nothing, and then that the task fails (both without the reason,
 * which stands in the history). A run whose workers die or are too slow is answered for in the same way: only a record in the history
 * tells them apart, and it has none of an attempt but the first. Without one, workers may still go on with the run.
 */
import { QueryNotRegisteredError, ServiceError, type Client } from '@temporalio/client';
import { EspalierError } from '../artifacts/errors.ts';

/** What the SDK's error of nondeterminism begins with. The client takes whatever a worker refuses a query for as a query that is not registered. */
const NONDETERMINISM = '[TMPRL1100]';

/** gRPC's codes: the query waited in vain, or the server has given up asking. */
const UNANSWERED: ReadonlySet<unknown> = new Set([4 /* DEADLINE_EXCEEDED */, 9 /* FAILED_PRECONDITION */]);

/** Causes of a failed workflow task (temporal.api.enums.v1.WorkflowTaskFailedCause) that the same workflow code has again … */
const FOR_GOOD: ReadonlySet<unknown> = new Set([
  14 /* WORKFLOW_WORKER_UNHANDLED_FAILURE */, 24 /* NON_DETERMINISTIC_ERROR */,
]);

/** … but for this, of the same cause: the worker's machine was too busy to let the code end in its seconds (Node's words for it). */
const TOO_SLOW = 'Script execution timed out';

/** After a failed task come signals and results that wait for the next one; before it what was done. */
const LATEST_EVENTS = 200;

/**
 * Why a run did not answer a query with more than `error`: ReplayFailed where no worker can go on with it; TemporalUnavailable with the
 * attempt where its workflow task is only begun again and again; undefined where `error` says something else, or nobody can tell.
 */
export async function whyUnanswered(client: Client, runId: string, error: unknown): Promise<EspalierError | undefined> {
  if (error instanceof QueryNotRegisteredError) {
    return error.message.startsWith(NONDETERMINISM) ? failedWith(runId, error.message, error) : undefined;
  }
  if (!(error instanceof ServiceError)) return undefined;
  if (!UNANSWERED.has((error.cause as { readonly code?: unknown } | undefined)?.code)) return undefined;
  const failed = await lastTaskFailed(client, runId, error);
  if (failed !== undefined) return failed;
  const attempts = await attemptsOf(client, runId);
  return attempts === undefined ? undefined : begunAgain(runId, attempts, error);
}

/** ReplayFailed where the history says that the workflow task of the run fails for good; undefined where not, or nobody can tell. */
export async function lastTaskFailed(client: Client, runId: string, cause: Error): Promise<EspalierError | undefined> {
  try {
    const reason = await recordedFailure(client, runId);
    return reason === undefined ? undefined : failedWith(runId, reason, cause);
  } catch {
    return undefined; // what was first asked says more than that this could not be asked either
  }
}

/** Of a workflow task that was begun before and not finished: which attempt waits; undefined of any other, or where nobody can tell. */
export async function attemptsOf(client: Client, runId: string): Promise<string | undefined> {
  try {
    const { raw } = await client.workflow.getHandle(runId).describe();
    const attempt = raw.pendingWorkflowTask?.attempt ?? 0;
    return attempt < 2 ? undefined : `attempt ${attempt} of its workflow task, which workers began and did not finish`;
  } catch {
    return undefined;
  }
}

/** What a worker said of the newest workflow task that the history has the end of; one that timed out says nothing. */
async function recordedFailure(client: Client, runId: string): Promise<string | undefined> {
  const { history } = await client.workflowService.getWorkflowExecutionHistoryReverse({
    namespace: client.options.namespace,
    execution: { workflowId: runId },
    maximumPageSize: LATEST_EVENTS,
  });
  const newest = history?.events?.find(
    (event) =>
      event.workflowTaskFailedEventAttributes != null ||
      event.workflowTaskCompletedEventAttributes != null ||
      event.workflowTaskTimedOutEventAttributes != null,
  )?.workflowTaskFailedEventAttributes;
  const reason = newest?.failure?.message ?? undefined;
  return FOR_GOOD.has(newest?.cause) && reason?.startsWith(TOO_SLOW) !== true ? reason : undefined;
}

function begunAgain(runId: string, attempts: string, cause: Error): EspalierError {
  return new EspalierError('TemporalUnavailable', `no worker goes on with run ${runId}: ${attempts}`, {
    where: runId,
    fix: "see the workers' log for why (killed, too busy, an error), and start a worker (`espalier dev` on one machine): the run goes on with it within minutes",
    cause,
  });
}

function failedWith(runId: string, reason: string, cause: Error): EspalierError {
  return new EspalierError('ReplayFailed', `no worker could go on with run ${runId} from its history: ${reason}`, {
    where: runId,
    fix: `start workers of the version that it began on, which take it up again within minutes; or begin it anew, its finished steps reused: temporal workflow reset --workflow-id ${runId} --type FirstWorkflowTask --reapply-exclude All --reason "does not replay", or temporal workflow terminate --workflow-id ${runId} and then espalier runs resume ${runId} (docs/operating.md)`,
    cause,
  });
}

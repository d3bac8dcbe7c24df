/** Runs: lists from Temporal's visibility, one run from its own query, live progress from heartbeats; and steering one. */
import type { Client, WorkflowExecutionStatusName } from '@temporalio/client';
import { WorkflowFailedError, WorkflowNotFoundError } from '@temporalio/client';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Progress } from '../activities/contract.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Resolution, RunOutcome, RunState, RunView, StepView } from '../workflows/messages.ts';
import { whyUnanswered } from './replay-failures.ts';
import { asRunError } from './run-errors.ts';
import { sendUpdate, UpdateRefused } from './updates.ts';

export interface RunSummary {
  readonly runId: string;
  readonly pipeline: string;
  readonly state: RunState;
  readonly startedBy: string;
  readonly trigger: string;
  readonly startedAt: string;
  readonly endedAt: string | null;
}

/** The states that a run does not leave. */
export const ENDED: ReadonlySet<RunState> = new Set(['deployed', 'rejected', 'gates-failed', 'failed', 'cancelled']);

/** Newest first. */
export async function listRuns(
  client: Client,
  options: { readonly pipeline?: string; readonly limit?: number } = {},
): Promise<RunSummary[]> {
  const clauses = ["WorkflowType = 'runPipeline'"];
  if (options.pipeline !== undefined) clauses.push(`EspalierPipeline = '${options.pipeline.replaceAll("'", "''")}'`);
  const runs: RunSummary[] = [];
  try {
    for await (const execution of client.workflow.list({ query: clauses.join(' AND ') })) {
      const memo = (execution.memo ?? {}) as Record<string, string>;
      runs.push({
        runId: execution.workflowId,
        pipeline: memo['pipeline'] ?? '?',
        state: stateOf(execution.status.name, memo['state']),
        startedBy: memo['startedBy'] ?? '?',
        trigger: memo['trigger'] ?? '?',
        startedAt: execution.startTime.toISOString(),
        endedAt: execution.closeTime?.toISOString() ?? null,
      });
      if (runs.length >= (options.limit ?? 100)) break;
    }
  } catch (error) {
    throw asRunError(client, error, 'list');
  }
  return runs;
}

/** A run's own view, and the last heartbeat of every running step by its id. */
export interface ShownRun extends RunView {
  readonly progress: Readonly<Record<string, Progress & { readonly attempt: number }>>;
}

/** @throws EspalierError NotFound; ReplayFailed for a run that `shownOrFromHistory` (run-from-history.ts) still tells of; TemporalUnavailable */
export async function showRun(client: Client, runId: string): Promise<ShownRun> {
  const handle = client.workflow.getHandle(runId);
  try {
    const [view, progress] = await Promise.all([handle.query<RunView>('progress'), heartbeats(client, runId)]);
    return { ...view, progress };
  } catch (error) {
    throw (await whyUnanswered(client, runId, error)) ?? asRunError(client, error, runId);
  }
}

/** What the activity that provides a step's worker adds to the step's id. */
const PROVIDER = ':worker';

/** The last heartbeat of every running activity of a run and of its tries, by step id. */
export async function heartbeats(
  client: Client,
  runId: string,
): Promise<Record<string, Progress & { attempt: number }>> {
  const { raw } = await client.workflow.getHandle(runId).describe();
  const ofTries = await Promise.all((raw.pendingChildren ?? []).map((child) => activitiesOfTry(client, child)));
  const found: Record<string, Progress & { attempt: number }> = {};
  for (const activity of [...(raw.pendingActivities ?? []), ...ofTries.flat()]) {
    const payload = activity.heartbeatDetails?.payloads?.[0];
    if (!activity.activityId || !payload) continue;
    found[activity.activityId] = {
      ...defaultPayloadConverter.fromPayload<Progress>(payload),
      attempt: activity.attempt ?? 1,
    };
  }
  // A training that has no worker yet has nothing to say: who provides one speaks for it (workflows/own-worker.ts).
  for (const [id, progress] of Object.entries(found)) {
    if (id.endsWith(PROVIDER)) found[id.slice(0, -PROVIDER.length)] ??= progress;
  }
  return found;
}

type Description = Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['describe']>>['raw'];

/** A try of a selection speaks in a workflow of its own (workflows/tries.ts); other children are none of the run's steps. */
async function activitiesOfTry(
  client: Client,
  { workflowId, workflowTypeName }: NonNullable<Description['pendingChildren']>[number],
): Promise<NonNullable<Description['pendingActivities']>> {
  if (!workflowId || workflowTypeName !== 'tryTraining') return [];
  try {
    const { raw } = await client.workflow.getHandle(workflowId).describe();
    return raw.pendingActivities ?? [];
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return []; // about to begin
    throw error;
  }
}

/** Waits for the end. A failed run is an EspalierError with the failed step's kind, message and fix. */
export async function runOutcome(client: Client, runId: string): Promise<RunOutcome> {
  try {
    return (await client.workflow.getHandle(runId).result()) as RunOutcome;
  } catch (error) {
    throw asRunError(client, error, runId);
  }
}

/** @throws EspalierError Conflict when the run has ended already; NotFound */
export async function cancelRun(client: Client, runId: string): Promise<void> {
  const handle = client.workflow.getHandle(runId);
  try {
    // Asked first: the server takes a request to cancel what it has cancelled already.
    const { status, memo } = await handle.describe();
    if (status.name !== 'RUNNING') {
      const state = stateOf(status.name, memo?.['state'] as string | undefined);
      throw new EspalierError('Conflict', `run ${runId} has ended already (${state})`, {
        where: runId,
        fix: `\`espalier runs show ${runId}\` has its result`,
      });
    }
    await handle.cancel();
  } catch (error) {
    throw asRunError(client, error, runId);
  }
}

/**
 * Decides what becomes of a parked step. The run's validator has the last word.
 * @throws EspalierError Conflict with the reason (not parked, ended, a setting that may not change …); NotFound;
 *   TemporalUnavailable when no worker answers
 */
export async function resolveStep(client: Client, runId: string, resolution: Resolution): Promise<StepView> {
  try {
    return await sendUpdate<StepView, Resolution>(client, runId, 'resolve', resolution);
  } catch (error) {
    const where = `${runId} ${resolution.step}`;
    if (error instanceof UpdateRefused) {
      throw new EspalierError('Conflict', error.message, {
        where,
        fix: `\`espalier runs show ${runId}\` shows which steps are parked and what can be done`,
      });
    }
    if (!(error instanceof WorkflowNotFoundError)) throw asRunError(client, error, runId);
    const { state } = await showRun(client, runId);
    throw new EspalierError('Conflict', `the run has ended (${state}): its steps take no more decisions`, {
      where,
      fix:
        state === 'failed' || state === 'cancelled'
          ? `go on from its finished steps and its last checkpoint: espalier runs resume ${runId}`
          : `\`espalier runs show ${runId}\` has its result`,
    });
  }
}

/** Whether `runOutcome` threw how the run ended, and not that nobody told. */
export function isHowItEnded(error: unknown): boolean {
  return (error instanceof EspalierError ? error.cause : error) instanceof WorkflowFailedError;
}

/** The run's own word for its state, corrected by the server's: a terminated run cannot say so itself. */
export function stateOf(status: WorkflowExecutionStatusName, own: string | undefined): RunState {
  if (status === 'FAILED' || status === 'TERMINATED' || status === 'TIMED_OUT') return 'failed';
  if (status === 'CANCELLED') return 'cancelled';
  return (own ?? 'running') as RunState;
}

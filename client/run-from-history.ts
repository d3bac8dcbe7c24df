/**
 * A run as its history alone tells it, for one that answers no query: what it was started with, which of its planned steps began and
 * how they ended, the approval that is open, and what operators decided.
 */
import type { Client } from '@temporalio/client';
import { ApplicationFailure, defaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { tsToDate } from '@temporalio/common/lib/time.js';
import type { ApprovalRecord, ResolutionRecord } from '../activities/contract/evidence.ts';
import type { StepResult } from '../activities/contract.ts';
import { EspalierError, type ErrorKind, type ErrorRecord } from '../artifacts/errors.ts';
import {
  OPEN_APPROVAL,
  type ApprovalView,
  type OpenedApproval,
  type Resolution,
  type StepView,
} from '../workflows/messages.ts';
import { planRun, type PlannedStep } from '../workflows/plan.ts';
import { asRunError } from './run-errors.ts';
import { readRunInput } from './run-input.ts';
import { heartbeats, showRun, stateOf, type ShownRun } from './runs.ts';

/** A run's own view, or, where no worker can go on with it, what its history tells: then with the reason. */
export interface ShownOrTold extends ShownRun {
  readonly replayFailure?: ErrorRecord;
}

/** A run, and what operators decided in it, of whatever step, in the order in which they did. */
export interface WithDecisions {
  readonly run: ShownOrTold;
  readonly decided: readonly ResolutionRecord[];
}

/** @throws EspalierError NotFound; TemporalUnavailable when neither a worker nor the server answers */
export async function shownOrFromHistory(client: Client, runId: string): Promise<ShownOrTold> {
  return (await shownWithDecisions(client, runId)).run;
}

/** @throws EspalierError as `shownOrFromHistory` */
export async function shownWithDecisions(client: Client, runId: string): Promise<WithDecisions> {
  try {
    const run = await showRun(client, runId);
    const decided = run.steps.flatMap(({ resolutions = [] }) => resolutions);
    return { run, decided: decided.toSorted((a, b) => a.at.localeCompare(b.at)) };
  } catch (error) {
    if (!(error instanceof EspalierError) || error.kind !== 'ReplayFailed') throw error;
    return fromHistory(client, runId, error.toRecord());
  }
}

async function fromHistory(client: Client, runId: string, replayFailure: ErrorRecord): Promise<WithDecisions> {
  const { input } = await readRunInput(client, runId);
  const handle = client.workflow.getHandle(runId);
  try {
    const [{ memo, status, startTime }, { events }, progress] = await Promise.all([
      handle.describe(),
      handle.fetchHistory(),
      heartbeats(client, runId),
    ]);
    const told: Told = { activities: new Map(), titles: new Map(), placed: new Map(), asked: new Map(), votes: [] };
    for (const event of events ?? []) note(told, event);
    const open = memo?.[OPEN_APPROVAL] as OpenedApproval | null | undefined;
    const run = {
      runId,
      pipeline: input.pipeline.name,
      startedBy: input.startedBy,
      startedAt: startTime.toISOString(),
      trigger: input.trigger,
      state: stateOf(status.name, memo?.['state'] as string | undefined),
      steps: stepsOf(planRun(input.pipeline), told),
      approvals: open == null ? [] : [approvalOf(open, told.votes)],
      progress,
      replayFailure,
    };
    return { run, decided: decisionsOf(told) };
  } catch (error) {
    throw asRunError(client, error, runId);
  }
}

type Event = NonNullable<
  Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>['events']
>[number];

interface Told {
  /** Of each activity, by its id, which is its step's: the last time that it was scheduled. */
  readonly activities: Map<string, Omit<StepView, 'id' | 'title' | 'stage' | 'needs'>>;
  /** What an activity is called for people, by its id; of one that is no step's its id again. */
  readonly titles: Map<string, string>;
  /** The id of the activity that an event scheduled. */
  readonly placed: Map<string, string>;
  /** The Updates that a worker took, in that order, by the event, unless they failed after all. */
  readonly asked: Map<string, { readonly name: string; readonly argument: unknown; readonly at: string }>;
  readonly votes: ApprovalRecord[];
}

function note(told: Told, event: Event): void {
  const at = event.eventTime == null ? '' : tsToDate(event.eventTime).toISOString();
  const scheduled = event.activityTaskScheduledEventAttributes;
  if (scheduled?.activityId) {
    told.placed.set(String(event.eventId), scheduled.activityId);
    told.activities.set(scheduled.activityId, { state: 'running', startedAt: at });
    const summary = event.userMetadata?.summary;
    if (summary != null) told.titles.set(scheduled.activityId, String(defaultPayloadConverter.fromPayload(summary)));
  }
  const ended = endOf(event);
  const id = told.placed.get(String(ended?.scheduledEventId));
  if (ended !== undefined && id !== undefined) {
    told.activities.set(id, { ...told.activities.get(id), finishedAt: at, ...ended.view(id) });
  }
  const accepted = event.workflowExecutionUpdateAcceptedEventAttributes;
  if (accepted?.acceptedRequest?.input?.name) {
    const { name, args } = accepted.acceptedRequest.input;
    told.asked.set(String(event.eventId), { name, argument: valueOf(args), at });
  }
  const completed = event.workflowExecutionUpdateCompletedEventAttributes;
  const asked = told.asked.get(String(completed?.acceptedEventId));
  if (completed?.outcome?.failure != null) told.asked.delete(String(completed.acceptedEventId));
  if (asked?.name === 'decide' && completed?.outcome?.success != null) {
    told.votes.push(valueOf(completed.outcome.success) as ApprovalRecord);
  }
}

function decisionsOf({ asked }: Told): readonly ResolutionRecord[] {
  const taken = [...asked.values()].filter(({ name }) => name === 'resolve');
  return taken.map(({ argument, at }) => ({ ...(argument as Resolution), at }));
}

/** What an activity that has ended says of its step. */
function endOf(event: Event) {
  const completed = event.activityTaskCompletedEventAttributes;
  if (completed != null) return { ...completed, view: () => doneView(valueOf(completed.result)) };
  const failed = event.activityTaskFailedEventAttributes ?? event.activityTaskTimedOutEventAttributes;
  if (failed?.failure != null) {
    const failure = defaultFailureConverter.failureToError(failed.failure, defaultPayloadConverter);
    return { ...failed, view: (id: string) => ({ state: 'failed' as const, error: recordOf(failure, id) }) };
  }
  const cancelled = event.activityTaskCanceledEventAttributes;
  return cancelled == null ? undefined : { ...cancelled, view: () => ({ state: 'skipped' as const }) };
}

/** As the run itself would tell it (workflows/failures.ts). */
function recordOf(failure: Error, where: string): ErrorRecord {
  const { details, type } = failure instanceof ApplicationFailure ? failure : {};
  const record: unknown = details?.[0];
  if (typeof record === 'object' && record !== null && 'kind' in record) return record as ErrorRecord;
  return { kind: (type ?? 'Internal') as ErrorKind, message: failure.message, where, retryable: false };
}

/** Of a step that is kept by its key, whose result it is; others only have one. */
function doneView(result: unknown): Partial<StepView> & Pick<StepView, 'state'> {
  if (typeof result !== 'object' || result === null || !('key' in result)) return { state: 'done' };
  const { reused, key, computedBy, attempt } = result as StepResult<unknown>;
  return { state: reused ? 'reused' : 'done', key, computedBy, attempt };
}

/** Those of the plan, and after them those that the version which the run began on had and this one's plan lacks. */
function stepsOf(plan: readonly PlannedStep[], told: Told): readonly StepView[] {
  const { activities, titles } = told;
  const decided = decisionsOf(told);
  const planned = new Set(plan.map(({ id }) => id));
  const titled = [...activities.keys()].filter((id) => titles.get(id) !== id);
  const known = [...new Set([...titled, ...decided.map(({ step }) => step)])];
  const others = known.filter((id) => !planned.has(id));
  const unplanned = others.map((id) => ({ id, title: titles.get(id) ?? id, stage: 'earlier-version', needs: [] }));
  return [...plan, ...unplanned].map((step) => {
    const resolutions = decided.filter((one) => one.step === step.id);
    const view: StepView = { ...step, state: 'pending', ...activities.get(step.id) };
    return resolutions.length === 0 ? view : { ...view, resolutions };
  });
}

function approvalOf(open: OpenedApproval, votes: readonly ApprovalRecord[]): ApprovalView {
  const { approval, openedAt } = open;
  return { ...open, votes: votes.filter((vote) => vote.approval === approval && vote.openedAt === openedAt) };
}

type Payloads = NonNullable<NonNullable<Event['activityTaskCompletedEventAttributes']>['result']>;

function valueOf(payloads: Payloads | null | undefined): unknown {
  const [first] = payloads?.payloads ?? [];
  return first === undefined ? undefined : defaultPayloadConverter.fromPayload(first);
}

/** One row of the table: a run, its faults at their moments, and what must hold afterwards. */
import { setTimeout as sleep } from 'node:timers/promises';
import { defaultPayloadConverter } from '@temporalio/common';
import type { Progress } from '../../activities/contract.ts';
import { showRun } from '../../client/runs.ts';
import { processesNaming, type FaultStack, type RowHost } from '../support/faults-stack.ts';
import { checkDeployment, checkHistory, checkSteps, checkStore, finalDigests } from '../support/faults-check.ts';
import { approve, smallPipeline, startSmallRun } from '../support/host.ts';
import { inflict } from './inflict.ts';
import { Moments, type RunningStep } from './moments.ts';
import { describeFault, type Fault, type Row } from './table.ts';
import { TEST_KEY } from '../support/signing.ts';

/** From the end of a run to the end of everything it started: far more than it takes, and an orphan would stay for ever. */
const ORPHAN_GRACE_MS = 30_000;
const ROW_DEADLINE_MS = 600_000;
const KEPT = 'reviewed-run';

/** What every row must arrive at, and the records that a row may find finished. */
export interface Reference {
  readonly digests: Readonly<Record<string, string>>;
  readonly finishedBefore: ReadonlySet<string>;
  readonly durationMs: number;
}

export interface RowResult {
  readonly row: Row;
  readonly seconds: number;
  /** What happened when, in seconds after the start. */
  readonly happened: readonly string[];
  readonly problems: readonly string[];
  /** Faults whose point the run never came by while they waited for it: nothing was shown of them. */
  readonly missed: readonly Fault[];
  /** Steps that needed more than one attempt. */
  readonly retried: Readonly<Record<string, number>>;
  readonly reached: number;
}

/** The run that nothing disturbs. What its bucket holds when the review opens is where rows with named points begin. */
export async function undisturbed(stack: FaultStack): Promise<Reference & { readonly result: RowResult }> {
  let finishedBefore: ReadonlySet<string> = new Set();
  const { result, digests } = await runOnce(stack, { name: 'undisturbed', faults: [] }, new Set(), async (host) => {
    finishedBefore = new Set(await host.store.pointers.list('steps/'));
    await stack.keepBucket(host.bucket, KEPT);
  });
  if (result.problems.length > 0) throw new Error(`the undisturbed run is not well:\n${result.problems.join('\n')}`);
  return { digests, finishedBefore, durationMs: result.seconds * 1000, result };
}

export async function runRow(stack: FaultStack, row: Row, reference: Reference): Promise<RowResult> {
  const cold = row.faults.some(({ when }) => typeof when === 'number');
  const { result, digests } = await runOnce(stack, row, cold ? new Set() : reference.finishedBefore);
  const different = Object.entries(reference.digests)
    .filter(([name, digest]) => digests[name] !== digest)
    .map(([name]) => `the ${name} differ from the undisturbed run's`);
  return { ...result, problems: [...result.problems, ...different] };
}

/** Runs of its own that a fault gets until it is seen to happen. */
const TRIES = 3;

/**
 * The row, and runs of its own for each of its faults whose point was over before its turn came: with others in one run,
 * on a busy machine, and where the server hears of a short step once, that happens. Every run counts, and every fault is
 * in one of the results; `missed` in one is what could not be shown at all.
 */
export async function runRowWhole(stack: FaultStack, row: Row, reference: Reference): Promise<RowResult[]> {
  const result = await runRow(stack, row, reference);
  if (result.missed.length === 0) return [result];
  const met = row.faults.filter((fault) => !result.missed.includes(fault));
  const results: RowResult[] = [{ ...result, row: { ...row, faults: met }, missed: [] }];
  for (const fault of result.missed) {
    for (let left = TRIES; left > 0; left--) {
      const alone = await runRow(stack, { name: describeFault(fault), faults: [fault] }, reference);
      const seen = alone.missed.length === 0;
      results.push(seen || left === 1 ? alone : { ...alone, missed: [] });
      if (seen) break;
    }
  }
  return results;
}

let rows = 0;

async function runOnce(
  stack: FaultStack,
  row: Row,
  finishedBefore: ReadonlySet<string>,
  onReview?: (host: RowHost) => Promise<void>,
): Promise<{ result: RowResult; digests: Readonly<Record<string, string>> }> {
  const runId = `faults-${process.pid}-${++rows}`;
  await stack.healthy();
  const host = await stack.beginRow(runId, finishedBefore.size > 0 ? KEPT : undefined);
  const startedMs = Date.now();
  const at = (): string => `${((Date.now() - startedMs) / 1000).toFixed(1)} s`;
  const moments = new Moments(stack.s3, host.workDir);
  const happened: string[] = [];
  const missed = new Set(row.faults.filter(({ when }) => typeof when !== 'number'));
  const problems: string[] = [];
  const ended = new AbortController();
  const underWay = new Set<Promise<void>>();
  try {
    const hits = row.faults.map(async (fault) => {
      for (let time = 0; time < fault.times; time++) {
        await (typeof fault.when === 'number' ? sleep(fault.when) : moments.next(fault.when));
        if (ended.signal.aborted) return;
        happened.push(`${describeFault({ ...fault, times: 1 })}: ${at()}`);
        const before = stack.s3.faulted;
        const doing = inflict(fault, stack, host, moments, ended.signal);
        underWay.add(doing);
        await doing.finally(() => underWay.delete(doing));
        if (time + 1 === fault.times) missed.delete(fault);
        if (fault.who === 'proxyS3' && fault.what !== 'partition' && stack.s3.faulted === before) {
          problems.push(`${describeFault(fault)} met no request`);
        }
      }
    });
    for (const hit of hits) hit.catch((error: Error) => problems.push(error.message));
    await start({ folder: stack.folder, store: host.store, temporal: stack.temporal }, runId);
    const state = await follow(stack, host, runId, moments, onReview);
    if (state !== 'deployed') problems.push(`it ended as '${state}' after ${at()}`);
    const seconds = (Date.now() - startedMs) / 1000;
    ended.abort();
    stack.s3.heal();
    // A fault that outlasts its run must not reach into the checks, nor into the next row.
    await Promise.allSettled(underWay);
    await stack.healthy();
    problems.push(...(await orphans(host)));
    const history = await checkHistory(stack.temporal.client, runId);
    const stored = await checkStore(host.store);
    problems.push(...history.problems, ...stored.problems);
    problems.push(...(await checkSteps(host.store, history, finishedBefore)));
    problems.push(...(await checkDeployment(host.store, 'small')));
    const retried = Object.fromEntries(Object.entries(history.attempts).filter(([, attempt]) => attempt > 1));
    const result = { row, seconds, happened, problems, missed: [...missed], retried, reached: stored.reached };
    return { result, digests: state === 'deployed' ? finalDigests(history.results) : {} };
  } finally {
    moments.end();
    await host.end();
  }
}

async function start(host: Parameters<typeof startSmallRun>[0], runId: string): Promise<void> {
  const small = await smallPipeline();
  // Long enough for its middle to be seen: the server hears of progress once a second. The data, and with it the tiny
  // model, stay as small as they are.
  const training = { ...small.training, epochs: 150 };
  await startSmallRun(host, runId, { ...small, training });
}

/** Looks at the run until it ends or must be given up, and gives each approval once. Returns its last state. */
async function follow(
  stack: FaultStack,
  host: RowHost,
  runId: string,
  moments: Moments,
  onReview?: (host: RowHost) => Promise<void>,
): Promise<string> {
  const { client } = stack.temporal;
  const given = new Set<string>();
  const deadline = Date.now() + ROW_DEADLINE_MS;
  for (; Date.now() < deadline; await sleep(50)) {
    // A server that was just killed answers nothing: look again.
    const found = await client.workflow
      .getHandle(runId)
      .describe()
      .catch(() => undefined);
    if (found === undefined) continue;
    moments.running(runningSteps(found.raw.pendingActivities ?? []));
    const state = (found.memo?.['state'] ?? '') as string;
    if (found.status.name !== 'RUNNING') return found.status.name === 'COMPLETED' ? state : found.status.name;
    if (state === 'parked') {
      const view = await showRun(client, runId).catch(() => undefined);
      const parked = view?.steps.filter(({ state }) => state === 'parked') ?? [];
      await client.workflow.getHandle(runId).terminate('a parked step is a failure of the row');
      return `parked: ${parked.map(({ id, error }) => `${id}: ${error?.kind}: ${error?.message}`).join('; ')}`;
    }
    if (state !== 'waiting-for-approval') continue;
    const view = await showRun(client, runId).catch(() => undefined);
    const open = view?.approvals.find((one) => one.state === 'open');
    if (open?.evidence === undefined || given.has(open.approval)) continue;
    if (open.approval === 'review') {
      await onReview?.(host);
      moments.reviewed();
    }
    given.add(open.approval);
    const by = { temporal: stack.temporal, store: host.store, signer: TEST_KEY.signer };
    await approve(by, runId, open.approval, open.evidence).catch((error: unknown) => {
      // The vote may have been counted although its answer was lost; if not, it is given again.
      if (!/closed/.test(String(error))) given.delete(open.approval);
    });
  }
  const view = await showRun(client, runId).catch(() => undefined);
  const unfinished = view?.steps.filter(({ state }) => ['running', 'waiting', 'failed'].includes(state)) ?? [];
  await client.workflow.getHandle(runId).terminate('the row took too long');
  return `unfinished: ${unfinished.map(({ id, state }) => `${id} ${state}`).join(', ')}`;
}

type PendingActivities = readonly {
  readonly activityId?: string | null;
  readonly state?: number | null;
  readonly attempt?: number | null;
  readonly heartbeatDetails?: { readonly payloads?: readonly object[] | null } | null;
}[];

/** Temporal's PENDING_ACTIVITY_STATE_STARTED. */
const STARTED = 2;

function runningSteps(pending: PendingActivities): RunningStep[] {
  return pending
    .filter(({ state }) => state === STARTED)
    .map(({ activityId, attempt, heartbeatDetails }) => {
      const payload = heartbeatDetails?.payloads?.[0];
      const progress = payload === undefined ? {} : defaultPayloadConverter.fromPayload<Progress>(payload);
      return { ...progress, id: activityId ?? '', attempt: attempt ?? 1 };
    });
}

function leftBehind(folder: string): string {
  return `the folder ${folder.slice(folder.lastIndexOf('/') + 1)} of an ended step was left behind`;
}

/** Nothing of the run may live on after it, however its parents died. */
async function orphans(host: RowHost): Promise<string[]> {
  const deadline = Date.now() + ORPHAN_GRACE_MS;
  for (;;) {
    const left = await processesNaming(host.workDir);
    const folders = await host.stepFolders();
    if (left.length + folders.length === 0) return [];
    if (Date.now() > deadline) {
      return [...left.map((pid) => `process ${pid} of the run is still there`), ...folders.map(leftBehind)];
    }
    await sleep(100);
  }
}

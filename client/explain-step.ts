/** Why a step was computed although another run had finished it, or from where its result was taken. */
import type { Client } from '@temporalio/client';
import type { StepRecord } from '../activities/step.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import { isArtifactRef, type Digest } from '../artifacts/reference.ts';
import { stepRecordKey } from '../artifacts/step-records.ts';
import type { RunView, StepView } from '../workflows/messages.ts';
import { differences, type Difference } from '../artifacts/differences.ts';
import { readRunInput } from './run-input.ts';
import { listRuns, showRun } from './runs.ts';

export interface ExplainedDifference extends Difference {
  /** What made the new content, when it is an artifact: `step data`, `file messages.csv`. */
  readonly origin?: string;
}

export interface Explanation {
  readonly runId: string;
  readonly step: string;
  readonly state: StepView['state'];
  readonly key: Digest | null;
  /** `open`: not finished, so nothing to compare. `not-reusable`: its result is never taken from another run. */
  readonly verdict: 'open' | 'not-reusable' | 'reused' | 'computed';
  /** One sentence. */
  readonly reason: string;
  readonly computedBy: string | null;
  readonly computedAt: string | null;
  /** The nearest earlier run that finished this step. */
  readonly comparedWith: { readonly runId: string; readonly step: string } | null;
  readonly differences: readonly ExplainedDifference[];
}

type Recorded = StepRecord<unknown>;
interface Earlier {
  readonly runId: string;
  readonly step: string;
  readonly record: Recorded;
}

/** Older runs than these are not looked at: each costs a query. */
const MAX_RUNS = 20;

/** @throws EspalierError NotFound for a run or step that does not exist */
export async function explainStep(
  client: Client,
  pointers: Pointers,
  runId: string,
  stepId: string,
): Promise<Explanation> {
  const run = await showRun(client, runId);
  const step = run.steps.find(({ id }) => id === stepId);
  if (step === undefined) {
    throw new EspalierError('NotFound', `run ${runId} has no step '${stepId}'`, {
      where: runId,
      fix: `its steps are ${run.steps.map(({ id }) => id).join(', ')}`,
    });
  }
  const about = { runId, step: stepId, state: step.state, key: step.key ?? null, comparedWith: null, differences: [] };
  const record = await recordOf(pointers, step);
  if (record === undefined) {
    return { ...about, ...withoutRecord(run, step), computedBy: null, computedAt: null };
  }
  const computed = { computedBy: record.computedBy, computedAt: record.finishedAt };
  if (step.state === 'reused') {
    const reason = `reused from run ${record.computedBy}, computed at ${record.finishedAt}: the same code, inputs and environment`;
    return { ...about, ...computed, verdict: 'reused', reason };
  }
  const earlier = await nearestEarlier(client, pointers, run, record, stepId);
  const { input } = await readRunInput(client, runId);
  const found = earlier === undefined ? [] : differences(parts(earlier.record), parts(record));
  const origins = found.some(({ to }) => isDigestText(to))
    ? await originsOf(pointers, run, step, [...input.dataFiles, ...input.candidates])
    : new Map<unknown, string>();
  return {
    ...about,
    computedBy: runId,
    computedAt: step.finishedAt ?? record.finishedAt,
    verdict: 'computed',
    reason: whyComputed(earlier, found.length, input.reuse),
    comparedWith: earlier === undefined ? null : { runId: earlier.runId, step: earlier.step },
    differences: found.map((one) => {
      const origin = origins.get(one.to);
      return origin === undefined ? one : { ...one, origin };
    }),
  };
}

function whyComputed(earlier: Earlier | undefined, count: number, reuse: boolean): string {
  if (!reuse) return 'computed anew: the run was started with --no-reuse';
  if (earlier === undefined) return 'computed: no earlier run of this pipeline has finished this step';
  if (count === 0)
    return `computed although run ${earlier.runId} had the same inputs: its result came after this step began`;
  return `computed: ${count} ${count === 1 ? 'part differs' : 'parts differ'} from run ${earlier.runId}`;
}

/** A step that left no record, in one sentence. */
function withoutRecord(run: RunView, step: StepView): Pick<Explanation, 'verdict' | 'reason'> {
  const error = step.error === undefined ? '' : `: ${step.error.kind}: ${step.error.message}`;
  const open = (reason: string): Pick<Explanation, 'verdict' | 'reason'> => ({ verdict: 'open', reason });
  switch (step.state) {
    case 'pending': {
      const missing = run.steps.filter(({ id, key, finishedAt }) => step.needs.includes(id) && !key && !finishedAt);
      return open(`it has not begun: it needs ${missing.map(({ id }) => id).join(', ') || 'nothing more'}`);
    }
    case 'running':
      return open('it is still running: whether its result is taken from another run shows when it ends');
    case 'waiting':
      return open('it waits for a decision');
    case 'parked':
      return open(
        step.standsBy === true
          ? `it failed and drops out as soon as another candidate may win${error}`
          : `it failed and waits for an operator${error}`,
      );
    case 'failed':
    case 'dropped':
    case 'skipped':
      return open(`it did not finish (${step.state})${error}`);
    case 'done':
    case 'reused':
      return {
        verdict: 'not-reusable',
        reason: 'never reused: what it does depends on the world outside, not only on its inputs',
      };
  }
}

async function recordOf(pointers: Pointers, step: StepView): Promise<Recorded | undefined> {
  if (step.key === undefined) return undefined;
  return (await pointers.read<Recorded>(stepRecordKey(step.key)))?.value;
}

/** The parts of a step key, as they are named to people. */
function parts({ input, environment, codeVersion }: Recorded): Record<string, unknown> {
  return { input, environment, codeVersion };
}

/** The same step of the newest run before; failing that, one of the same type there (a candidate may have been renamed). */
async function nearestEarlier(
  client: Client,
  pointers: Pointers,
  run: RunView,
  record: Recorded,
  stepId: string,
): Promise<Earlier | undefined> {
  const runs = await listRuns(client, { pipeline: run.pipeline, limit: 1000 });
  const before = runs
    .filter(({ runId, startedAt }) => runId !== run.runId && startedAt <= run.startedAt)
    .toSorted((a, b) => b.startedAt.localeCompare(a.startedAt));
  const kind = stepId.split(':')[0];
  for (const { runId } of before.slice(0, MAX_RUNS)) {
    // A run whose history is gone, or that an older version wrote, is passed over.
    const steps = await showRun(client, runId).then(
      (view) => view.steps,
      () => [],
    );
    const same = steps.filter(({ id }) => id === stepId);
    for (const step of [...same, ...steps.filter(({ id }) => id !== stepId && id.split(':')[0] === kind)]) {
      const found = await recordOf(pointers, step);
      if (found?.type === record.type) return { runId, step: step.id, record: found };
    }
  }
  return undefined;
}

/** Which step or file of this run made an artifact, by digest. */
async function originsOf(
  pointers: Pointers,
  run: RunView,
  step: StepView,
  given: readonly unknown[],
): Promise<ReadonlyMap<unknown, string>> {
  const origins = new Map<unknown, string>();
  for (const ref of artifactsIn(given)) origins.set(ref.digest, `file ${ref.name}`);
  for (const one of run.steps.slice(
    0,
    run.steps.findIndex(({ id }) => id === step.id),
  )) {
    for (const ref of artifactsIn((await recordOf(pointers, one))?.output)) {
      if (!origins.has(ref.digest)) origins.set(ref.digest, `step ${one.id}`);
    }
  }
  return origins;
}

function artifactsIn(value: unknown): readonly { readonly digest: Digest; readonly name: string }[] {
  if (isArtifactRef(value)) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(artifactsIn) : [];
}

function isDigestText(value: unknown): boolean {
  return typeof value === 'string' && value.startsWith('sha256:');
}

/** What a run would do, what of it is known already, and what it would take: nothing is started or stored. */
import { canonicalJson } from '../artifacts/canonical-json.ts';
import type { DatasetSummary } from '../activities/contract/data.ts';
import type { StepNow, StepRecord } from '../activities/step.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import type { Digest } from '../artifacts/reference.ts';
import { stepRecordKey } from '../artifacts/step-records.ts';
import type { Prices } from '../activities/report/prices.ts';
import { gradientsAsked } from '../pipelines/attack.ts';
import { durationSeconds } from '../pipelines/duration.ts';
import type { Pipeline } from '../pipelines/definition.ts';
import { mostAnswers } from '../pipelines/prompt-search.ts';
import type { BehaviourSpec } from '../pipelines/definition/behaviour.ts';
import type { RunInput, StepView } from '../workflows/messages.ts';
import { planRun, type PlannedStep } from '../workflows/plan.ts';
import { firstSeedOf, reachOf, type Reach } from './plan-reach.ts';
import { STATED_SECONDS, queueOfStep } from './stated-rates.ts';

/** What is known of an earlier run of the same pipeline. */
export interface EarlierRun {
  readonly runId: string;
  readonly input: Pick<RunInput, 'pipeline' | 'dataFiles' | 'candidates' | 'policy' | 'guidelines' | 'corruptions'>;
  readonly steps: readonly Pick<StepView, 'id' | 'state' | 'key' | 'startedAt' | 'finishedAt'>[];
  /** Training rows in all, as far as its data were counted and the record is there. */
  readonly trainRows?: number | undefined;
}
export interface PlannedWork extends Pick<PlannedStep, 'id' | 'title' | 'stage'> {
  /**
   * `reuse`: its result is there. `few-rows`: only where the training rows are few, and nobody has counted them. `maybe`: only
   * some of the candidates get here. `person`: somebody decides.
   */
  readonly what: Exclude<Reach, 'never'> | 'reuse' | 'person';
  readonly queue: string | null;
  /** 0 of what is reused; null of what waits for a person. */
  readonly seconds: number | null;
  /** Where the seconds are from: a run's id, or `stated`. */
  readonly from: string;
  readonly money: number | null;
}
/** Of steps one after the other. */
export interface Taken {
  readonly seconds: number;
  readonly money: number | null;
}
export interface RunPlan extends Taken {
  readonly pipeline: string;
  readonly prototype: boolean;
  /** Training rows in all, and the run of the same data that has counted them; null where none has. */
  readonly trainRows: { readonly rows: number; readonly from: string } | null;
  /** Without those that the rows rule out. */
  readonly steps: readonly PlannedWork[];
  /** What it takes where the training rows are few; the plan's own figures where they are counted, or nothing hangs on it. */
  readonly most: Taken;
  readonly currency: string | null;
  readonly budget: Pipeline['budget'] | null;
  /** What one search for a prompt asks a generator for at most; null where nothing is searched, or nothing is searched anew. */
  readonly search: { readonly answers: number; readonly tokens: number } | null;
  /** One sentence each: where the estimate is over the budget. */
  readonly over: readonly string[];
}

type Known = Pick<EarlierRun, 'input'>['input'];

/** How a step's record stands: taken as it is, of other code or built-in tables than there are now, or not there. */
export type Standing = 'kept' | 'outdated' | 'gone';

/** Asked by a step's key, once each. */
export type Recorded = (key: Digest) => Promise<Standing>;

/** `now`: by type of step. */
export function recordedIn(pointers: Pointers, now: ReadonlyMap<string, StepNow>): Recorded {
  return async (key) => {
    const record = await pointers.read<StepRecord<unknown>>(stepRecordKey(key));
    if (record === undefined) return 'gone';
    const { type, codeVersion, environment } = record.value;
    const step = now.get(type);
    return step?.version === codeVersion && readTheSame(step, environment) ? 'kept' : 'outdated';
  };
}

/** Of a record's environment only what this machine can know: on which hardware the step will run it cannot. */
function readTheSame({ tables }: StepNow, environment: unknown): boolean {
  const before = new Map(Object.entries(environment ?? {}));
  return Object.entries(tables?.() ?? {}).every(
    ([name, digests]) => canonicalJson(before.get(name) ?? null) === canonicalJson(digests),
  );
}

/** Training rows in all, by the record of a run's `data` step; undefined where there is none, or it says nothing of them. */
export async function countedRows(pointers: Pointers, steps: EarlierRun['steps']): Promise<number | undefined> {
  const key = steps.find(({ id }) => id === 'data')?.key;
  if (key === undefined) return undefined;
  const record = await pointers.read<StepRecord<Partial<Pick<DatasetSummary, 'rows'>>>>(stepRecordKey(key));
  return record?.value.output.rows?.train;
}

/**
 * The plan of a run of `input`. A step counts as known where an earlier run finished it from the same parts of the
 * definition and the same data, and its record lies under its step key; the run itself decides by the key. What stands on a
 * step whose code has changed since is taken for changed, too: whether its result comes out as before, nobody knows yet.
 */
export async function planOf(
  input: Known,
  earlier: readonly EarlierRun[],
  recorded: Recorded,
  prices?: Prices,
): Promise<RunPlan> {
  const { pipeline } = input;
  const plan = planRun(pipeline);
  const trainRows = rowsOf(input, plan, earlier);
  const steps: PlannedWork[] = [];
  const outdated = new Set<string>();
  for (const step of plan) {
    if (step.needs.some((need) => outdated.has(need))) outdated.add(step.id);
    const reach = reachOf(step.id, pipeline, trainRows?.rows ?? null);
    if (reach === 'never') continue;
    const work = await workOf(step, input, { plan, earlier, recorded, outdated, reach });
    const perHour = work.queue === null ? undefined : prices?.perHour[work.queue];
    const money = perHour === undefined || work.seconds === null ? null : (work.seconds * perHour) / 3600;
    steps.push({ id: step.id, title: step.title, stage: step.stage, ...work, money });
  }
  const [least, most] = spanOf(steps, prices);
  return {
    pipeline: pipeline.name,
    prototype: pipeline.prototype !== undefined,
    trainRows,
    steps,
    ...least,
    most,
    currency: prices?.currency ?? null,
    budget: pipeline.budget ?? null,
    search: searchOf(pipeline, steps),
    over: overruns(pipeline, steps, prices),
  };
}

/** What the definition says of a search that this run makes; how many prompts there are, and which examples differ, nobody has counted. */
function searchOf(pipeline: Pipeline, steps: readonly PlannedWork[]): RunPlan['search'] {
  if (pipeline.task !== 'text-generation') return null;
  if (steps.every(({ id, what }) => !/^prompt\b/.test(id) || what === 'reuse')) return null;
  return { answers: mostAnswers(pipeline.selection.prompts), tokens: pipeline.generation.maxNewTokens };
}

/** Only of the same data: how many rows others have says nothing. */
function rowsOf(input: Known, plan: readonly PlannedStep[], earlier: readonly EarlierRun[]): RunPlan['trainRows'] {
  const wanted = canonicalJson(readsOf('data', plan, input));
  const known = earlier.find(
    (run) => run.trainRows !== undefined && canonicalJson(readsOf('data', plan, run.input)) === wanted,
  );
  return known?.trainRows === undefined ? null : { rows: known.trainRows, from: known.runId };
}

/** What the steps take, and what they take where the rows are few. */
function spanOf(steps: readonly PlannedWork[], prices: Prices | undefined): readonly [least: Taken, most: Taken] {
  const sum = (left: readonly PlannedWork['what'][]): Taken => {
    const counted = steps.filter(({ what }) => !left.includes(what));
    return {
      seconds: counted.reduce((total, one) => total + (one.seconds ?? 0), 0),
      money: prices === undefined ? null : counted.reduce((total, one) => total + (one.money ?? 0), 0),
    };
  };
  return [sum(['maybe', 'few-rows']), sum(['maybe'])];
}

interface Beside {
  readonly plan: readonly PlannedStep[];
  readonly earlier: readonly EarlierRun[];
  readonly recorded: Recorded;
  /** Steps whose code has changed since, and what stands on them: of those so far. */
  readonly outdated: Set<string>;
  readonly reach: Exclude<Reach, 'never'>;
}

async function workOf(
  step: PlannedStep,
  input: Known,
  { plan, earlier, recorded, outdated, reach: what }: Beside,
): Promise<Omit<PlannedWork, 'id' | 'title' | 'stage' | 'money'>> {
  if (step.id.startsWith('approve-')) return { what: 'person', queue: null, seconds: null, from: '' };
  const queue = queueOfStep(step.id);
  const wanted = readsOf(step.id, plan, input);
  let isOutdated = false;
  for (const { runId, input: before, steps } of outdated.has(step.id) ? [] : earlier) {
    const done = steps.find(({ id }) => id === step.id);
    if (done?.key === undefined || !['done', 'reused'].includes(done.state)) continue;
    if (canonicalJson(readsOf(step.id, plan, before)) !== canonicalJson(wanted)) continue;
    const standing = await recorded(done.key);
    if (standing === 'kept') return { what: 'reuse', queue, seconds: 0, from: runId };
    isOutdated ||= standing === 'outdated';
  }
  if (isOutdated) outdated.add(step.id);
  // Another seed takes as long as the first.
  for (const like of [step.id, firstSeedOf(step.id)]) {
    for (const { runId, steps } of earlier) {
      const done = steps.find(({ id, state }) => id === like && state === 'done');
      const took = (Date.parse(done?.finishedAt ?? '') - Date.parse(done?.startedAt ?? '')) / 1000;
      if (Number.isFinite(took)) return { what, queue, seconds: took, from: runId };
    }
  }
  return { what, queue, seconds: STATED_SECONDS[step.id.split(':')[0] ?? ''] ?? 1, from: 'stated' };
}

/** Which parts of the input a step's result depends on, those of the steps before it included. */
function readsOf(id: string, plan: readonly PlannedStep[], input: Known): unknown {
  const parts = new Set<string>();
  const candidates = new Set<string>();
  // By many roads most steps are reached again and again: of rungs with seeds, as many times as the product of their tries.
  const seen = new Set<string>();
  const visit = (at: string): void => {
    if (seen.has(at)) return;
    seen.add(at);
    const [name = '', candidate] = at.split(':');
    for (const part of READS[name] ?? []) parts.add(part);
    if (candidate !== undefined && /^[a-z]/.test(candidate)) candidates.add(candidate);
    for (const need of plan.find((step) => step.id === at)?.needs ?? []) visit(need);
  };
  visit(id);
  const { pipeline } = input;
  const values = Object.fromEntries([...parts].map((part) => [part, valueOf(part, input)]));
  return {
    ...values,
    candidates: input.candidates.filter((one) => candidates.has(one.id)),
    ...(candidates.size === 0
      ? {}
      : { use: pipeline.intendedUse, model: pipeline.deploy.model, policy: input.policy?.digest }),
  };
}

/** What a definition names is the file that it names. */
function valueOf(part: string, { pipeline, dataFiles, guidelines, corruptions }: Known): unknown {
  if (part === 'files') return dataFiles;
  if (part === 'guidelines') return guidelines?.digest;
  if (part === 'corruptions') return corruptions?.digest;
  // Of generated text they name checks of the guidelines.
  if (part === 'tables') return pipeline.behaviour && [tablesOf(pipeline.behaviour), guidelines?.digest];
  if (part === 'training.method') return pipeline.training?.method;
  if (part === 'attacked') return gradientsAsked(pipeline.gates);
  // One alone has no prototypes, and a probe of all rows.
  if (part === 'several') return pipeline.candidates.length > 1;
  return pipeline[part as keyof Pipeline];
}

/** Without what judges: another threshold leaves the data as they are. */
function tablesOf(behaviour: BehaviourSpec): unknown {
  return Object.entries(behaviour).map(([name, { kind, file }]) => [name, kind, file]);
}

/** What a step reads itself. What stands in none of them reads nothing that a definition changes. */
const READS: Readonly<Record<string, readonly string[]>> = {
  snapshot: ['files'],
  data: ['files', 'data', 'tables'],
  subset: ['prototype', 'selection'],
  export: ['selection', 'training.method', 'attacked'],
  profile: ['selection'],
  probe: ['selection', 'training.method', 'prototype', 'several'],
  rank: ['selection'],
  prototype: ['selection', 'training'],
  halve: ['selection', 'training'],
  search: ['training'],
  'search-subset': ['selection', 'training'],
  trial: ['selection', 'training'],
  'search-halve': ['training'],
  settings: ['training'],
  prompt: ['selection', 'guidelines', 'generation'],
  format: ['training', 'adherence', 'guidelines'],
  canaries: ['memorisation'],
  memorisation: ['memorisation'],
  choose: ['selection', 'training', 'adherence', 'generation'],
  train: ['selection', 'training'],
  index: ['selection', 'retrieval'],
  evaluate: ['retrieval', 'corruptions'],
  attack: ['attack', 'training'],
  'square-attack': ['attack', 'training'],
  gates: ['gates', 'behaviour'],
  package: ['gates', 'training', 'deploy', 'description'],
};

function overruns({ budget }: Pipeline, steps: readonly PlannedWork[], prices?: Prices): readonly string[] {
  if (budget === undefined) return [];
  // A tuned generator's prompt is searched for within the budget, too.
  const last = steps.findLastIndex(({ id }) => id === 'train' || id === 'prompt');
  const { time, money } = budget;
  const untilTrained = spanOf(steps.slice(0, last < 0 ? undefined : last + 1), prices);
  const late = excess(
    untilTrained.map(({ seconds }) => seconds),
    time === undefined ? undefined : durationSeconds(time),
    (seconds) => `${Math.round(seconds)} s`,
  );
  const dear = excess(
    spanOf(steps, prices).map((taken) => taken.money ?? 0),
    money,
    (cost) => cost.toFixed(2),
  );
  return [
    ...(late === undefined
      ? []
      : [`${late} until the training has ended, and the budget is ${time}: it stops there with the best so far`]),
    ...(dear === undefined ? [] : [`${dear}, and the budget is ${money}`]),
    ...(money !== undefined && prices === undefined
      ? [
          'the budget is in money, and nobody here says what machines cost (ESPALIER_PRICES): a run whose workers know no prices either is refused (budget.money)',
        ]
      : []),
  ];
}

/** How much it is; undefined where the limit is kept however few the rows are. */
function excess(
  [least = 0, most = 0]: readonly number[],
  limit: number | undefined,
  shown: (value: number) => string,
): string | undefined {
  if (limit === undefined || most <= limit) return undefined;
  const few = `up to ${shown(most)} (where the training rows are few)`;
  if (least <= limit) return few;
  return `about ${shown(least)}${most > least ? `, ${few}` : ''}`;
}

/** What people read of where a figure is from. */
export function sourceOf({ from, what }: Pick<PlannedWork, 'from' | 'what'>): string {
  if (what === 'person') return 'a person';
  if (from === 'stated') return 'stated rate';
  return what === 'reuse' ? `known from ${from}` : `as in ${from}`;
}

/** What the stages of one run share: its input, its graph, its approvals, and the facts gathered so far. */
import { ApplicationFailure, patched, upsertMemo, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { Activities, StepCall, StepResult } from '../activities/contract.ts';
import type { GateResult } from '../activities/contract/validation.ts';
import type { ResolutionRecord, RunFacts, SettingChange, WrittenReport } from '../activities/contract/evidence.ts';
import { settingAt, settingsAfter, withSettings } from '../pipelines/change.ts';
import type { Classification, Pipeline } from '../pipelines/definition.ts';
import type { Training } from '../pipelines/definition/training.ts';
import {
  OPEN_SETTINGS,
  recommended,
  type OpenSetting,
  type RecipeFacts,
  type Recommended,
} from '../pipelines/recipe.ts';
import { isSeeds, ofTraining, recommendedSeeds } from '../pipelines/seeds-by-rows.ts';
import { ApprovalDesk } from './approvals.ts';
import { electorateOf } from '../artifacts/votes.ts';
import { responseTo, type Need } from './causes.ts';
import { Engine, type StepOptions } from './engine.ts';
import {
  OPEN_APPROVAL,
  STATE_ATTRIBUTE,
  type OpenedApproval,
  type Resolution,
  type RunInput,
  type RunState,
  type RunView,
  type StepView,
} from './messages.ts';
import { planRun } from './plan.ts';
import { queueOf, stepProxies, type StepProxies } from './proxies.ts';
import { resolutionRefusal } from './resolutions.ts';
import { onTheRightMachine } from './right-machine.ts';
import { RunBudget } from './run-budget.ts';
import { RunNotices } from './run-notices.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type StepName = {
  [K in keyof Activities]: Activities[K] extends (call: StepCall<never>) => Promise<StepResult<unknown>> ? K : never;
}[keyof Activities];
type InputOf<K extends keyof Activities> = Parameters<Activities[K]>[0]['input'];
type OutputOf<K extends StepName> = Awaited<ReturnType<Activities[K]>>['output'];

function isOf<Task extends Pipeline['task']>(
  pipeline: Pipeline,
  task: Task,
): pipeline is Extract<Pipeline, { readonly task: Task }> {
  return pipeline.task === task;
}

export class Run {
  readonly input: RunInput;
  /** The input as an artifact: a drift-triggered run starts from it. */
  readonly inputRef: RunFacts['definition'];
  readonly id: string;
  readonly startedAt: string;
  readonly engine: Engine;
  readonly desk: ApprovalDesk;
  readonly facts: Mutable<Partial<RunFacts>> = {};
  report: WrittenReport | undefined;
  /** What the table of open settings was asked by. */
  private recipeFacts: RecipeFacts | undefined;
  /** What a search found instead of the table's, and the method that it holds for. */
  private searched: { readonly method: Training['method'] | undefined; readonly settings: readonly Recommended[] } = {
    method: undefined,
    settings: [],
  };
  /** The release evidence that the open or given approval is bound to. */
  evidence: RunFacts['definition'] | undefined;
  /** The definition as it holds now: with what operators changed. Read it where a step's input is made, not before. */
  pipeline: Pipeline;
  readonly budget = new RunBudget(this);
  readonly notices = new RunNotices(this);
  private readonly resolutions: ResolutionRecord[] = [];
  private readonly changes: SettingChange[];
  private readonly proxies: StepProxies;
  private state: RunState = 'running';

  constructor(input: RunInput, inputRef: RunFacts['definition']) {
    this.input = input;
    this.inputRef = inputRef;
    this.id = workflowInfo().workflowId;
    this.startedAt = workflowInfo().startTime.toISOString();
    this.changes = [...(input.changes ?? [])];
    this.pipeline = withSettings(input.pipeline, settingsAfter(this.changes));
    this.engine = new Engine(planRun(input.pipeline), (parked) => {
      this.enter(parked ? 'parked' : 'running');
      if (parked) this.notices.tellParked();
    });
    this.desk = new ApprovalDesk(input.pipeline.approvals, electorateOf(input), (event, approval) =>
      this.notices.tellApproval(event, approval),
    );
    this.proxies = stepProxies(input.heartbeatSeconds);
  }

  /** Runs the activity `name` as the planned step `id`, with the input as it is when it begins, and returns its output. */
  async step<K extends StepName>(
    promise: keyof StepProxies,
    id: string,
    name: K,
    input: () => InputOf<K>,
    options: StepOptions = this.parking(),
  ): Promise<OutputOf<K>> {
    const body = (): Promise<StepResult<OutputOf<K>>> => {
      const activity = this.activities(promise, id)[name] as unknown as (
        call: StepCall<InputOf<K>>,
      ) => Promise<StepResult<OutputOf<K>>>;
      return activity(this.call(id, input()));
    };
    const taken = promise === 'timed' ? () => onTheRightMachine(this, id, body) : body;
    return (await this.engine.step(id, taken, options)).output;
  }

  /** What a step does about a failure in this run; `candidate` is whose step it is, and what it needs when it stands by. */
  parking(candidate?: { readonly optional: boolean; readonly need: () => Need }): StepOptions {
    const { onFailure = 'park' } = this.input;
    return {
      respond: ({ kind }) => {
        const response = responseTo(kind, onFailure, candidate);
        // A run whose candidate parked before candidates stood by has told somebody.
        return response === 'stand-by' && !patched('candidates-stand-by') ? 'park' : response;
      },
      ...(candidate === undefined ? {} : { need: candidate.need }),
    };
  }

  /** The Update's validator: synchronous and read-only; a refused resolution leaves no history event. */
  validate(resolution: Resolution): void {
    const reason = resolutionRefusal(resolution, this.engine.view(), this.pipeline);
    if (reason !== undefined) throw ApplicationFailure.nonRetryable(reason, 'ResolutionRefused');
    if (this.engine.onTheMove) {
      throw ApplicationFailure.nonRetryable(
        'the run is just moving on; send it again in a moment',
        'ResolutionTooEarly',
      );
    }
  }

  /** Takes an operator's decision on a parked step: changed settings hold for it and for every later step of this run. */
  resolve(resolution: Resolution): Promise<StepView> {
    const { step, action, settings = {}, by, comment } = resolution;
    const at = new Date().toISOString();
    const error = this.engine.view().find(({ id }) => id === step)?.error?.message;
    const changed = Object.keys(settings).length > 0;
    const record: ResolutionRecord = {
      step,
      action,
      ...(changed ? { settings } : {}),
      by,
      comment,
      ...(error === undefined ? {} : { error }),
      at,
    };
    const taken = this.engine.resolve(record);
    this.resolutions.push(record);
    for (const [path, to] of Object.entries(settings)) {
      this.changes.push({ path, from: settingAt(this.pipeline, path) ?? null, to, step, by, at });
    }
    this.pipeline = withSettings(this.pipeline, settings);
    const { openTraining } = this;
    // What a person names is no longer the table's; the rest is, for whatever method it is by now.
    if (openTraining !== undefined) this.settleAgain(openTraining.filter(({ path }) => !Object.hasOwn(settings, path)));
    return taken;
  }

  /** Names what the definition leaves open of its training, now that model and rows are known. */
  settle(training: Partial<Pick<Training, OpenSetting>>, facts: RecipeFacts): void {
    this.recipeFacts = facts;
    const found = recommended(training, facts);
    if (found.length > 0) this.take(found);
  }

  /** Names how many seeds a try of a candidate has, where the definition leaves it to the rows; a run on a small part has one. */
  settleSeeds(trainRows: number): void {
    const found = recommendedSeeds(this.classification().selection.prototype, trainRows);
    if (found === undefined || this.pipeline.prototype !== undefined) return;
    this.facts.recipe = [found];
    this.pipeline = withSettings(this.pipeline, { [found.path]: found.value });
  }

  /** What the definition leaves open of its training, as the table or a search names it; undefined before anything is settled. */
  get openTraining(): readonly Recommended[] | undefined {
    return this.facts.recipe && ofTraining(this.facts.recipe);
  }

  /** Takes what a search found for a method, for the settings that are still open and as long as it is this method. */
  settleOn(method: Training['method'], settings: readonly Recommended[]): void {
    this.searched = { method, settings };
    if (this.openTraining !== undefined) this.take(this.openTraining);
  }

  private settleAgain(open: readonly Recommended[]): void {
    const { method } = this.pipeline.training ?? {};
    if (this.recipeFacts === undefined || method === undefined) return;
    const named = OPEN_SETTINGS.filter((setting) => !open.some(({ path }) => path === `training.${setting}`));
    this.take(recommended(Object.fromEntries(named.map((setting) => [setting, 0])), { ...this.recipeFacts, method }));
  }

  private take(table: readonly Recommended[]): void {
    const searched = this.searched.method === this.pipeline.training?.method ? this.searched.settings : [];
    const found = table.map((one) => searched.find(({ path }) => path === one.path) ?? one);
    this.facts.recipe = [...(this.facts.recipe ?? []).filter(isSeeds), ...found];
    this.pipeline = withSettings(this.pipeline, Object.fromEntries(found.map(({ path, value }) => [path, value])));
  }

  /** The definition as it holds now, in a run whose task this is. */
  definition<Task extends Pipeline['task']>(task: Task): Extract<Pipeline, { readonly task: Task }> {
    const { pipeline } = this;
    if (isOf(pipeline, task)) return pipeline;
    throw new Error(`the task of this run is ${pipeline.task}, not ${task}`);
  }

  /** The definition as it holds now, in a run whose model tells labels apart. */
  classification(): Classification {
    const { pipeline } = this;
    if (pipeline.task === 'text-classification' || pipeline.task === 'image-classification') return pipeline;
    throw new Error(`the task of this run is ${pipeline.task}: it tells no labels apart`);
  }

  /** What the model in production has to say against this one; none where they are not compared, or nothing judges it. */
  get comparisonGates(): readonly GateResult[] {
    const { comparison, generationComparison, retrievalComparison } = this.facts;
    const { gate } = comparison ?? generationComparison ?? retrievalComparison ?? {};
    return [gate, comparison?.macroF1Gate].filter((one) => one !== undefined);
  }

  activities(promise: keyof StepProxies, id: string, taskQueue?: string): Activities {
    return this.proxies[promise](id, this.handOver(promise, id), taskQueue);
  }

  /** Notes whose workers a step is handed to; returns what it is called for people. */
  handOver(promise: keyof StepProxies, id: string): string {
    // Of a queue of its own the promise's says what it is for; its name says only which training.
    this.engine.queued(id, queueOf(promise));
    return this.engine.view().find((step) => step.id === id)?.title ?? id;
  }

  call<Input>(stepId: string, input: Input): StepCall<Input> {
    return { runId: this.id, stepId, input, reuse: this.input.reuse };
  }

  /** `open`: the approval that it is about to wait for. Lists are made of what stands here: they ask no run. */
  enter(state: RunState, open: OpenedApproval | null = null): void {
    if (state === this.state) return;
    this.state = state;
    this.budget.countWaiting(state === 'waiting-for-approval' || state === 'parked');
    upsertSearchAttributes([{ key: STATE_ATTRIBUTE, value: state }]);
    upsertMemo({ state, [OPEN_APPROVAL]: open });
  }

  /** All that is known now; the report and the evidence packs are pure functions of it. */
  snapshot(outcome?: string): RunFacts {
    const { definition, dossier, startedBy, trigger, reopened, authors } = this.input;
    const { pipeline } = this;
    return {
      run: { id: this.id, pipeline: pipeline.name, startedBy, startedAt: this.startedAt, trigger },
      pipeline,
      definition,
      ...(dossier === undefined ? {} : { dossier }),
      ...(authors === undefined ? {} : { authors }),
      steps: this.engine.facts(),
      ...(this.resolutions.length === 0 ? {} : { resolutions: this.resolutions }),
      ...(this.changes.length === 0 ? {} : { changes: this.changes }),
      ...(reopened === undefined ? {} : { reopened }),
      electorate: electorateOf(this.input),
      approvals: this.desk.records(),
      ...this.facts,
      ...(outcome === undefined ? {} : { outcome }),
    };
  }

  view(): RunView {
    const { pipeline, startedBy, trigger } = this.input;
    return {
      runId: this.id,
      pipeline: pipeline.name,
      startedBy,
      startedAt: this.startedAt,
      trigger,
      state: this.visibleState(),
      steps: this.engine.view(),
      approvals: this.desk.view(),
      ...(this.facts.gates === undefined ? {} : { gates: this.facts.gates }),
      ...(this.facts.deployment === undefined ? {} : { deployment: this.facts.deployment }),
      ...(this.report === undefined ? {} : { report: this.report.html }),
    };
  }

  /** A run waits for a person from the moment that a vote would count. */
  private visibleState(): RunState {
    if (this.state !== 'waiting-for-approval') return this.state;
    return this.desk.view().some(({ state }) => state === 'open') ? this.state : 'running';
  }
}

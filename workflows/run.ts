/** What the stages of one run share: its input, its graph, its approvals, and the facts gathered so far. */
import { upsertMemo, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { Activities, RunFacts, StepCall, StepResult, WrittenReport } from '../activities/contract.ts';
import { ApprovalDesk } from './approvals.ts';
import { Engine } from './engine.ts';
import { STATE_ATTRIBUTE, type RunInput, type RunState, type RunView } from './messages.ts';
import { planRun } from './plan.ts';
import { stepProxies, type StepProxies } from './proxies.ts';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type StepName = {
  [K in keyof Activities]: Activities[K] extends (call: StepCall<never>) => Promise<StepResult<unknown>> ? K : never;
}[keyof Activities];
type InputOf<K extends keyof Activities> = Parameters<Activities[K]>[0]['input'];
type OutputOf<K extends StepName> = Awaited<ReturnType<Activities[K]>>['output'];

export class Run {
  readonly input: RunInput;
  /** The input as an artifact: a drift-triggered run starts from it. */
  readonly inputRef: RunFacts['definition'];
  readonly id: string;
  readonly engine: Engine;
  readonly desk: ApprovalDesk;
  readonly facts: Mutable<Partial<RunFacts>> = {};
  report: WrittenReport | undefined;
  /** The release evidence that the open or given approval is bound to. */
  evidence: RunFacts['definition'] | undefined;
  private readonly proxies: StepProxies;
  private readonly startedAt: string;
  private state: RunState = 'running';

  constructor(input: RunInput, inputRef: RunFacts['definition']) {
    this.input = input;
    this.inputRef = inputRef;
    this.id = workflowInfo().workflowId;
    this.startedAt = workflowInfo().startTime.toISOString();
    this.engine = new Engine(planRun(input.pipeline));
    this.desk = new ApprovalDesk(input.pipeline.approvals, input);
    this.proxies = stepProxies(input.heartbeatSeconds);
  }

  /** Runs the activity `name` as the planned step `id` and returns its output. */
  async step<K extends StepName>(
    promise: keyof StepProxies,
    id: string,
    name: K,
    input: InputOf<K>,
  ): Promise<OutputOf<K>> {
    const result = await this.engine.step(id, () => {
      const activity = this.activities(promise, id)[name] as unknown as (
        call: StepCall<InputOf<K>>,
      ) => Promise<StepResult<OutputOf<K>>>;
      return activity(this.call(id, input));
    });
    return result.output;
  }

  activities(promise: keyof StepProxies, id: string): Activities {
    const title = this.engine.view().find((step) => step.id === id)?.title ?? id;
    return this.proxies[promise](id, title);
  }

  call<Input>(stepId: string, input: Input): StepCall<Input> {
    return { runId: this.id, stepId, input, reuse: this.input.reuse };
  }

  enter(state: RunState): void {
    if (state === this.state) return;
    this.state = state;
    upsertSearchAttributes([{ key: STATE_ATTRIBUTE, value: state }]);
    upsertMemo({ state });
  }

  /** All that is known now; the report and the evidence packs are pure functions of it. */
  snapshot(outcome?: string): RunFacts {
    const { pipeline, definition, startedBy, trigger } = this.input;
    return {
      run: { id: this.id, pipeline: pipeline.name, startedBy, startedAt: this.startedAt, trigger },
      pipeline,
      definition,
      steps: this.engine.facts(),
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

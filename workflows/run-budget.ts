/** What is left of one run's budget: asked before each piece of work that could be left out, or told when to end. */
import type { Allowance } from '../activities/contract/training.ts';
import {
  isTraining,
  overBudget,
  processesOf,
  secondsLeft,
  shareLeft,
  type Spent,
  type StatedPrices,
} from '../pipelines/budget.ts';
import { candidateSteps } from './plan.ts';
import { queueOf, type StepProxies } from './proxies.ts';
import type { Run } from './run.ts';
import { Waits } from './waits.ts';

export class RunBudget {
  private readonly run: Run;
  /** For people, or for a machine that is not there: the budget is of machines that work. */
  readonly waits = new Waits();
  private found: Promise<StatedPrices | null> | undefined;

  constructor(run: Run) {
    this.run = run;
  }

  /** Why nothing more is begun that could be left out; undefined while the budget lasts, or where there is none. */
  async ended(): Promise<string | undefined> {
    const { budget } = this.run.pipeline;
    return budget === undefined ? undefined : overBudget(budget, await this.spent());
  }

  /** When the budget ends a training (ISO 8601); undefined where nothing does. */
  stopTrainingAt(): Promise<string | undefined> {
    return this.end('gpu', 1, this.devices());
  }

  /** When it ends a search for a prompt. Candidates are searched side by side, and share the money. */
  stopSearchAt(): Promise<string | undefined> {
    return this.end('cpu', this.run.input.candidates.filter(({ id }) => this.mayBeSearched(id)).length);
  }

  /** One that waits with a failed step is most likely never searched: the others need not save for it. */
  private mayBeSearched(id: string): boolean {
    const { engine, pipeline } = this.run;
    const steps = candidateSteps(pipeline.task).map((step) => `${step}:${id}`);
    return engine.isOpen(`prompt:${id}`) && !engine.states(steps).includes('parked');
  }

  /**
   * What each of `sharers` trainings side by side may use, so that after them there is enough for one of `reservedSeconds`;
   * undefined where nothing ends them.
   */
  async trainingAllowance(sharers: number, reservedSeconds: number): Promise<Allowance | undefined> {
    const { budget } = this.run.pipeline;
    if (budget === undefined) return undefined;
    const share = { sharers, reservedSeconds, devices: this.devices() };
    const { together, each } = shareLeft(budget, await this.spent(), queueOf('gpu'), share);
    const allowance: Allowance = {
      ...(Number.isFinite(together) ? { until: new Date(Date.now() + together * 1000).toISOString() } : {}),
      ...(Number.isFinite(each) ? { seconds: each } : {}),
    };
    return Object.keys(allowance).length === 0 ? undefined : allowance;
  }

  /** For people. */
  countWaiting(waits: boolean): void {
    if (waits) this.waits.begin('people', Date.now());
    else this.waits.end('people', Date.now());
  }

  /** That each training holds. */
  private devices(): number {
    return processesOf(this.run.pipeline);
  }

  private async end(promise: keyof StepProxies, sharers: number, devices = 1): Promise<string | undefined> {
    const { budget } = this.run.pipeline;
    if (budget === undefined) return undefined;
    const seconds = secondsLeft(budget, await this.spent(), queueOf(promise), Math.max(1, sharers), devices);
    return Number.isFinite(seconds) ? new Date(Date.now() + seconds * 1000).toISOString() : undefined;
  }

  private async spent(): Promise<Spent> {
    const prices = this.run.pipeline.budget?.money === undefined ? null : await this.prices();
    const steps = this.run.engine.facts().map(({ id, queue, ranSeconds = 0, reused }) => ({
      queue,
      seconds: reused === true ? 0 : ranSeconds * (isTraining(id) ? this.devices() : 1),
    }));
    const [startedMs, nowMs] = [Date.parse(this.run.startedAt), Date.now()];
    const seconds = (nowMs - startedMs - this.waits.within(startedMs, nowMs)) / 1000;
    return { seconds, steps, prices };
  }

  /** What machines cost; null where the organisation does not say. */
  prices(): Promise<StatedPrices | null> {
    // Kept as a promise: candidates side by side ask at once, and an activity's id can be open only once.
    this.found ??= this.run.activities('light', 'prices').findPrices(this.run.call('prices', {}));
    return this.found;
  }
}

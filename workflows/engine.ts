/**
 * The one engine: runs a planned step when what it needs has ended, and keeps the graph's state for everyone to see.
 * A step that fails waits for an operator where the table of causes (causes.ts) says so; finished steps stay finished.
 */
import { ApplicationFailure, condition, isCancellation, workflowInfo } from '@temporalio/workflow';
import type { ResolutionRecord, StepFact } from '../activities/contract/evidence.ts';
import type { StepResult } from '../activities/contract.ts';
import type { ErrorRecord } from '../artifacts/errors.ts';
import type { Need, Response } from './causes.ts';
import { errorRecord, secondsOfFailure, StepLeftOut } from './failures.ts';
import type { StepState, StepView } from './messages.ts';
import type { PlannedStep } from './plan.ts';
import { actionsFor } from './resolutions.ts';

type Node = { -readonly [K in keyof StepView]: StepView[K] };

export interface StepOptions {
  /** What the step is while its body runs. @default 'running' */
  readonly state?: StepState;
  /** What to do about a failure. @default end the run */
  readonly respond?: (error: ErrorRecord) => Response;
  /** Whom a step that stands by needs: asked again whenever something has moved. @default a person */
  readonly need?: () => Need;
}

interface Parking {
  resolution?: ResolutionRecord;
  /** The step has gone on from its resolution. */
  left: boolean;
}

export class Engine {
  private readonly nodes: ReadonlyMap<string, Node>;
  /** What the record says besides the view: by step, whose workers it was for, and how long its attempts ran, as far as they told. */
  private readonly queues = new Map<string, string>();
  private readonly ranSeconds = new Map<string, number>();
  private readonly parkings = new Map<string, Parking>();
  /** The parked steps that need a person. */
  private readonly needy = new Set<string>();
  private readonly onParking: (parked: boolean) => void;
  /** Length of the history when a step last began, ended or parked: when commands were last emitted. */
  private movedAt = -1;

  /** `onParking` hears when the first step needs a person and when the last one has been resolved. */
  constructor(plan: readonly PlannedStep[], onParking: (parked: boolean) => void = () => undefined) {
    this.nodes = new Map(plan.map((step) => [step.id, { ...step, state: 'pending' }]));
    this.onParking = onParking;
  }

  /**
   * Runs `body` as the planned step `id`. What the plan says it needs must have ended: story and graph cannot drift apart.
   * @throws StepLeftOut when it was dropped or skipped; else what the body threw
   */
  async step<Output>(id: string, body: () => Promise<Output>, options: StepOptions = {}): Promise<Output> {
    const node = this.node(id);
    const missing = node.needs.filter((need) => !this.ended(need));
    if (missing.length > 0) throw new Error(`step ${id} began before ${missing.join(', ')}`);
    for (;;) {
      begin(node, options.state ?? 'running');
      this.moved();
      try {
        const output = await body();
        node.state = 'done';
        if (isStepResult(output)) this.adopt(node, output);
        end(node);
        return output;
      } catch (error) {
        const action = await this.failed(node, error, options);
        if (action === 'skip' || action === 'unneeded') {
          throw new StepLeftOut(node.error ?? errorRecord(error, id), action === 'unneeded');
        }
        if (action === 'abort') throw error;
      } finally {
        this.moved();
      }
    }
  }

  /** What to do about a step that failed: by rule, or by an operator, however long that takes. */
  private async failed(
    node: Node,
    error: unknown,
    { respond, need }: StepOptions,
  ): Promise<ResolutionRecord['action'] | 'unneeded'> {
    node.error = errorRecord(error, node.id);
    const seconds = secondsOfFailure(error);
    if (seconds !== undefined) this.ran(node.id, seconds);
    end(node);
    if (isCancellation(error)) {
      node.state = 'skipped';
      return 'abort';
    }
    const response = respond?.(node.error) ?? 'fail';
    if (response === 'fail') {
      node.state = 'failed';
      return 'abort';
    }
    const resolution =
      response === 'drop' ? undefined : await this.parked(node, response === 'park' ? undefined : need);
    if (resolution === undefined) {
      node.state = 'dropped';
      return response === 'drop' ? 'skip' : 'unneeded';
    }
    const { action, by } = resolution;
    if (action === 'skip') node.error = { ...node.error, message: `skipped by ${by}: ${node.error.message}` };
    return action;
  }

  /** Ends with what an operator decides; undefined when `need` says that nobody has to any more. */
  private async parked(node: Node, need: () => Need = () => 'person'): Promise<ResolutionRecord | undefined> {
    const parking: Parking = { left: false };
    this.parkings.set(node.id, parking);
    node.state = 'parked';
    node.actions = actionsFor(node.id);
    this.moved();
    try {
      for (;;) {
        const now = need();
        if (now === 'nobody') return undefined;
        this.needs(node, now === 'person');
        await condition(() => parking.resolution !== undefined || need() !== now);
        if (parking.resolution === undefined) continue;
        await laterInThisTask();
        return parking.resolution;
      }
    } catch (error) {
      node.state = 'skipped'; // cancelled while it waited
      throw error;
    } finally {
      parking.left = true;
      delete node.actions;
      this.parkings.delete(node.id);
      this.needs(node, false);
      delete node.standsBy;
    }
  }

  /** Notes whether a parked step needs a person, and tells who hears of it when it is the first or was the last. */
  private needs(node: Node, person: boolean): void {
    const before = this.needy.size;
    if (person) {
      delete node.standsBy;
      this.needy.add(node.id);
    } else {
      node.standsBy = true;
      this.needy.delete(node.id);
    }
    this.moved();
    if (before === 0 && person) this.onParking(true);
    if (before > 0 && this.needy.size === 0) this.onParking(false);
  }

  /**
   * Why an Update cannot be taken in right now. An Update that shares a workflow task with other events comes after them
   * when it arrives, but before them on replay; a task that has emitted commands before the Update would emit them in
   * another order then. So an Update is taken only in a task that has emitted none: moments later.
   */
  get onTheMove(): boolean {
    return this.movedAt === workflowInfo().historyLength;
  }

  /** Hands a checked resolution to its parked step; ends once the step has gone on from it. */
  async resolve(record: ResolutionRecord): Promise<StepView> {
    const node = this.node(record.step);
    const parking = this.parkings.get(record.step);
    if (parking === undefined || parking.resolution !== undefined) {
      throw ApplicationFailure.nonRetryable(`step '${record.step}' is not parked`, 'ResolutionRefused');
    }
    parking.resolution = record;
    node.resolutions = [...(node.resolutions ?? []), record];
    // At once, so that a second Update of the same task is refused.
    node.state = AFTER[record.action];
    await condition(() => parking.left);
    return { ...node };
  }

  /** Ends steps that will not run, with the reason. */
  close(ids: readonly string[], state: 'dropped' | 'skipped', error?: ErrorRecord): void {
    for (const id of ids) {
      const node = this.node(id);
      if (!['pending', 'failed', 'skipped'].includes(node.state)) continue;
      node.state = state;
      if (error !== undefined) node.error ??= error;
    }
  }

  skipRest(except: readonly string[] = []): void {
    this.close(
      [...this.nodes.keys()].filter((id) => this.node(id).state === 'pending' && !except.includes(id)),
      'skipped',
    );
  }

  view(): readonly StepView[] {
    return [...this.nodes.values()].map((node) => ({ ...node }));
  }

  /** Whether a step has not ended. */
  isOpen(id: string): boolean {
    return !this.ended(id);
  }

  states(ids: readonly string[]): readonly StepState[] {
    return ids.map((id) => this.node(id).state);
  }

  /** Whose workers a step was handed to. */
  queued(id: string, queue: string): void {
    this.queues.set(id, queue);
  }

  /** For reports: only what is settled, so that an evidence pack does not depend on who looks when. */
  facts(): readonly StepFact[] {
    return [...this.nodes.values()].map(({ id, title, state, key, computedBy, attempt, startedAt, finishedAt }) => {
      const [queue, ranSeconds] = [this.queues.get(id), this.ranSeconds.get(id)];
      return {
        id,
        title,
        state,
        ...(queue === undefined ? {} : { queue }),
        ...(key === undefined ? {} : { key, reused: state === 'reused' }),
        ...(computedBy === undefined ? {} : { computedBy }),
        ...(attempt === undefined ? {} : { attempt }),
        ...(startedAt === undefined ? {} : { startedAt }),
        ...(finishedAt === undefined ? {} : { finishedAt }),
        ...(ranSeconds === undefined ? {} : { ranSeconds }),
      };
    });
  }

  private moved(): void {
    this.movedAt = workflowInfo().historyLength;
  }

  private adopt(node: Node, result: StepResult<unknown>): void {
    node.key = result.key;
    node.computedBy = result.computedBy;
    node.attempt = result.attempt;
    if (result.reused) node.state = 'reused';
    else {
      const lastMs = Date.parse(result.finishedAt) - Date.parse(result.startedAt);
      this.ran(node.id, lastMs / 1000 + (result.earlierSeconds ?? 0));
    }
  }

  private ran(id: string, seconds: number): void {
    this.ranSeconds.set(id, (this.ranSeconds.get(id) ?? 0) + seconds);
  }

  private ended(id: string): boolean {
    return !['pending', 'running', 'waiting', 'parked'].includes(this.node(id).state);
  }

  private node(id: string): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`step ${id} is not in the plan`);
    return node;
  }
}

const AFTER = { retry: 'running', skip: 'skipped', abort: 'failed' } as const satisfies Record<string, StepState>;

/** Goes on when all that this workflow task brought has been acted on: in the same order live and on replay. */
export function laterInThisTask(): Promise<void> {
  let looks = 0;
  // The first look is the call's own; the next one comes after the task's other work has run dry.
  return condition(() => looks++ > 0);
}

function begin(node: Node, state: StepState): void {
  node.state = state;
  node.startedAt = now();
  delete node.finishedAt;
  delete node.error;
}

function end(node: Node): void {
  node.finishedAt = now();
}

function isStepResult(value: unknown): value is StepResult<unknown> {
  return typeof value === 'object' && value !== null && 'key' in value && 'reused' in value && 'computedBy' in value;
}

function now(): string {
  return new Date().toISOString();
}

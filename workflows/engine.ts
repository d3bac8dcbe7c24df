/** The one engine: runs a planned step when what it needs has ended, and keeps the graph's state for everyone to see. */
import { ActivityFailure, ApplicationFailure, isCancellation } from '@temporalio/workflow';
import type { StepFact, StepResult } from '../activities/contract.ts';
import type { ErrorKind, ErrorRecord } from '../artifacts/errors.ts';
import type { StepState, StepView } from './messages.ts';
import type { PlannedStep } from './plan.ts';

type Node = { -readonly [K in keyof StepView]: StepView[K] };

export class Engine {
  private readonly nodes: ReadonlyMap<string, Node>;

  constructor(plan: readonly PlannedStep[]) {
    this.nodes = new Map(plan.map((step) => [step.id, { ...step, state: 'pending' }]));
  }

  /** Runs `body` as the planned step `id`. What the plan says it needs must have ended: story and graph cannot drift apart. */
  async step<Output>(id: string, body: () => Promise<Output>, state: StepState = 'running'): Promise<Output> {
    const node = this.node(id);
    const missing = node.needs.filter((need) => !this.ended(need));
    if (missing.length > 0) throw new Error(`step ${id} began before ${missing.join(', ')}`);
    node.state = state;
    node.startedAt = now();
    try {
      const output = await body();
      node.state = 'done';
      if (isStepResult(output)) adopt(node, output);
      return output;
    } catch (error) {
      node.state = isCancellation(error) ? 'skipped' : 'failed';
      node.error = errorRecord(error, id);
      throw error;
    } finally {
      node.finishedAt ??= now();
    }
  }

  /** Ends steps that will not run, with the reason. */
  close(ids: readonly string[], state: 'dropped' | 'skipped', error?: ErrorRecord): void {
    for (const id of ids) {
      const node = this.node(id);
      if (node.state !== 'pending' && node.state !== 'failed') continue;
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

  /** For reports: only what is settled, so that an evidence pack does not depend on who looks when. */
  facts(): readonly StepFact[] {
    return [...this.nodes.values()].map(({ id, title, state, key, computedBy, attempt, startedAt, finishedAt }) => ({
      id,
      title,
      state,
      ...(key === undefined ? {} : { key, reused: state === 'reused' }),
      ...(computedBy === undefined ? {} : { computedBy }),
      ...(attempt === undefined ? {} : { attempt }),
      ...(startedAt === undefined ? {} : { startedAt }),
      ...(finishedAt === undefined ? {} : { finishedAt }),
    }));
  }

  private ended(id: string): boolean {
    return !['pending', 'running', 'waiting', 'failed'].includes(this.node(id).state);
  }

  private node(id: string): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`step ${id} is not in the plan`);
    return node;
  }
}

function adopt(node: Node, result: StepResult<unknown>): void {
  node.key = result.key;
  node.computedBy = result.computedBy;
  node.attempt = result.attempt;
  if (result.reused) node.state = 'reused';
}

function isStepResult(value: unknown): value is StepResult<unknown> {
  return typeof value === 'object' && value !== null && 'key' in value && 'reused' in value && 'computedBy' in value;
}

/** The typed record inside whatever Temporal wrapped around it. */
export function errorRecord(error: unknown, where: string): ErrorRecord {
  const cause = error instanceof ActivityFailure ? error.cause : error;
  if (cause instanceof ApplicationFailure) {
    const record: unknown = cause.details?.[0];
    if (typeof record === 'object' && record !== null && 'kind' in record) return record as ErrorRecord;
    return { kind: (cause.type ?? 'Internal') as ErrorKind, message: cause.message, where, retryable: false };
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return { kind: 'Internal', message, where, retryable: false };
}

function now(): string {
  return new Date().toISOString();
}

/** The same shapes: written on the SDK alone, through Espalier's engine and step wrapper, and so with a child workflow around each step. */
import { executeChild, proxyActivities } from '@temporalio/workflow';
import type { StepCall, StepResult } from '../../activities/contract.ts';
import { Engine } from '../../workflows/engine.ts';

interface BenchActivities {
  plain(input: number): Promise<number>;
  step(call: StepCall<number>): Promise<StepResult<number>>;
}

const { plain, step } = proxyActivities<BenchActivities>({ startToCloseTimeout: '1m', heartbeatTimeout: '30s' });

export async function directSteps(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await plain(i);
}

export async function directFanOut(count: number): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, i) => plain(i)));
}

type Body = (call: StepCall<number>) => Promise<StepResult<number>>;

/** As a try of a selection is one: a workflow with one step's activity. */
export function tryStep(call: StepCall<number>): Promise<StepResult<number>> {
  return step(call);
}

const inChild: Body = (call) =>
  executeChild(tryStep, {
    workflowId: `${call.runId}/${call.stepId}`,
    args: [call],
    parentClosePolicy: 'REQUEST_CANCEL',
  });

async function inARow(count: number, runId: string, body: Body): Promise<void> {
  const ids = Array.from({ length: count }, (_, i) => `step-${i}`);
  const engine = new Engine(
    ids.map((id, i) => ({ id, title: id, stage: 'data', needs: i === 0 ? [] : [`step-${i - 1}`] })),
  );
  for (const [i, id] of ids.entries()) await engine.step(id, () => body({ runId, stepId: id, input: i, reuse: true }));
}

async function sideBySide(count: number, runId: string, body: Body): Promise<void> {
  const ids = Array.from({ length: count }, (_, i) => `step-${i}`);
  const engine = new Engine(ids.map((id) => ({ id, title: id, stage: 'data', needs: [] })));
  await Promise.all(ids.map((id, i) => engine.step(id, () => body({ runId, stepId: id, input: i, reuse: true }))));
}

export const engineSteps = (count: number, runId: string): Promise<void> => inARow(count, runId, step);
export const engineFanOut = (count: number, runId: string): Promise<void> => sideBySide(count, runId, step);
export const childSteps = (count: number, runId: string): Promise<void> => inARow(count, runId, inChild);
export const childFanOut = (count: number, runId: string): Promise<void> => sideBySide(count, runId, inChild);

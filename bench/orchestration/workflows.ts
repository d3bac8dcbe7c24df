/** The same shapes twice: written on the SDK alone, and through Espalier's engine and step wrapper. */
import { proxyActivities } from '@temporalio/workflow';
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

export async function engineSteps(count: number, runId: string): Promise<void> {
  const ids = Array.from({ length: count }, (_, i) => `step-${i}`);
  const engine = new Engine(
    ids.map((id, i) => ({ id, title: id, stage: 'data', needs: i === 0 ? [] : [`step-${i - 1}`] })),
  );
  for (const [i, id] of ids.entries()) await engine.step(id, () => step({ runId, stepId: id, input: i, reuse: true }));
}

export async function engineFanOut(count: number, runId: string): Promise<void> {
  const ids = Array.from({ length: count }, (_, i) => `step-${i}`);
  const engine = new Engine(ids.map((id) => ({ id, title: id, stage: 'data', needs: [] })));
  await Promise.all(ids.map((id, i) => engine.step(id, () => step({ runId, stepId: id, input: i, reuse: true }))));
}

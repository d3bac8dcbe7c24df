/** Runs one step against a real store, without Temporal. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Progress } from '../../activities/contract.ts';
import { stepIdentity, stepKey, type ActivityServices, type StepDefinition } from '../../activities/step.ts';

export async function runStep<Input, Output>(
  step: StepDefinition<Input, Output>,
  input: Input,
  services: ActivityServices,
  options: {
    signal?: AbortSignal;
    runId?: string;
    attempt?: number;
    earlierSeconds?: number;
    reuse?: boolean;
    onProgress?: (progress: Progress) => void;
  } = {},
): Promise<Output> {
  const workDir = await mkdtemp(join(tmpdir(), 'espalier-test-'));
  try {
    const environment = (await step.environment?.(input, services)) ?? null;
    return await step.run(input, {
      ...services,
      runId: options.runId ?? 'test-run',
      stepId: step.type,
      attempt: options.attempt ?? 1,
      earlierSeconds: options.earlierSeconds ?? 0,
      key: stepKey(step.type, step.version, stepIdentity(step, input), environment),
      environment,
      signal: options.signal ?? new AbortController().signal,
      workDir,
      reuse: options.reuse ?? true,
      progress: (progress) => options.onProgress?.(progress),
    });
  } finally {
    await rm(workDir, { recursive: true, force: true });
  }
}

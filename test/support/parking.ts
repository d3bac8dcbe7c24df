/** Steps that fail for good in a run whose activities answer at once, and an operator who decides about them. */
import { WorkflowUpdateFailedError, type Client } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities, StepCall } from '../../activities/contract.ts';
import { ERROR_KINDS, type ErrorKind } from '../../artifacts/errors.ts';
import type { Resolution, StepView } from '../../workflows/messages.ts';

/** A step's typed error as the activity rim makes it, final at once: no test waits for retries. */
export function failure(kind: ErrorKind, message: string, fix?: string, ranSeconds?: number): ApplicationFailure {
  const record = { kind, message, ...(fix === undefined ? {} : { fix }), retryable: ERROR_KINDS[kind].retryable };
  const details = ranSeconds === undefined ? [record] : [record, { ranSeconds }];
  return ApplicationFailure.create({ message, type: kind, nonRetryable: true, details });
}

/** Fails the first `times` calls, then answers as `real` does. */
export function failing<Name extends keyof Activities>(
  real: Activities[Name],
  error: ApplicationFailure,
  options: { times?: number; step?: string } = {},
): Activities[Name] {
  let left = options.times ?? 1;
  const wrapped = (call: StepCall<never>): Promise<unknown> =>
    (options.step === undefined || call.stepId === options.step) && left-- > 0
      ? Promise.reject(error)
      : (real as (call: StepCall<never>) => Promise<unknown>)(call);
  return wrapped as Activities[Name];
}

/** One decision, sent once: rejects when the run is just moving on. */
export function sendResolution(client: Client, runId: string, resolution: Partial<Resolution>): Promise<StepView> {
  return client.workflow.getHandle(runId).executeUpdate<StepView, [Resolution]>('resolve', {
    args: [{ step: 'train', action: 'retry', by: 'olga', comment: '', ...resolution }],
  });
}

/** As an operator would: again, when the run says that it is just moving on. */
export async function resolveStep(client: Client, runId: string, resolution: Partial<Resolution>): Promise<StepView> {
  for (;;) {
    try {
      return await sendResolution(client, runId, resolution);
    } catch (error) {
      if (!/just moving on/.test(reasonOf(error))) throw error;
    }
  }
}

/** Why an Update was refused. */
export function reasonOf(error: unknown): string {
  return error instanceof WorkflowUpdateFailedError ? (error.cause?.message ?? '') : String(error);
}

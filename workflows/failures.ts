/** What a failure says, whatever Temporal has wrapped around it. */
import { ActivityFailure, ApplicationFailure, ChildWorkflowFailure } from '@temporalio/workflow';
import type { ErrorKind, ErrorRecord } from '../artifacts/errors.ts';

/** A step was given up without ending the run: by rule, or because an operator skipped it. */
export class StepLeftOut extends Error {
  readonly record: ErrorRecord;
  /** It stood by, and nobody has to save it any more. */
  readonly unneeded: boolean;

  constructor(record: ErrorRecord, unneeded = false) {
    super(record.message);
    this.record = record;
    this.unneeded = unneeded;
  }
}

/** The typed record inside whatever Temporal wrapped around it. */
export function errorRecord(error: unknown, where: string): ErrorRecord {
  if (error instanceof StepLeftOut) return error.record;
  const cause = inside(error);
  if (cause instanceof ApplicationFailure) {
    const record: unknown = cause.details?.[0];
    if (typeof record === 'object' && record !== null && 'kind' in record) return record as ErrorRecord;
    return { kind: (cause.type ?? 'Internal') as ErrorKind, message: cause.message, where, retryable: false };
  }
  const message = cause instanceof Error ? cause.message : String(cause);
  return { kind: 'Internal', message, where, retryable: false };
}

/** How long the attempt ran that failed for good (activities/step.ts); undefined where its worker did not say. */
export function secondsOfFailure(error: unknown): number | undefined {
  const cause = inside(error);
  const told: unknown = cause instanceof ApplicationFailure ? cause.details?.[1] : undefined;
  return typeof told === 'object' && told !== null && 'ranSeconds' in told ? Number(told.ranSeconds) : undefined;
}

function inside(error: unknown): unknown {
  return error instanceof ActivityFailure || error instanceof ChildWorkflowFailure ? error.cause : error;
}

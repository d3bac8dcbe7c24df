/** What a failure says, whatever Temporal has wrapped around it. */
import { ActivityFailure, ApplicationFailure, CancelledFailure, ChildWorkflowFailure } from '@temporalio/workflow';
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

/** How long the attempt ran that failed for good, or was cancelled (activities/attempt-failures.ts); undefined where its worker did not say. */
export function secondsOfFailure(error: unknown): number | undefined {
  return toldOfFailure(error, 'ranSeconds');
}

/** When machines of another class began to refuse a step, in milliseconds since 1970, where it failed for nothing else; undefined otherwise. */
export function refusedSinceMs(error: unknown): number | undefined {
  return toldOfFailure(error, 'refusedSinceMs');
}

function toldOfFailure(error: unknown, name: string): number | undefined {
  const cause = inside(error);
  const told: unknown =
    cause instanceof ApplicationFailure
      ? cause.details?.[1]
      : cause instanceof CancelledFailure
        ? cause.details[0]
        : undefined;
  const value: unknown =
    typeof told === 'object' && told !== null ? (told as Record<string, unknown>)[name] : undefined;
  return typeof value === 'number' ? value : undefined;
}

function inside(error: unknown): unknown {
  return error instanceof ActivityFailure || error instanceof ChildWorkflowFailure ? error.cause : error;
}

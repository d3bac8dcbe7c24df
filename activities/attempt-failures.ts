/** How an attempt of an activity fails: the error in Temporal's words, whether another one is made, and when. */
import { ApplicationFailure, ApplicationFailureCategory, CancelledFailure, type Duration } from '@temporalio/common';
import { EspalierError, type ErrorKind } from '../artifacts/errors.ts';
import type { Told } from './heartbeat.ts';

/** Of a step whose attempts ended without a word of their own, as often as it may be tried. */
export function workerLost(where: string, tries: number): EspalierError {
  return new EspalierError('Internal', `its worker was lost, or it failed, ${tries} times`, {
    where,
    fix: "look into the workers' logs: one that is killed for its memory says nothing itself",
    retryable: false,
  });
}

/**
 * Attempts after which an error of the step's own goes to a person, however retryable: lost workers alone never end a
 * step (a training's attempts are unbounded), an error that comes again and again must.
 */
export const MAX_ATTEMPTS_WITH_ERROR = 20;

/** Nothing has failed: another attempt may find another machine, or the machine again. They never count. */
const NEVER_COUNTED: ReadonlySet<ErrorKind> = new Set(['Preempted', 'WrongHardware']);

/** How long a machine of another class leaves a step to the right one, which may be busy: an idle one would use up every attempt. */
const REFUSAL_DELAY: Duration = '60s';

/**
 * Refusals, a minute apart, after which the run is told that nobody takes its step: it tells people, and offers the step anew
 * (workflows/right-machine.ts).
 */
export const REFUSALS_UNTOLD = 15;

/**
 * How long after an error of its own a step is tried again whose retry policy does not back off (workflows/proxies.ts: a
 * lost worker is replaced at once): a second, then twice as long each time, a minute at most.
 */
export function errorDelay(attempt: number): Duration {
  return `${Math.min(60, 2 ** Math.min(attempt - 1, 6))}s`;
}

/**
 * Converts what a step threw into what Temporal understands: `type` is the error's kind, details[0] its record, and where
 * that is known details[1] how long it ran: what fails costs money, too. `tries`: this one included, of at `most` so many.
 * `refusals`, this one included, and since when: after `REFUSALS_UNTOLD` of them the run is told.
 */
export function toFailure(
  error: unknown,
  where: string,
  tries = 1,
  {
    nextRetryDelay,
    ranSeconds,
    most = MAX_ATTEMPTS_WITH_ERROR,
    refusals = 0,
    refusedSinceMs,
  }: Partial<Told> & { readonly nextRetryDelay?: Duration; readonly most?: number } = {},
): Error {
  if (error instanceof ApplicationFailure || isCancelled(error)) return error;
  const known = error instanceof EspalierError ? error : asEspalierError(error, where);
  const told = {
    ...(ranSeconds === undefined ? {} : { ranSeconds }),
    ...(refusedSinceMs === undefined ? {} : { refusedSinceMs }),
  };
  return ApplicationFailure.create({
    message: known.message,
    type: known.kind,
    nonRetryable: !known.retryable || refusals >= REFUSALS_UNTOLD || (tries >= most && !NEVER_COUNTED.has(known.kind)),
    ...(nextRetryDelay === undefined ? {} : { nextRetryDelay }),
    ...(known.kind === 'WrongHardware' ? { nextRetryDelay: REFUSAL_DELAY } : {}),
    // Nothing failed: the next attempt may begin at once, and nobody need be woken.
    ...(known.kind === 'Preempted' ? { nextRetryDelay: '1s', category: ApplicationFailureCategory.BENIGN } : {}),
    details: [{ where, ...known.toRecord() }, ...(Object.keys(told).length === 0 ? [] : [told])],
    cause: known,
  });
}

/** Temporal takes both for the answer to a cancellation. */
export function isCancelled(error: unknown): error is Error {
  return error instanceof CancelledFailure || (error instanceof Error && error.name === 'AbortError');
}

function asEspalierError(error: unknown, where: string): EspalierError {
  const code = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'ENOSPC') {
    return new EspalierError('DiskFull', `no space left on the worker's disk: ${message}`, {
      where,
      fix: 'free disk space on the worker; the step goes on by itself',
      cause: error,
    });
  }
  return new EspalierError('Internal', message, { where, cause: error });
}

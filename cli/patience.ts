/** Asking again while Temporal or a run's worker does not answer: a person is told once, and it ends after a stated time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { QueryNotRegisteredError, ServiceError } from '@temporalio/client';
import { EspalierError } from '../artifacts/errors.ts';

export interface Patience {
  /** Longer than a worker that was just killed is away. */
  readonly tellAfterMs: number;
  readonly endAfterMs: number;
}
export const PATIENCE: Patience = { tellAfterMs: 15_000, endAfterMs: 600_000 };

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 5_000;

export interface Asking {
  /** Given a line for the person who waits. */
  readonly tell: (line: string) => void;
  /** Nobody waits for an answer any more. */
  readonly signal?: AbortSignal | undefined;
  readonly patience?: Patience | undefined;
}

/** What `ask` answers. @throws the signal's reason as soon as it comes; what `ask` threw last, where time is up or asking again helps nothing */
export async function answerOf<T>(
  ask: () => Promise<T>,
  { tell, signal, patience: { tellAfterMs, endAfterMs } = PATIENCE }: Asking,
): Promise<T> {
  const end = Date.now() + endAfterMs;
  let isTold = false;
  const telling = setTimeout(() => {
    isTold = true;
    tell(`no answer from Temporal or the run's worker; asking on for ${Math.ceil(endAfterMs / 60_000)} min at most`);
  }, tellAfterMs);
  try {
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      try {
        signal?.throwIfAborted();
        const answer = await unlessAborted(ask(), signal);
        if (isTold) tell('it answers again');
        return answer;
      } catch (error) {
        if (signal?.aborted === true || Date.now() > end || !isAway(error)) throw error;
        await sleep(pauseMs, undefined, signal === undefined ? {} : { signal }).catch(() => undefined);
      }
    }
  } finally {
    clearTimeout(telling);
  }
}

/** What `work` gives; rejects with the signal's reason as soon as it comes, whatever becomes of the work. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** gRPC's codes of a server that is there and refuses: it says the same to whoever asks again. */
const REFUSALS = { INVALID_ARGUMENT: 3, NOT_FOUND: 5, PERMISSION_DENIED: 7, UNIMPLEMENTED: 12, UNAUTHENTICATED: 16 };
const REFUSING: ReadonlySet<unknown> = new Set(Object.values(REFUSALS));

/** Whether it says nothing of the run or of who asks: server or worker did not answer. A query is not registered where no worker has the run yet. */
export function isAway(error: unknown): boolean {
  const said = error instanceof EspalierError && error.kind === 'TemporalUnavailable' ? error.cause : error;
  if (said instanceof QueryNotRegisteredError) return true;
  return said instanceof ServiceError && !REFUSING.has((said.cause as { readonly code?: unknown } | undefined)?.code);
}

/** Asking again while Temporal or a run's worker does not answer: a person is told once, and it ends after a stated time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { WorkflowFailedError } from '@temporalio/client';
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

/** What `ask` answers. @throws what it threw last, where time is up, the signal has come, or asking again helps nothing */
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
        const answer = await ask();
        if (isTold) tell('it answers again');
        return answer;
      } catch (error) {
        if (signal?.aborted === true || Date.now() > end || !isAway(error)) throw error;
        await sleep(pauseMs, undefined, signal === undefined ? {} : { signal });
      }
    }
  } finally {
    clearTimeout(telling);
  }
}

/** Whether it says nothing of the run: who was asked did not answer. */
export function isAway(error: unknown): boolean {
  if (error instanceof WorkflowFailedError) return false;
  if (!(error instanceof EspalierError)) return true;
  return error.kind === 'TemporalUnavailable' && !(error.cause instanceof WorkflowFailedError);
}

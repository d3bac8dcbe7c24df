/** The heartbeats of an attempt: that it lives, how far it is, and what the attempt after it must know. */
import type { Context } from '@temporalio/activity';
import type { Progress } from './contract.ts';

/** What every heartbeat says of all attempts by now, for the one after this. */
export interface Told {
  readonly ranSeconds: number;
  /** By machines of another class than the step asks for. */
  readonly refusals?: number;
  /** When the first of them was, by the clock of its worker. */
  readonly refusedSinceMs?: number;
  /** The run knows that a worker has begun. */
  readonly begunTold?: boolean;
}

interface Heart {
  progress(progress: Progress): void;
  /** What it said last, with what is told beside it now; nothing once it has stopped. */
  again(): void;
  stop(): void;
}

/** Beats every second whatever the step does (a cancellation comes with the answer), and at once when it reports progress. `also` is done at every beat. */
export function heart(context: Context, told?: () => Told, also?: () => void): Heart {
  let last: Progress = { phase: 'starting' };
  let stopped = false;
  const again = (): void => {
    if (!stopped) context.heartbeat({ ...last, ...told?.() });
  };
  const beat = (): void => {
    again();
    also?.();
  };
  const timer = setInterval(beat, 1000);
  return {
    progress(progress) {
      last = progress;
      beat();
    },
    again,
    stop() {
      stopped = true;
      clearInterval(timer);
    },
  };
}

/** Of the last heartbeat of the attempt before; whoever beat without it says nothing. */
export function toldBefore(details: unknown): Required<Told> {
  const beat: Partial<Told> = typeof details === 'object' && details !== null ? details : {};
  const told = (name: 'ranSeconds' | 'refusals' | 'refusedSinceMs'): number => {
    const value = beat[name];
    return typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0;
  };
  return {
    ranSeconds: told('ranSeconds'),
    refusals: told('refusals'),
    refusedSinceMs: told('refusedSinceMs'),
    begunTold: beat.begunTold === true,
  };
}

/** Times a model again where its machine was too busy to say anything. */
import { setTimeout as pause } from 'node:timers/promises';
import type { StepContext } from '../step.ts';
import { busyWords, saysNothing, type Timed } from './busy-machine.ts';

/** How long a machine is given to become quieter, and how often: half an hour in all. */
const PATIENCE = { tries: 30, pauseMs: 60_000 } as const;

/**
 * Measures until it says something, where a machine is busy a minute later again, for about half an hour: the last measurement
 * then, whatever it says. In place, since what an evaluation computed before would be computed again elsewhere.
 */
export async function timePatiently<Measured>(
  measure: () => Promise<Measured>,
  timedOf: (measured: Measured) => Timed,
  { signal, progress }: Pick<StepContext, 'signal' | 'progress'>,
  { tries, pauseMs }: { readonly tries: number; readonly pauseMs: number } = PATIENCE,
): Promise<Measured> {
  for (let left = tries; ; left--) {
    const measured = await measure();
    const timed = timedOf(measured);
    if (left <= 1 || !saysNothing(timed)) return measured;
    progress({ phase: 'waiting for a quieter moment', note: busyWords(timed.waitedShare) });
    await pause(pauseMs, undefined, { signal });
    progress({ phase: 'latency' });
  }
}

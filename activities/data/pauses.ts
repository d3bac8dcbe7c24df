/** Long work on this thread, in pieces: between them heartbeats go out, and a cancellation is seen. */
import { setImmediate as letOthersRun } from 'node:timers/promises';
import type { StepContext } from '../step.ts';

/** Characters between two pauses: well under a second of scanning. */
const PAUSE_CHARACTERS = 200_000;

export async function pause(signal?: AbortSignal): Promise<void> {
  await letOthersRun();
  signal?.throwIfAborted();
}

/** Characters between two pauses where texts are compared, which costs more than reading them. */
const COMPARED_CHARACTERS = 100_000;

/** To be told every text that was compared, and what that took where it was more than the text's length tells (in characters): pauses now and then. */
export function resting(signal?: AbortSignal): (text: string, work?: number) => Promise<void> | undefined {
  let characters = 0;
  return (text, work = 0) => {
    characters += text.length + work;
    if (characters < COMPARED_CHARACTERS) return undefined;
    characters = 0;
    return pause(signal);
  };
}

/** To be told every text that was read: pauses now and then, and says how many rows are done. */
export function breather(
  { progress, signal }: Pick<StepContext, 'progress' | 'signal'>,
  phase: string,
): (text: string, note?: string) => Promise<void> {
  let characters = 0;
  let rows = 0;
  return async (text, note) => {
    characters += text.length;
    rows += 1;
    if (characters < PAUSE_CHARACTERS) return;
    characters = 0;
    progress({ phase, done: rows, ...(note === undefined ? {} : { note }) });
    await pause(signal);
  };
}

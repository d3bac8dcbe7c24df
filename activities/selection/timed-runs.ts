/** Runs a model on one input after the other, for as long as its tail needs, and tells what each run took. */
import { openOwnClock } from './own-clock.ts';
import type { RunTime } from './own-time.ts';

const WARM_UP_RUNS = 20;
const LEAST_RUNS = 100;
const MOST_RUNS = 1000;
/** Runs go on for this long where they are fast, so that a short disturbance does not make the tail. */
const USUAL_MS = 3000;
/** A slow model gets fewer than `LEAST_RUNS` rather than hold up the run. */
const MOST_MS = 10_000;

export interface TimedRuns {
  /** At least one, in the order of the inputs, again and again. */
  readonly times: readonly RunTime[];
  readonly warmupRuns: number;
  /** Whether the machine told the runs' own times; else the clock counts. */
  readonly told: boolean;
}

/** `take`: gets the input at a place as a request holds it, untimed, and returns what takes it through the model to the answer. `after`: between runs, untimed. */
export async function timeRuns(
  inputs: number,
  take: (place: number) => Promise<() => Promise<unknown>>,
  after: () => void = () => undefined,
): Promise<TimedRuns> {
  const began = performance.now();
  const isOver = (runs: number, least: number): boolean => {
    const elapsedMs = performance.now() - began;
    return elapsedMs > MOST_MS || (runs >= least && elapsedMs > USUAL_MS);
  };
  const inTurn = (run: number): Promise<() => Promise<unknown>> => take(run % Math.max(1, inputs));
  let warmupRuns = 0;
  while (warmupRuns < WARM_UP_RUNS && !isOver(warmupRuns, WARM_UP_RUNS)) await (await inTurn(warmupRuns++))();
  const clock = openOwnClock();
  try {
    const times: RunTime[] = [];
    while (times.length < MOST_RUNS && (times.length === 0 || !isOver(times.length, LEAST_RUNS))) {
      const ask = await inTurn(times.length);
      const elapsed = clock.start();
      await ask();
      times.push(elapsed());
      after();
    }
    return { times, warmupRuns, told: clock.told() };
  } finally {
    clock.close();
  }
}

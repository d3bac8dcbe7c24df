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
  /** What the runs before these took. How busy a machine is shows in them, too: a starved one may leave a single run that nobody disturbed. */
  readonly warmUps: readonly RunTime[];
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
  const timed = async (isDone: (runs: number) => boolean, then: () => void = () => undefined): Promise<Timed> => {
    const clock = openOwnClock();
    try {
      const times: RunTime[] = [];
      while (!isDone(times.length)) {
        const ask = await inTurn(times.length);
        const elapsed = clock.start();
        await ask();
        times.push(elapsed());
        then();
      }
      return { times, told: clock.told() };
    } finally {
      clock.close();
    }
  };
  const warmUps = await timed((runs) => runs === WARM_UP_RUNS || isOver(runs, WARM_UP_RUNS));
  // A clock of its own: by now all threads have begun.
  const { times, told } = await timed((runs) => runs === MOST_RUNS || (runs > 0 && isOver(runs, LEAST_RUNS)), after);
  return { times, warmUps: warmUps.told ? warmUps.times : warmUps.times.map(byTheClock), told };
}

type Timed = Pick<TimedRuns, 'times' | 'told'>;

function byTheClock({ clockMs }: RunTime): RunTime {
  return { clockMs, ownMs: clockMs, leastMs: 0 };
}

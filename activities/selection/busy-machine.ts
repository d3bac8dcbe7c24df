/**
 * When a time says nothing because its machine had no core to spare: such a time is a bound from above, since what else a machine
 * does only adds. One under its limit has passed; one over it accuses nobody, and is taken again at a quieter moment (time-patiently.ts),
 * unless what the model computed shows that it is too slow on any (least-time.ts). Pure.
 */
import { EspalierError } from '../../artifacts/errors.ts';
import { areWithin, type Limited } from '../../pipelines/limits.ts';
import type { Latency, Score, TimeLimits } from '../contract/measures.ts';
import type { GeneratorProfile } from '../contract/prompting.ts';
import { plainScore } from '../validation/scores.ts';
import { leastMean } from './least-time.ts';

/**
 * Share of the time on the clock, waited for a core, beyond which own time no longer tells what a quiet machine would: after so many
 * waits the caches are cold, and no pass is quiet. Chosen by bench/gates-latency.ts (docs/benchmarks.md).
 */
export const MOST_WAITED = 0.85;

/** Times of one measurement. */
export interface Timed {
  readonly waitedShare: number | null;
  /** In milliseconds, each with the limit that it is held to; undefined where nobody set one. */
  readonly times: readonly Limited[];
  /** What a free machine takes at least, as far as that is known. */
  readonly least?: readonly Limited[];
}

/** Whether a machine was so busy that its times are no more than bounds from above. One that does not tell was timed by the clock. */
export function isBusy(waitedShare: number | null): boolean {
  return waitedShare !== null && waitedShare > MOST_WAITED;
}

/** Whether one of the times is over its limit, and nobody can say whether the model or the machine is to blame. */
export function saysNothing({ waitedShare, times, least = [] }: Timed): boolean {
  return isBusy(waitedShare) && !areWithin(times) && areWithin(least);
}

const WAY_OUT =
  'Start the run again when the machine has a free core: what is finished is reused, and this is timed anew';

/** What was reckoned from a time, not timed itself, is in no step's hands: nothing is timed anew for it. */
export const TIME_IT_ANEW = 'Start a run with --no-reuse when the machine has a free core';

/** What to say of a time of a busy machine that is over a limit. */
export function busyWords(waitedShare: number | null): string {
  return `the machine was busy: ${Math.round((waitedShare ?? 0) * 100)} % of the time the model stood ready and other work had the cores, and beyond ${MOST_WAITED * 100} % a time says no more than that the model takes no longer`;
}

/** Why a candidate is refused whose time, or what follows from it, was over a limit on a busy machine. */
export function untold(what: string, over: string, waitedShare: number | null, wayOut = WAY_OUT): string {
  return `Its ${what} was not measured: ${over}, but ${busyWords(waitedShare)}. ${wayOut}.`;
}

/** A time as gates judge it: of a busy machine it can pass, and fail where a free one would take longer than the limit, too. */
export function timeScore(
  ms: number,
  runs: number,
  { waitedShare, leastMs }: { readonly waitedShare: number | null; readonly leastMs?: number | undefined },
): Score {
  const score = plainScore(ms, runs);
  if (!isBusy(waitedShare)) return score;
  return {
    ...score,
    noMoreThan: `${busyWords(waitedShare)}. ${WAY_OUT}`,
    ...(leastMs === undefined ? {} : { noLessThan: leastMs }),
  };
}

/** Throws BusyMachine where a candidate would be refused for a time that says nothing: it is no fault of the candidate's. */
export function requireTold(timed: Timed): void {
  if (!saysNothing(timed)) return;
  throw new EspalierError('BusyMachine', `its time was not measured: ${busyWords(timed.waitedShare)}`, {
    where: 'selection',
    fix: 'give the worker of espalier-cpu a free core, or loosen the limit of time or cost, then retry the step',
    retryable: false, // it has been tried for half an hour
  });
}

/** Of one input. */
export function timedLatency(
  { waitedShare, p95Ms, meanMs, leastMs = 0 }: Pick<Latency, 'waitedShare' | 'p95Ms' | 'meanMs' | 'leastMs'>,
  limits: TimeLimits = {},
): Timed {
  return {
    waitedShare,
    times: [
      [p95Ms, limits.p95Ms],
      [meanMs, limits.meanMs],
    ],
    least: [
      [leastMs, limits.p95Ms],
      [leastMean(leastMs), limits.meanMs],
    ],
  };
}

/** Of a generator's answer. */
export function timedAnswer(
  {
    waitedShare,
    firstTokenMs,
    msPerToken,
    leastMs: { firstToken = 0, token = 0 } = {},
  }: Pick<GeneratorProfile, 'waitedShare' | 'firstTokenMs' | 'msPerToken' | 'leastMs'>,
  limits: TimeLimits = {},
): Timed {
  const times = [
    [firstTokenMs.p95, limits.firstTokenMs],
    [msPerToken.p50, limits.tokenMs],
  ] as const;
  const least = [
    [firstToken, limits.firstTokenMs],
    [token, limits.tokenMs],
  ] as const;
  return { waitedShare, times, least };
}

/** What decides a timed step's result: the limits that its times are held to later do not. */
export function withoutTimeLimits<Input extends { readonly timeLimits?: TimeLimits }>(input: Input): unknown {
  const { timeLimits: _, ...decides } = input;
  return decides;
}

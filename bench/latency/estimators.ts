/** Ways to a model's p95 from the same runs, to be compared. Pure. */
import { quietestPass } from '../../activities/selection/quietest-pass.ts';
import type { RunTime } from '../../activities/selection/own-time.ts';
import { quantile } from '../../activities/validation/statistics.ts';

/** Null: it cannot tell. */
export type Estimator = (times: readonly RunTime[], inputs: number) => number | null;

export const ESTIMATORS: Readonly<Record<string, Estimator>> = {
  'clock, all runs': (times) => p95(times.map(({ clockMs }) => clockMs)),
  'clock, quietest pass': (times, inputs) =>
    quietestPass(
      times.map(({ clockMs }) => clockMs),
      inputs,
    ).p95Ms,
  'undisturbed runs': (times) => p95(times.filter(isUndisturbed).map(({ clockMs }) => clockMs)),
  'undisturbed runs, as many of each input': (times, inputs) => {
    const kept = Array.from({ length: inputs }, (_, input) =>
      times.filter((time, run) => run % inputs === input && isUndisturbed(time)),
    );
    const least = Math.min(...kept.map(({ length }) => length));
    return p95(kept.flatMap((runs) => runs.slice(0, least).map(({ clockMs }) => clockMs)));
  },
  'own time, all runs': (times) => p95(times.map(({ ownMs }) => ownMs)),
  'own time, quietest pass': (times, inputs) =>
    quietestPass(
      times.map(({ ownMs }) => ownMs),
      inputs,
    ).p95Ms,
};

/** It never stood ready without a core. */
export function isUndisturbed({ clockMs, ownMs }: RunTime): boolean {
  return clockMs === ownMs;
}

function p95(times: readonly number[]): number | null {
  return times.length === 0
    ? null
    : quantile(
        times.toSorted((a, b) => a - b),
        0.95,
      );
}

/**
 * What a model takes at least, told from how long its runs computed: a machine without a core to spare makes a run wait, and that
 * is not computing. It makes it compute for longer, too (caches and memory are shared), and for that there is an allowance. Pure.
 */
import type { RunTime } from './own-time.ts';

/**
 * How many times longer a run may compute beside much other work than on a quiet machine: that many and not fewer, since the inputs may
 * cost alike, and then the quartile of a quiet machine is its p95, nearly. Of a small encoder, whose weights a quiet machine keeps in its
 * caches, this end of the quartile was up to 4.8 times that of a quiet one (docs/benchmarks.md).
 */
export const SLOWED = 6;
const QUARTILE = 0.25;
const CONFIDENCE = 0.975;

/**
 * Milliseconds that a quarter of the runs at most would be under on a free machine: the lower end of the one-sided interval of the
 * lower quartile (order statistics: Conover, Practical Nonparametric Statistics, 1999, 3.2), less the allowance. Median and p95 are no
 * less. undefined where nothing told own times, or the runs are too few (below 13).
 */
export function leastTime(times: readonly RunTime[], told: boolean): number | undefined {
  if (!told) return undefined;
  const rank = rankBelowQuartile(times.length);
  const ascending = times.map(({ leastMs }) => leastMs).toSorted((left, right) => left - right);
  return rank === 0 ? undefined : ascending[rank - 1]! / SLOWED;
}

/** No mean is less than what three quarters of the runs take at least: the others may have taken none. */
export function leastMean(leastMs: number): number {
  return (1 - QUARTILE) * leastMs;
}

/** The largest rank whose value is below the quartile with the confidence; 0 where none is. */
function rankBelowQuartile(runs: number): number {
  let chance = (1 - QUARTILE) ** runs;
  let below = 0;
  for (let rank = 0; ; rank++) {
    // Up to here: that no more than `rank` runs are below the quartile.
    below += chance;
    if (below > 1 - CONFIDENCE) return rank;
    chance *= ((runs - rank) / (rank + 1)) * (QUARTILE / (1 - QUARTILE));
  }
}

/** What a model takes, told from what else the machine did meanwhile. Pure. */
import type { Latency } from '../contract/measures.ts';
import { quantile } from '../validation/statistics.ts';

/** Of so many the 95th percentile is the fifth slowest; of few it is a matter of chance, and the lowest of several all the more. */
const LEAST_PASS_RUNS = 100;

/**
 * The figures of the pass with the lowest p95. A pass asks every input as often as the others do, so that passes differ by what
 * disturbed them alone, and a disturbance only adds time (Chen & Revels, Robust benchmarking in noisy environments, HPEC 2016). Few
 * inputs are asked several times a pass. Where the runs make up no two passes all of them count. `times`: in milliseconds, as they were asked
 * for one input after the other; at least one.
 */
export function quietestPass(
  times: readonly number[],
  inputs: number,
): Omit<Latency, 'runs' | 'warmupRuns' | 'waitedShare' | 'leastMs'> {
  const size = inputs * Math.ceil(LEAST_PASS_RUNS / inputs);
  const passes = Math.floor(times.length / size);
  const all =
    passes < 2 ? [times] : Array.from({ length: passes }, (_, pass) => times.slice(pass * size, (pass + 1) * size));
  return all
    .map((pass) => {
      const ascending = pass.toSorted((left, right) => left - right);
      return {
        p50Ms: quantile(ascending, 0.5),
        p95Ms: quantile(ascending, 0.95),
        meanMs: pass.reduce((sum, time) => sum + time, 0) / pass.length,
      };
    })
    .reduce((quietest, pass) => (pass.p95Ms < quietest.p95Ms ? pass : quietest));
}

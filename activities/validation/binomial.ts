/**
 * Binomial counts at a cost that does not grow with the trials: BTRS, transformed rejection with a squeeze (W. Hörmann, The
 * generation of binomial random variates, Journal of Statistical Computation and Simulation 46, 1993), and inversion of the
 * distribution function where the mean is below 10 (L. Devroye, Non-Uniform Random Variate Generation, 1986, X.4). Exact: the
 * draws are binomial, not normal. Pure.
 */
import type { Random } from './random.ts';

/** How many of `trials` succeed, each with this chance. Throws RangeError for what is no count or no chance. */
export function binomial(random: Random, trials: number, chance: number): number {
  if (!(Number.isSafeInteger(trials) && trials >= 0 && chance >= 0 && chance <= 1)) {
    throw new RangeError(`binomial: ${trials} trials at ${chance} is no experiment`);
  }
  if (trials === 0 || chance === 0) return 0;
  if (chance > 0.5) return trials - binomial(random, trials, 1 - chance);
  return trials * chance < 10 ? byInversion(random, trials, chance) : byRejection(random, trials, chance);
}

/** P(k + 1) is P(k) times a ratio, from P(0) on. */
function byInversion(random: Random, trials: number, chance: number): number {
  const odds = chance / (1 - chance);
  for (;;) {
    let term = Math.exp(trials * Math.log1p(-chance));
    let left = random.uniform();
    // A uniform so near 1 that rounding leaves some of it after the whole distribution is drawn again.
    for (let count = 0; count <= trials; count++) {
      if (left < term) return count;
      left -= term;
      term *= (odds * (trials - count)) / (count + 1);
    }
  }
}

function byRejection(random: Random, trials: number, chance: number): number {
  const deviation = Math.sqrt(trials * chance * (1 - chance));
  const b = 1.15 + 2.53 * deviation;
  const a = -0.0873 + 0.0248 * b + 0.01 * chance;
  const squeeze = 0.92 - 4.2 / b;
  const alpha = (2.83 + 5.1 / b) * deviation;
  const logOdds = Math.log(chance / (1 - chance));
  /** ln P(count), but for what is the same for every count. */
  const height = (count: number): number => count * logOdds - logFactorial(count) - logFactorial(trials - count);
  const highest = height(Math.floor((trials + 1) * chance));
  for (;;) {
    const u = random.uniform() - 0.5;
    const v = 1 - random.uniform(); // never 0, which has no logarithm
    const edge = 0.5 - Math.abs(u);
    const count = Math.floor(((2 * a) / edge + b) * u + trials * chance + 0.5);
    if (edge >= 0.07 && v <= squeeze) return count;
    if (!(count >= 0 && count <= trials)) continue;
    if (Math.log((v * alpha) / (a / (edge * edge) + b)) <= height(count) - highest) return count;
  }
}

/** ln n!: Stirling's series, whose first term left out is below 1e-10 from 10 on; the sum itself below. */
function logFactorial(n: number): number {
  if (n < SMALL.length) return SMALL[n]!;
  const square = n * n;
  const series = (1 / 12 - (1 / 360 - (1 / 1260 - 1 / 1680 / square) / square) / square) / n;
  return (n + 0.5) * Math.log(n) - n + 0.5 * Math.log(2 * Math.PI) + series;
}

const SMALL = Float64Array.from({ length: 10 }, (_, n) => {
  let log = 0;
  for (let factor = 2; factor <= n; factor++) log += Math.log(factor);
  return log;
});

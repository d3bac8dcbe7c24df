/**
 * What chance alone does to the difference of two models on the same rows. Resamples of few rows do not know it: of four rows that
 * one has right and the other has not, every resample says the same, and yet a coin falls so one time in sixteen. Pure and seeded.
 */
import type { Interval } from '../contract/measures.ts';
import type { Random } from './random.ts';
import { seededRandom } from './random.ts';
import { quantile, type BootstrapOptions } from './statistics.ts';
import { timeSlice } from './time-slice.ts';

/** Of its own: what is swapped must not hang together with what is resampled. */
const STREAM = 33;

/**
 * `value` give or take what approximate randomisation (E. W. Noreen, Computer-Intensive Methods for Testing Hypotheses, 1989; for F1
 * A. Yeh, COLING 2000) reaches in the outer `1 − confidence` of its draws: in each, the answers of the two models to a row change
 * sides by lot, so that an end beyond 0 is that test's rejection. As in Bonett and Price's interval a row won and a row lost are
 * added, so that it is no point where nothing differs. `swapped` is the difference of one draw; null where it is not finite.
 */
export async function swapInterval(
  value: number,
  rows: number,
  swapped: (random: Random) => number,
  { seed, resamples = 2000, confidence = 0.95, signal }: BootstrapOptions,
): Promise<Interval | null> {
  const random = seededRandom(seed, STREAM);
  const pause = timeSlice(signal);
  const values = new Float64Array(resamples);
  const side = (): number => 2 * random.below(2) - 1;
  for (let draw = 0; draw < resamples; draw++) {
    values[draw] = swapped(random) + (side() + side()) / rows;
    await pause();
  }
  if (!values.every(Number.isFinite)) return null;
  values.sort();
  const reach = Math.max(quantile(values, (1 + confidence) / 2), -quantile(values, (1 - confidence) / 2));
  return { low: Math.max(-1, value - reach), high: Math.min(1, value + reach), confidence };
}

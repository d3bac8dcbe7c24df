/**
 * What chance alone does to the difference of two models on the same rows. Resamples of few rows do not know it: of four rows that
 * one has right and the other has not, every resample says the same, and yet a coin falls so one time in sixteen. Pure and seeded.
 */
import type { Interval } from '../contract/measures.ts';
import { binomial } from './binomial.ts';
import { seededRandom } from './random.ts';
import type { BootstrapOptions } from './statistics.ts';
import { timeSlice } from './time-slice.ts';

/** Of its own: what is swapped must not hang together with what is resampled. */
const STREAM = 33;
/** Equal but for how a sum was rounded. */
const ROUNDING = 1e-9;

/** How many of so many rows change sides. */
export type Lot = (rows: number) => number;

export interface Swaps {
  /** Rows that the two models answer differently. */
  readonly differing: number;
  /** What one row more, of the label where a row counts most, changes of the difference. */
  readonly unit: number;
  /** The difference where the lot decides about each of these rows. */
  readonly swapped: (lot: Lot) => number;
}

/**
 * `value` give or take what approximate randomisation (E. W. Noreen, Computer-Intensive Methods for Testing Hypotheses, 1989; for F1
 * A. Yeh, COLING 2000) reaches in the outer `1 − confidence` of its draws: in each, the answers of the two models to a row change
 * sides by lot; where there are no more ways to swap them than draws, every way is looked at. As in Bonett and Price's interval a row
 * won and a row lost are added, so that it is no point where nothing differs. An end is beyond 0 only where that test rejects:
 * where more of the draws reach `value`, ties counted, the interval reaches as far as the next larger draw. null where a draw is not finite.
 */
export async function swapInterval(
  value: number,
  { differing, unit, swapped }: Swaps,
  { seed, resamples = 2000, confidence = 0.95, signal }: BootstrapOptions,
): Promise<Interval | null> {
  const random = seededRandom(seed, STREAM);
  const pause = timeSlice(signal);
  const ways = 2 ** differing;
  const draws = Math.min(ways, resamples);
  // The two rows that are added may be won, lost, or one of each.
  const values = new Float64Array(4 * draws);
  let reaching = 0;
  for (let draw = 0; draw < draws; draw++) {
    const one = swapped(ways <= resamples ? listed(draw) : (rows) => binomial(random, rows, 0.5));
    values.set([one - 2 * unit, one, one, one + 2 * unit], 4 * draw);
    reaching += Number(Math.abs(one) >= Math.abs(value) - ROUNDING);
    await pause();
  }
  if (!values.every(Number.isFinite)) return null;
  values.sort();
  // The least of them that so many do not exceed: between two of few levels lies none.
  const place = Math.ceil((values.length * (1 + confidence)) / 2) - 1;
  const outer = Math.max(values[place]!, -values[values.length - 1 - place]!);
  const further = values.find((level) => level > Math.abs(value) + ROUNDING) ?? Math.abs(value) + 2 * unit;
  const reach = reaching / draws > 1 - confidence + ROUNDING ? Math.max(outer, further) : outer;
  return { low: Math.max(-1, value - reach), high: Math.min(1, value + reach), confidence };
}

/** One way of all: a bit of its number for each row. */
function listed(way: number): Lot {
  let left = way;
  return (rows) => {
    let moved = 0;
    for (let row = 0; row < rows; row++) {
      moved += left & 1;
      left >>= 1;
    }
    return moved;
  };
}

/**
 * What a row of the rarest label is worth to macro-F1 once a row won and a row lost are added to it. `given`: rows of each label,
 * of those alone that the rows have.
 */
export function rarestUnit(given: readonly number[]): number {
  return 1 / (given.length * (given.reduce((least, rows) => Math.min(least, rows)) + 2));
}

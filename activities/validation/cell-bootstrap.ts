/**
 * The bootstrap of very many rows, at a cost that does not grow with them. A statistic of counts (a confusion matrix, rows won
 * and lost) sees of a resample only how many rows fell into each cell, and these counts are multinomial: they are drawn
 * themselves, cell by cell from the conditional binomials (L. Devroye, Non-Uniform Random Variate Generation, 1986, XI.1.4). The
 * interval is the one that drawing rows gives, but for the luck of the draw. Pure and seeded.
 */
import type { Interval } from '../contract/measures.ts';
import { binomial } from './binomial.ts';
import { seededRandom, type Random } from './random.ts';
import { quantile, type BootstrapOptions } from './statistics.ts';
import { timeSlice } from './time-slice.ts';

/** Up to here rows are drawn, beyond it their counts: 2000 resamples of so many rows take about a second. */
export const MOST_ROWS_DRAWN = 20_000;

/**
 * Percentile bootstrap interval (as `bootstrapInterval`) of a statistic of `counts`. `statistic` gets the counts of a resample,
 * as many rows over the same cells, valid only during the call. null where there are no rows, or a resample has no finite value.
 */
export async function bootstrapCounts(
  counts: ArrayLike<number>,
  statistic: (drawn: Uint32Array) => number,
  options: BootstrapOptions,
): Promise<Interval | null> {
  const { confidence = 0.95 } = options;
  const values = await resampledCounts(counts, statistic, options);
  if (values === null) return null;
  return {
    low: quantile(values, (1 - confidence) / 2),
    high: quantile(values, (1 + confidence) / 2),
    confidence,
  };
}

/** The statistic of each resample, ascending; null where there are no rows, or one is not finite. */
export async function resampledCounts(
  counts: ArrayLike<number>,
  statistic: (drawn: Uint32Array) => number,
  { seed, resamples = 2000, signal, stream = 0 }: BootstrapOptions & { readonly stream?: number },
): Promise<Float64Array | null> {
  const random = seededRandom(seed, stream);
  const pause = timeSlice(signal);
  const cells = Array.from(counts).flatMap((count, cell) => (count > 0 ? [cell] : []));
  if (cells.length === 0) return null;
  const drawn = new Uint32Array(counts.length);
  const values = new Float64Array(resamples);
  for (let resample = 0; resample < resamples; resample++) {
    drawCounts(random, counts, cells, drawn);
    const value = statistic(drawn);
    if (!Number.isFinite(value)) return null;
    values[resample] = value;
    await pause();
  }
  return values.sort();
}

function drawCounts(random: Random, counts: ArrayLike<number>, cells: readonly number[], drawn: Uint32Array): void {
  let rows = 0;
  for (const cell of cells) rows += counts[cell]!;
  let left = rows;
  for (const cell of cells) {
    // Of what is left to draw, by its share of the cells that are left.
    const count = rows === counts[cell] ? left : binomial(random, left, counts[cell]! / rows);
    drawn[cell] = count;
    left -= count;
    rows -= counts[cell]!;
  }
}

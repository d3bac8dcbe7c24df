/**
 * Statistics of the difference between two groups of one pooled sample. Each is built once from the pooled rows and then
 * asked about many groupings, so what does not depend on the grouping (sorting, features, totals) is done once. All are
 * symmetric in the two groups and grow with their difference; none needs a null distribution of its own: drift.ts
 * permutes the groups.
 */
import type { Random } from '../validation/random.ts';
import { quantile } from '../validation/statistics.ts';

/** One of the two groups: `rows` lists it (uint32), `member[row]` is 1 for its rows and 0 for the others'. */
export interface Grouping {
  readonly rows: Uint32Array;
  readonly member: Uint8Array;
}
export type GroupDifference = (grouping: Grouping) => number;

/**
 * Two-sample Kolmogorov–Smirnov distance, max |F − G|. With `tails`, Anderson & Darling's weight: the difference is
 * divided by its standard deviation √(H(1 − H)(1/n + 1/m)), H the pooled distribution, so that 5 % of blank texts at the
 * end of the distribution count like a difference in its middle ("Asymptotic Theory of Certain Goodness of Fit
 * Criteria", Annals of Mathematical Statistics 23(2), 1952).
 */
export function kolmogorovSmirnov(
  values: ArrayLike<number>,
  options: { readonly tails?: boolean } = {},
): GroupDifference {
  const total = values.length;
  const order = Uint32Array.from(values, (_, row) => row).sort((left, right) => values[left]! - values[right]!);
  // Where a run of equal values ends: the distribution functions are compared only there.
  const ends: number[] = [];
  for (let place = 0; place < total - 1; place++) {
    if (values[order[place]!] !== values[order[place + 1]!]) ends.push(place);
  }
  return ({ rows, member }) => {
    const here = rows.length;
    const there = total - here;
    let largest = 0;
    let seen = 0;
    let place = 0;
    for (const end of ends) {
      while (place <= end) seen += member[order[place++]!]!;
      const difference = Math.abs(seen / here - (place - seen) / there);
      const pooled = place / total;
      const scale = options.tails === true ? Math.sqrt(pooled * (1 - pooled) * (1 / here + 1 / there)) : 1;
      if (difference > largest * scale) largest = difference / scale;
    }
    return largest;
  };
}

/** The largest Kolmogorov–Smirnov distance over the columns of a row-major [rows, columns] array. */
export function largestColumnDistance(values: Float32Array, columns: number): GroupDifference {
  const rows = values.length / columns;
  const distances = Array.from({ length: columns }, (_, column) =>
    kolmogorovSmirnov(Float32Array.from({ length: rows }, (_row, row) => values[row * columns + column]!)),
  );
  return (grouping) => distances.reduce((largest, distance) => Math.max(largest, distance(grouping)), 0);
}

/** Pearson's χ² of homogeneity of two groups over categories 0 … categories − 1 (`chi2_contingency(correction=False)`). */
export function chiSquare(category: ArrayLike<number>, categories: number): GroupDifference {
  const totals = new Float64Array(categories);
  for (let row = 0; row < category.length; row++) totals[category[row]!]!++;
  const counts = new Float64Array(categories);
  return ({ rows }) => {
    counts.fill(0);
    for (const row of rows) counts[category[row]!]!++;
    const share = rows.length / category.length;
    let sum = 0;
    for (let index = 0; index < categories; index++) {
      const all = totals[index]!;
      if (all === 0) continue;
      const excess = counts[index]! - all * share;
      sum += (excess * excess) / (all * share) + (excess * excess) / (all * (1 - share));
    }
    return sum;
  };
}

/**
 * Of several labels a row: how often each applies in the two groups, Pearson's χ² of each label's two by two table, summed.
 * `decided`: 0 or 1, row-major [rows, labels].
 */
export function labelRates(decided: Uint8Array, labels: number): GroupDifference {
  const columns = Array.from({ length: labels }, (_, label) =>
    chiSquare(
      Uint8Array.from({ length: decided.length / labels }, (_row, row) => decided[row * labels + label]!),
      2,
    ),
  );
  return (grouping) => columns.reduce((sum, difference) => sum + difference(grouping), 0);
}

/** cos and sin of 128 directions: the kernel's error, about 1/√128 a pair, averages out over the rows of a group. */
const FREQUENCIES = 128;

/**
 * Maximum mean discrepancy under a Gaussian kernel (Gretton et al., "A Kernel Two-Sample Test", JMLR 13, 2012) by random
 * Fourier features (Rahimi & Recht, NIPS 2007; the paired cos/sin form of Sutherland & Schneider, UAI 2015): the distance
 * of the groups' mean features. Linear in the rows. The bandwidth is the median distance of pooled rows, which does not
 * know the groups, so that permuting them stays exact. `embeddings`: row-major [rows, dimension].
 */
export async function kernelDistance(
  embeddings: Float32Array,
  dimension: number,
  random: Random,
  pause: () => Promise<void> | undefined,
): Promise<GroupDifference> {
  const total = embeddings.length / dimension;
  const bandwidth = medianDistance(embeddings, dimension, random);
  const directions = Float64Array.from({ length: FREQUENCIES * dimension }, () => random.normal() / bandwidth);
  const width = 2 * FREQUENCIES;
  const features = new Float32Array(total * width);
  const sums = new Float64Array(width);
  for (let row = 0; row < total; row++) {
    for (let frequency = 0; frequency < FREQUENCIES; frequency++) {
      let angle = 0;
      for (let axis = 0; axis < dimension; axis++) {
        angle += embeddings[row * dimension + axis]! * directions[frequency * dimension + axis]!;
      }
      features[row * width + 2 * frequency] = Math.cos(angle);
      features[row * width + 2 * frequency + 1] = Math.sin(angle);
    }
    for (let feature = 0; feature < width; feature++) sums[feature]! += features[row * width + feature]!;
    await pause();
  }
  const inside = new Float64Array(width);
  return ({ rows }) => {
    inside.fill(0);
    for (const row of rows) {
      const start = row * width;
      for (let feature = 0; feature < width; feature++) inside[feature]! += features[start + feature]!;
    }
    let squares = 0;
    for (let feature = 0; feature < width; feature++) {
      const difference = inside[feature]! / rows.length - (sums[feature]! - inside[feature]!) / (total - rows.length);
      squares += difference * difference;
    }
    return Math.sqrt(squares / FREQUENCIES);
  };
}

/** Median Euclidean distance of 1000 random pairs of rows that differ (1 when none do). */
function medianDistance(embeddings: Float32Array, dimension: number, random: Random): number {
  const rows = embeddings.length / dimension;
  const distances: number[] = [];
  for (let pair = 0; pair < 1000; pair++) {
    const left = random.below(rows) * dimension;
    const right = random.below(rows) * dimension;
    let squares = 0;
    for (let axis = 0; axis < dimension; axis++) squares += (embeddings[left + axis]! - embeddings[right + axis]!) ** 2;
    if (squares > 0) distances.push(Math.sqrt(squares));
  }
  return distances.length === 0
    ? 1
    : quantile(
        distances.sort((left, right) => left - right),
        0.5,
      );
}

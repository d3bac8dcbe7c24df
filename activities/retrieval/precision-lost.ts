/**
 * By what share some pictures are ranked for worse than others of the same labels. Recall@k counts a neighbour that k places hit by luck
 * as a find; average precision sees every place. It is compared on a logarithmic scale, the geometric mean against the geometric mean
 * (GMAP: S. Robertson, On GMAP and other transformations, CIKM 2006), within each label: which labels are common, or hard, is no loss. Pure.
 */
import type { Score } from '../contract/measures.ts';
import { notMeasured } from '../validation/scores.ts';
import { normalQuantile } from '../validation/statistics.ts';
import { studentQuantile } from '../validation/student.ts';

export interface RankedPictures {
  /** Above 0, one a picture. */
  readonly averagePrecision: ArrayLike<number>;
  readonly classes: Int32Array;
}

export interface PrecisionOptions {
  /** By class: `precisionByLuck`. */
  readonly luck: ArrayLike<number>;
  readonly confidence?: number;
}

/** How often a loss is to be shown that is said to be seen. */
const SEEN = 0.95;

/**
 * Mean average precision of a gallery in random order, by class; NaN of one that the gallery lacks. Y. Bestgen, Exact expected average precision of the random
 * baseline for system evaluation, The Prague Bulletin of Mathematical Linguistics 103, 2015.
 */
export function precisionByLuck(classes: Int32Array, labels: number): Float64Array {
  const rows = classes.length;
  const counts = new Float64Array(labels);
  for (const label of classes) counts[label]!++;
  let harmonic = 0;
  for (let rank = 1; rank <= rows; rank++) harmonic += 1 / rank;
  return counts.map((relevant) => {
    if (relevant === 0) return Number.NaN;
    return relevant === rows ? 1 : (relevant - 1 + (harmonic / rows) * (rows - relevant)) / (rows - 1);
  });
}

/**
 * The share by which average precision is lower for the second than for the first, over labels that both have: 1 − e^−g, where g is the
 * difference of log average precision with an effect of each label (least squares), −1 where the second have twice as much or more. Its interval is Student's with the variance that
 * holds where the sides vary unequally (HC2: MacKinnon & White, Journal of Econometrics 29(3), 1985), and one picture more on each
 * side that is wholly lost or found: sides that are all alike do not shrink it to a point. `rows` counts the second's.
 */
export function precisionLost(
  first: RankedPictures,
  second: RankedPictures,
  { luck, confidence = 0.95 }: PrecisionOptions,
): Score {
  const sides = [first, second].map(({ averagePrecision, classes }) => {
    return { logs: Float64Array.from(averagePrecision, Math.log), classes };
  });
  const labels = new Map<number, Label>();
  for (const [side, { logs, classes }] of sides.entries()) {
    for (const [at, label] of classes.entries()) {
      const of = labels.get(label) ?? { rows: [0, 0], sums: [0, 0] };
      labels.set(label, of);
      of.rows[side]!++;
      of.sums[side]! += logs[at]!;
    }
  }
  for (const [label, { rows }] of labels) if (rows[0] === 0 || rows[1] === 0) labels.delete(label);
  const counts = [0, 1].map((side) => [...labels.values()].reduce((sum, { rows }) => sum + rows[side]!, 0));
  const [others, rows] = [counts[0]!, counts[1]!];
  if (rows < 2 || others < 2) return notMeasured('no label has pictures on both sides: there is nothing to compare');
  let [weight, weighted, usual] = [0, 0, 0];
  for (const [
    label,
    {
      rows: [a, b],
      sums,
    },
  ] of labels) {
    const own = (a * b) / (a + b);
    weight += own;
    weighted += own * (sums[0] / a - sums[1] / b);
    usual += (b / rows) * (sums[0] / a - Math.log(luck[label]!));
  }
  const gap = weighted / weight;
  // What a picture loses that is ranked for by chance; where chance is no worse, nothing.
  const all = Math.max(0, usual);
  let squares = 0;
  for (const [side, { logs, classes }] of sides.entries()) {
    for (const [at, label] of classes.entries()) {
      const of = labels.get(label);
      if (of === undefined) continue;
      const [a, b] = of.rows;
      const lever = side === 0 ? -b / (a + b) : a / (a + b);
      const residual = logs[at]! - (of.sums[0] + of.sums[1]) / (a + b) + gap * lever;
      const leverage = 1 / (a + b) + lever ** 2 / weight;
      if (leverage < 1) squares += (lever * residual) ** 2 / (1 - leverage);
    }
  }
  const variance = squares / weight ** 2 + (all / others) ** 2 + (all / rows) ** 2;
  const beyond = studentQuantile((1 + confidence) / 2, Math.min(others, rows) - 1);
  const half = beyond * Math.sqrt(variance);
  const lost = (log: number): number => Math.max(-1, 1 - Math.exp(-log));
  // A loss by lot, some pictures wholly and others not at all, varies most: by a quarter of all that can be lost, squared.
  const blurred = (beyond + normalQuantile(SEEN)) * Math.sqrt(variance + all ** 2 / 4 / rows);
  return {
    value: lost(gap),
    interval: { low: lost(gap - half), high: lost(gap + half), confidence },
    rows,
    resolution: { beyond: lost(blurred), most: lost(all) },
  };
}

/** Of the first and of the second pictures. */
interface Label {
  readonly rows: [number, number];
  readonly sums: [number, number];
}

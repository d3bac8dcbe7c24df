/**
 * Means of two sets of pictures beside each other where their labels are mixed otherwise: a plain difference would say which labels are
 * common, not what a model does worse. The first set is weighted to the second's mix (post-stratification). Pure.
 */
import type { Score } from '../contract/measures.ts';
import { NO_SCORE, notMeasured } from '../validation/scores.ts';
import { normalQuantile } from '../validation/statistics.ts';

/** One figure a picture, of 0–1, and the picture's label. */
export interface LabelledFigures {
  readonly figures: Float64Array;
  readonly classes: Int32Array;
}

/** Those that have a figure: of a label that the gallery has nothing else of there is none. */
export function defined({ figures, classes }: LabelledFigures): LabelledFigures {
  return { figures: figures.filter(Number.isFinite), classes: classes.filter((_, at) => Number.isFinite(figures[at])) };
}

/**
 * Mean of the first minus mean of the second, over labels that both have, each label with its share of the second. The interval is
 * `meanDifference`'s (the same where the mix is): a picture of 0 and one of 1 are added to each side, and pictures that
 * weigh unequally count as as many equal ones as vary as much (Kish's effective sample size).
 */
export function differenceInOneMix(first: LabelledFigures, second: LabelledFigures, confidence = 0.95): Score {
  if (first.figures.length === 0 || second.figures.length === 0) return NO_SCORE;
  const [of, held] = [countsOf(first.classes), countsOf(second.classes)];
  const [ours, theirs] = [keptOf(first, held), keptOf(second, of)];
  const rows = theirs.figures.length;
  if (rows === 0) return notMeasured('no label has pictures on both sides: there is nothing to set beside each other');
  const weights = Float64Array.from(ours.classes, (label) => held.get(label)! / of.get(label)! / rows);
  const [a, b] = [momentsOf(ours.figures, weights), momentsOf(theirs.figures, new Float64Array(rows).fill(1 / rows))];
  const half = normalQuantile((1 + confidence) / 2) * Math.sqrt(a.variance + b.variance);
  const centre = a.centre - b.centre;
  const interval = { low: Math.max(-1, centre - half), high: Math.min(1, centre + half), confidence };
  return { value: a.mean - b.mean, interval, rows };
}

function countsOf(classes: Int32Array): ReadonlyMap<number, number> {
  const counts = new Map<number, number>();
  for (const label of classes) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}

function keptOf({ figures, classes }: LabelledFigures, labels: ReadonlyMap<number, number>): LabelledFigures {
  return {
    figures: figures.filter((_, at) => labels.has(classes[at]!)),
    classes: classes.filter((label) => labels.has(label)),
  };
}

/** Weighted mean, weights summing to 1; and, with a 0 and a 1 added, the mean and its variance. */
function momentsOf(figures: Float64Array, weights: Float64Array) {
  const sum = (of: (figure: number, weight: number) => number): number =>
    figures.reduce((total, figure, at) => total + of(figure, weights[at]!), 0);
  const mean = sum((figure, weight) => weight * figure);
  const count = 1 / sum((_, weight) => weight ** 2);
  const centre = (count * mean + 1) / (count + 2);
  const around = sum((figure, weight) => weight * (figure - centre) ** 2);
  const squares = count * around + centre ** 2 + (1 - centre) ** 2;
  return { mean, centre, variance: squares / (count + 1) / (count + 2) };
}

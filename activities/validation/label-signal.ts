/**
 * Whether labels have anything to do with their rows: a permutation test (Ojala & Garriga, Permutation Tests for Studying
 * Classifier Performance, Journal of Machine Learning Research 11, 2010). A simple classifier on frozen embeddings learns
 * the training labels, and shuffled ones; what it knows of held-out rows from the real ones must be more than from any
 * shuffled ones. Pure.
 */
import type { Score } from '../contract/measures.ts';
import { normaliseRows, type LabelledEmbeddings } from '../selection/knn.ts';
import { sampleIndices, seededRandom, shuffleStart } from './random.ts';
import { timeSlice } from './time-slice.ts';

/** 99 shufflings: labels without meaning do as well as the best of them one time in 100, and a little oftener by ties. */
export const SHUFFLES = 99;
/** Held-out rows that each of them is asked: with more, accuracy is no longer known visibly better. */
const HELD_ROWS = 2000;

export interface LabelSignal {
  /** Held-out accuracy learnt from the labels, minus the highest learnt from shuffled ones. */
  readonly score: Score;
  readonly accuracy: number;
  /** Mean over the shufflings: what chance gives. */
  readonly chance: number;
}

export async function labelSignal(
  train: LabelledEmbeddings,
  held: LabelledEmbeddings,
  options: {
    readonly dimension: number;
    readonly classes: number;
    readonly seed: number;
    readonly signal?: AbortSignal;
  },
): Promise<LabelSignal | null> {
  const { dimension, classes, seed } = options;
  if (held.classes.length === 0 || train.classes.length === 0) return null;
  const known = normaliseRows(train.embeddings, dimension);
  const all = normaliseRows(held.embeddings, dimension);
  const chosen = sampleIndices(held.classes.length, HELD_ROWS, seededRandom(seed, 16));
  const rows = chosen.length;
  const asked = new Float64Array(rows * dimension);
  for (const [at, row] of chosen.entries())
    asked.set(all.subarray(row * dimension, (row + 1) * dimension), at * dimension);
  const truth = Int32Array.from(chosen, (row) => held.classes[row]!);
  const pause = timeSlice(options.signal);
  const random = seededRandom(seed, 12);
  const accuracyOf = (labels: ArrayLike<number>): number =>
    nearestCentroidAccuracy(known, labels, asked, truth, dimension, classes);
  const accuracy = accuracyOf(train.classes);
  const shuffled: number[] = [];
  for (let shuffle = 0; shuffle < SHUFFLES; shuffle++) {
    const labels = Uint32Array.from(train.classes);
    shuffleStart(labels, labels.length, random);
    shuffled.push(accuracyOf(labels));
    await pause();
  }
  return {
    score: { value: accuracy - Math.max(...shuffled), interval: null, rows },
    accuracy,
    chance: shuffled.reduce((sum, one) => sum + one, 0) / SHUFFLES,
  };
}

/** By the nearest mean of a class (Rocchio): learnt in one pass, so that it can be learnt often. */
function nearestCentroidAccuracy(
  known: Float64Array,
  labels: ArrayLike<number>,
  asked: Float64Array,
  truth: Int32Array,
  dimension: number,
  classes: number,
): number {
  const centroids = new Float64Array(classes * dimension);
  const counts = new Uint32Array(classes);
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row]!;
    counts[label]!++;
    for (let at = 0; at < dimension; at++) centroids[label * dimension + at]! += known[row * dimension + at]!;
  }
  for (let place = 0; place < centroids.length; place++) centroids[place]! /= counts[Math.floor(place / dimension)]!;
  // Nearest is where the product with the mean, less half the mean's square, is largest: the row's own square is the same for all.
  const halfSquares = Float64Array.from(counts, (_, label) => {
    let sum = 0;
    for (let at = 0; at < dimension; at++) sum += centroids[label * dimension + at]! ** 2;
    return sum / 2;
  });
  let right = 0;
  for (const [row, expected] of truth.entries()) {
    let [best, closest] = [-1, Number.NEGATIVE_INFINITY];
    for (let label = 0; label < classes; label++) {
      if (counts[label] === 0) continue;
      let closeness = -halfSquares[label]!;
      for (let at = 0; at < dimension; at++) {
        closeness += asked[row * dimension + at]! * centroids[label * dimension + at]!;
      }
      if (closeness > closest) [best, closest] = [label, closeness];
    }
    if (best === expected) right++;
  }
  return right / truth.length;
}

/**
 * Whether labels have anything to do with their rows: a permutation test (Ojala & Garriga, Permutation Tests for Studying
 * Classifier Performance, Journal of Machine Learning Research 11, 2010). A simple classifier on frozen embeddings learns
 * the training labels, and shuffled ones; what it knows of held-out rows from the real ones must be more than from any
 * shuffled ones. Pure.
 */
import type { Score } from '../contract/measures.ts';
import { normaliseRows, type LabelledEmbeddings } from '../selection/knn.ts';
import { seededRandom, shuffleStart } from './random.ts';
import { timeSlice } from './time-slice.ts';

/** 39 shufflings: labels without meaning beat all of them one time in 40. */
const SHUFFLES = 39;

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
  const rows = held.classes.length;
  if (rows === 0 || train.classes.length === 0) return null;
  const [known, asked] = [normaliseRows(train.embeddings, dimension), normaliseRows(held.embeddings, dimension)];
  const pause = timeSlice(options.signal);
  const random = seededRandom(seed, 12);
  const accuracyOf = (labels: ArrayLike<number>): number =>
    nearestCentroidAccuracy(known, labels, asked, held.classes, dimension, classes);
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
  let right = 0;
  for (const [row, expected] of truth.entries()) {
    let [best, nearest] = [-1, Number.POSITIVE_INFINITY];
    for (let label = 0; label < classes; label++) {
      if (counts[label] === 0) continue;
      let distance = 0;
      for (let at = 0; at < dimension; at++) {
        distance += (asked[row * dimension + at]! - centroids[label * dimension + at]!) ** 2;
      }
      if (distance < nearest) [best, nearest] = [label, distance];
    }
    if (best === expected) right++;
  }
  return right / truth.length;
}

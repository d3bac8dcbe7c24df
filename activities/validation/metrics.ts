/**
 * Classification metrics from a confusion matrix: uint32 [classes, classes] row-major, rows = true class, columns =
 * predicted class. The figures are scikit-learn's with its defaults, but for what it calls 0 and warns about: a ratio
 * whose denominator is 0 is null here.
 */
import type { LabelScore } from '../contract/validation.ts';

/** Counts the (true, predicted) pairs, of all rows or of the drawn `indices` alone (a row may be drawn twice). */
export function confusionMatrix(
  expected: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
  indices?: Uint32Array,
): Uint32Array {
  const counts = new Uint32Array(classes * classes);
  const rows = indices?.length ?? expected.length;
  for (let place = 0; place < rows; place++) {
    const row = indices === undefined ? place : indices[place]!;
    counts[expected[row]! * classes + predicted[row]!]!++;
  }
  return counts;
}

/** The matrix as nested rows, for records. */
export function confusionRows(confusion: Uint32Array, classes: number): number[][] {
  return Array.from({ length: classes }, (_, row) => [...confusion.subarray(row * classes, (row + 1) * classes)]);
}

/** Share of rows on the diagonal; NaN without rows. */
export function accuracy(expected: ArrayLike<number>, predicted: ArrayLike<number>): number {
  return countCorrect(expected, predicted) / expected.length;
}

export function countCorrect(expected: ArrayLike<number>, predicted: ArrayLike<number>): number {
  let correct = 0;
  for (let row = 0; row < expected.length; row++) if (expected[row] === predicted[row]) correct++;
  return correct;
}

/** F1 of every class, 2·TP / (2·TP + FP + FN); NaN for a class that is neither a true nor a predicted label of any row. */
export function f1Scores(confusion: Uint32Array, classes: number): Float64Array {
  const scores = new Float64Array(classes);
  for (let label = 0; label < classes; label++) {
    let inTruth = 0;
    let inPrediction = 0;
    for (let other = 0; other < classes; other++) {
      inTruth += confusion[label * classes + other]!;
      inPrediction += confusion[other * classes + label]!;
    }
    scores[label] = (2 * confusion[label * classes + label]!) / (inTruth + inPrediction);
  }
  return scores;
}

/** Mean F1 over the classes that occur as a true or a predicted label (`f1_score(average='macro')`); NaN without rows. */
export function macroF1(confusion: Uint32Array, classes: number): number {
  const occurring = f1Scores(confusion, classes).filter((score) => !Number.isNaN(score));
  return occurring.reduce((sum, score) => sum + score, 0) / occurring.length;
}

/** Mean F1 over the labels that some row has (`support`), whichever are answered: one set for any two models. NaN where no row has one. */
export function meanF1(f1: Float64Array, support: ArrayLike<number>): number {
  const given = f1.filter((_, label) => support[label]! > 0);
  return given.reduce((sum, score) => sum + score, 0) / given.length;
}

/** Labels that some row has. */
export function givenLabels(support: ArrayLike<number>): readonly number[] {
  return Array.from(support, (_, label) => label).filter((label) => support[label]! > 0);
}

/** Rows of each label. */
export function supportOf(confusion: Uint32Array, classes: number): Uint32Array {
  return Uint32Array.from({ length: classes }, (_, label) =>
    confusion.subarray(label * classes, (label + 1) * classes).reduce((sum, rows) => sum + rows, 0),
  );
}

/** The smallest F1 of a class that occurs; NaN without rows. */
export function worstLabelF1(confusion: Uint32Array, classes: number): number {
  const occurring = f1Scores(confusion, classes).filter((score) => !Number.isNaN(score));
  return occurring.length === 0 ? Number.NaN : Math.min(...occurring);
}

/**
 * One row a label. precision is null for a label never predicted, recall for one without test rows, F1 for one that is
 * neither: no figure is invented for them.
 */
export function labelScores(confusion: Uint32Array, labels: readonly string[]): LabelScore[] {
  const classes = labels.length;
  const f1 = f1Scores(confusion, classes);
  return labels.map((label, index) => {
    const correct = confusion[index * classes + index]!;
    const others = labels.map((_, other) => other);
    const support = others.reduce((sum, other) => sum + confusion[index * classes + other]!, 0);
    const predicted = others.reduce((sum, other) => sum + confusion[other * classes + index]!, 0);
    return {
      label,
      precision: finiteOrNull(correct / predicted),
      recall: finiteOrNull(correct / support),
      f1: finiteOrNull(f1[index]!),
      support,
    };
  });
}

/** Index of the largest number of each row of a row-major [rows, classes] array (the first of equals); −1 where none is a number. */
export function argmaxRows(values: Float32Array, classes: number): Int32Array {
  const best = new Int32Array(values.length / classes);
  for (let row = 0; row < best.length; row++) {
    let index = -1;
    for (let column = 0; column < classes; column++) {
      const value = values[row * classes + column]!;
      if (!Number.isNaN(value) && (index === -1 || value > values[row * classes + index]!)) index = column;
    }
    best[row] = index;
  }
  return best;
}

/** NaN and infinities become null: a number that could not be had must not look like one. */
export function finiteOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}

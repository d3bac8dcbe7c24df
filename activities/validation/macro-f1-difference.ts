/** Macro-F1 of two models on the same rows, and what lies between them. Pure. */
import type { Score } from '../contract/measures.ts';
import type { PairedScore } from '../contract/validation.ts';
import { bootstrapCounts } from './cell-bootstrap.ts';
import { widest } from './f1-limits.ts';
import { confusionMatrix, f1Scores as f1OfEach, finiteOrNull, givenLabels } from './metrics.ts';
import { f1Scores, NO_SCORE } from './scores.ts';
import type { BootstrapOptions } from './statistics.ts';
import { rarestUnit, swapInterval } from './swapped-answers.ts';

export async function macroF1Difference(
  expected: Int32Array,
  before: Int32Array,
  after: Int32Array,
  classes: number,
  options: BootstrapOptions,
): Promise<PairedScore> {
  return {
    production: (await f1Scores({ expected, predicted: before }, classes, options, 'given')).macroF1,
    candidate: (await f1Scores({ expected, predicted: after }, classes, options, 'given')).macroF1,
    difference: await macroF1Gain(expected, before, after, classes, options),
  };
}

/**
 * Macro-F1 of `after` minus that of `before`, over the labels that the rows have, of a draw those that it has: one set for both models.
 * Were it each model's own (labels given or answered), one wrong answer of a label that no row has would count against all labels,
 * though it costs no more than any other wrong answer; were a label that a draw lacks counted as 0, each would look worse than it is.
 * The wider of two intervals: by paired bootstrap (the same rows are drawn for both), and of answers that change sides by lot
 * (`swapInterval`). By bootstrap alone an end was beyond the truth in up to 5.0 % of simulated draws (bench/macro-f1-gains.ts).
 */
export async function macroF1Gain(
  expected: Int32Array,
  before: Int32Array,
  after: Int32Array,
  classes: number,
  options: BootstrapOptions,
): Promise<Score> {
  const rows = expected.length;
  if (rows === 0) return NO_SCORE;
  const cells = countCells(expected, before, after, classes);
  const given = new Uint32Array(classes);
  for (const label of expected) given[label]!++;
  const difference = differenceOf(cells, classes);
  const value = difference(cells.rows);
  const swaps = new Uint32Array(cells.rows.length);
  const differing = [...swaps.keys()].filter((cell) => cells.before[cell] !== cells.after[cell]);
  const swapped = await swapInterval(
    value,
    {
      differing: differing.reduce((sum, cell) => sum + cells.rows[cell]!, 0),
      unit: rarestUnit(givenLabels(given).map((label) => given[label]!)),
      swapped: (lot) => {
        for (const cell of differing) swaps[cell] = lot(cells.rows[cell]!);
        return difference(cells.rows, swaps);
      },
    },
    options,
  );
  const resampled = await bootstrapCounts(cells.rows, (drawn) => difference(drawn), options);
  return { value: finiteOrNull(value), interval: widest(resampled, swapped), rows };
}

/** Labels whose F1 `after` loses, the largest loss first. */
export function labelsLost(
  expected: Int32Array,
  before: Int32Array,
  after: Int32Array,
  classes: number,
): readonly number[] {
  const of = (predicted: Int32Array): Float64Array => f1OfEach(confusionMatrix(expected, predicted, classes), classes);
  return labelsByLoss(of(before), of(after));
}

/** The same of F1s, NaN where a label is neither given nor predicted: nothing is lost there. */
export function labelsByLoss(before: Float64Array, after: Float64Array): readonly number[] {
  const loss = (label: number): number => before[label]! - after[label]!;
  return [...before.keys()].filter((label) => loss(label) > 0).toSorted((a, b) => loss(b) - loss(a));
}

/** How many rows have this label and these two answers: few of the cells have any, however many the rows are. */
interface Cells {
  readonly truth: readonly number[];
  readonly before: readonly number[];
  readonly after: readonly number[];
  readonly rows: readonly number[];
}

function countCells(expected: Int32Array, before: Int32Array, after: Int32Array, classes: number): Cells {
  const counts = new Map<number, number>();
  for (let row = 0; row < expected.length; row++) {
    const cell = (expected[row]! * classes + before[row]!) * classes + after[row]!;
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
  }
  const cells = [...counts.keys()];
  return {
    truth: cells.map((cell) => Math.floor(cell / (classes * classes))),
    before: cells.map((cell) => Math.floor(cell / classes) % classes),
    after: cells.map((cell) => cell % classes),
    rows: [...counts.values()],
  };
}

/** Of `rows` of each cell, and of them how many have their answers swapped; over the labels that these rows have. */
function differenceOf({ truth, before, after }: Cells, classes: number) {
  const given = new Uint32Array(classes);
  const [old, young] = [tally(classes), tally(classes)];
  return (rows: ArrayLike<number>, swapped?: ArrayLike<number>): number => {
    given.fill(0);
    old.clear();
    young.clear();
    for (let cell = 0; cell < truth.length; cell++) {
      const moved = swapped?.[cell] ?? 0;
      const stay = rows[cell]! - moved;
      const [label, first, second] = [truth[cell]!, before[cell]!, after[cell]!];
      given[label]! += rows[cell]!;
      old.add(label, first, stay);
      old.add(label, second, moved);
      young.add(label, second, stay);
      young.add(label, first, moved);
    }
    return young.macroF1(given) - old.macroF1(given);
  };
}

/** What macro-F1 needs of one model's answers: a confusion matrix of a thousand labels would have a million cells. */
function tally(classes: number) {
  const [right, answered] = [new Uint32Array(classes), new Uint32Array(classes)];
  return {
    clear() {
      right.fill(0);
      answered.fill(0);
    },
    add(label: number, answer: number, rows: number) {
      answered[answer]! += rows;
      if (answer === label) right[label]! += rows;
    },
    macroF1(given: Uint32Array): number {
      let [sum, labels] = [0, 0];
      for (let label = 0; label < classes; label++) {
        if (given[label] === 0) continue;
        sum += (2 * right[label]!) / (given[label]! + answered[label]!);
        labels += 1;
      }
      return sum / labels;
    },
  };
}

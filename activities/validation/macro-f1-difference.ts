/** Macro-F1 of two models on the same rows, and what lies between them. Pure. */
import type { Interval } from '../contract/measures.ts';
import type { PairedScore } from '../contract/validation.ts';
import { bootstrapCounts, MOST_ROWS_DRAWN } from './cell-bootstrap.ts';
import { confusionMatrix, finiteOrNull, macroF1 } from './metrics.ts';
import { f1Scores } from './scores.ts';
import { bootstrapInterval, type BootstrapOptions } from './statistics.ts';

/** By paired bootstrap: the same rows are drawn for both. Without an interval where both answer every row alike. */
export async function macroF1Difference(
  expected: Int32Array,
  before: Int32Array,
  after: Int32Array,
  classes: number,
  options: BootstrapOptions,
): Promise<PairedScore> {
  const rows = expected.length;
  const of = (predicted: Int32Array, indices?: Uint32Array): number =>
    macroF1(confusionMatrix(expected, predicted, classes, indices), classes);
  const differ = before.some((predicted, row) => predicted !== after[row]);
  const interval = (): Promise<Interval | null> =>
    rows > MOST_ROWS_DRAWN
      ? intervalByCounts(expected, before, after, classes, options)
      : bootstrapInterval(rows, (drawn) => of(after, drawn) - of(before, drawn), options);
  return {
    production: (await f1Scores({ expected, predicted: before }, classes, options)).macroF1,
    candidate: (await f1Scores({ expected, predicted: after }, classes, options)).macroF1,
    difference: {
      value: finiteOrNull(of(after) - of(before)),
      interval: differ ? await interval() : null,
      rows,
    },
  };
}

/** The same where rows are many: a row is a cell of (true, before, after), of which few have any. */
async function intervalByCounts(
  expected: Int32Array,
  before: Int32Array,
  after: Int32Array,
  classes: number,
  options: BootstrapOptions,
): Promise<Interval | null> {
  const counts = new Map<number, number>();
  for (let row = 0; row < expected.length; row++) {
    const cell = (expected[row]! * classes + before[row]!) * classes + after[row]!;
    counts.set(cell, (counts.get(cell) ?? 0) + 1);
  }
  const cells = [...counts.keys()];
  const [old, young] = [new Uint32Array(classes * classes), new Uint32Array(classes * classes)];
  return bootstrapCounts(
    [...counts.values()],
    (drawn) => {
      old.fill(0);
      young.fill(0);
      for (const [at, cell] of cells.entries()) {
        const truth = Math.floor(cell / (classes * classes));
        old[Math.floor(cell / classes)]! += drawn[at]!;
        young[truth * classes + (cell % classes)]! += drawn[at]!;
      }
      return macroF1(young, classes) - macroF1(old, classes);
    },
    options,
  );
}

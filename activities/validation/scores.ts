/** Predictions of one split turned into scores with intervals. Classes are indices into the classifier's labels. */
import type { Interval, Score } from '../contract/measures.ts';
import { bootstrapCounts, MOST_ROWS_DRAWN } from './cell-bootstrap.ts';
import { accuracy, confusionMatrix, countCorrect, finiteOrNull, macroF1, worstLabelF1 } from './metrics.ts';
import { discordance, type Discordance } from './paired.ts';
import { bootstrapInterval, pairedBootstrap, wilsonInterval, type BootstrapOptions } from './statistics.ts';

/** Predictions of `rows` texts. */
export interface Predictions {
  readonly expected: Int32Array;
  readonly predicted: Int32Array;
}

export const NO_SCORE: Score = { value: null, interval: null, rows: 0 };

/** Nothing, and why: whoever reads the gate is told. */
export function notMeasured(reason: string): Score {
  return { ...NO_SCORE, notApplicable: reason };
}

/** A number that is no mean over rows, or null where it could not be had. */
export function plainScore(value: number, rows: number): Score {
  return { value: finiteOrNull(value), interval: null, rows };
}

/** A share of rows with Wilson's interval, which does not shrink to a point when every row agrees as resampling would. */
export function shareScore(count: number, rows: number): Score {
  return rows === 0 ? NO_SCORE : { value: count / rows, interval: wilsonInterval(count, rows), rows };
}

export function accuracyScore({ expected, predicted }: Predictions): Score {
  return shareScore(countCorrect(expected, predicted), expected.length);
}

/** Macro-F1 and the worst label's F1 with bootstrap intervals over the rows. */
export async function f1Scores(
  { expected, predicted }: Predictions,
  classes: number,
  options: BootstrapOptions,
): Promise<{ macroF1: Score; worstLabelF1: Score }> {
  const rows = expected.length;
  const confusion = confusionMatrix(expected, predicted, classes);
  const resampled = (statistic: (confusion: Uint32Array, classes: number) => number) =>
    rows > MOST_ROWS_DRAWN
      ? bootstrapCounts(confusion, (drawn) => statistic(drawn, classes), options)
      : bootstrapInterval(
          rows,
          (indices) => statistic(confusionMatrix(expected, predicted, classes, indices), classes),
          options,
        );
  if (countCorrect(expected, predicted) < rows) {
    return {
      macroF1: { value: finiteOrNull(macroF1(confusion, classes)), interval: await resampled(macroF1), rows },
      worstLabelF1: {
        value: finiteOrNull(worstLabelF1(confusion, classes)),
        interval: await resampled(worstLabelF1),
        rows,
      },
    };
  }
  // Without a mistake no resample has one, and the bootstrap's interval would claim certainty of a handful of rows: what
  // so many successes in a row still allow is Wilson's bound, for the worst label that of the label with the fewest rows.
  const supports = Array.from({ length: classes }, (_, label) => confusion[label * classes + label]!);
  const fewest = Math.min(...supports.filter((support) => support > 0));
  return {
    macroF1: shareScore(rows, rows),
    worstLabelF1: rows === 0 ? NO_SCORE : { ...shareScore(fewest, fewest), rows },
  };
}

/** Accuracy of `tuned` minus that of `frozen` on the same rows, by paired bootstrap. */
export async function gainScore(
  expected: Int32Array,
  tuned: Int32Array,
  frozen: Int32Array,
  options: BootstrapOptions,
): Promise<Score> {
  const rows = expected.length;
  const hits = (predicted: Int32Array): Uint8Array =>
    Uint8Array.from(expected, (label, row) => Number(label === predicted[row]));
  return {
    value: finiteOrNull(accuracy(expected, tuned) - accuracy(expected, frozen)),
    interval:
      rows > MOST_ROWS_DRAWN
        ? await gainOfCounts(discordance(expected, tuned, frozen), rows, options)
        : await pairedBootstrap(hits(tuned), hits(frozen), options),
    rows,
  };
}

/** Of a row all that counts is who has it right: three cells. */
function gainOfCounts({ won, lost }: Discordance, rows: number, options: BootstrapOptions): Promise<Interval | null> {
  return bootstrapCounts([won, lost, rows - won - lost], (drawn) => (drawn[0]! - drawn[1]!) / rows, options);
}

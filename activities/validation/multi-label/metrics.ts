/**
 * Precision, recall and F1 of several labels a row, and average precision. The figures are scikit-learn's, but for what it calls
 * 0 and warns about: a ratio whose denominator is 0 is left out.
 */
import type { LabelScore } from '../../contract/validation.ts';
import { finiteOrNull } from '../metrics.ts';
import type { Decisions } from './decisions.ts';

/** A number a label: rows where both say it, only the model, only the truth. */
export interface LabelCounts {
  readonly right: Float64Array;
  readonly wrong: Float64Array;
  readonly missed: Float64Array;
}

/** Counts of all rows, or of the drawn ones alone: only labels that are given or predicted are looked at. */
export function countsOf({ labels, targets, predicted }: Decisions): (rows?: Uint32Array) => LabelCounts {
  const rows = targets.length / labels;
  const starts = new Uint32Array(rows + 1);
  const cells: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let label = 0; label < labels; label++) {
      const at = row * labels + label;
      if (targets[at] === 1 || predicted[at] === 1) cells.push(label * 4 + targets[at]! * 2 + predicted[at]!);
    }
    starts[row + 1] = cells.length;
  }
  return (drawn) => {
    const counts = {
      right: new Float64Array(labels),
      wrong: new Float64Array(labels),
      missed: new Float64Array(labels),
    };
    for (let place = 0; place < (drawn?.length ?? rows); place++) {
      const row = drawn === undefined ? place : drawn[place]!;
      for (let at = starts[row]!; at < starts[row + 1]!; at++) {
        const kind = (['', 'wrong', 'missed', 'right'] as const)[cells[at]! % 4]!;
        if (kind !== '') counts[kind][cells[at]! >> 2]!++;
      }
    }
    return counts;
  };
}

/** NaN for a label that is neither given nor predicted. */
export function f1OfEach({ right, wrong, missed }: LabelCounts): Float64Array {
  return right.map((both, label) => (2 * both) / (2 * both + wrong[label]! + missed[label]!));
}

/** Rows of each label. */
export function supportOf({ right, missed }: LabelCounts): Float64Array {
  return right.map((both, label) => both + missed[label]!);
}

/** Mean over the labels that are given or predicted. */
export function macroF1(counts: LabelCounts): number {
  const known = f1OfEach(counts).filter((score) => !Number.isNaN(score));
  return known.reduce((sum, score) => sum + score, 0) / known.length;
}

export function worstF1(counts: LabelCounts): number {
  const known = f1OfEach(counts).filter((score) => !Number.isNaN(score));
  return known.length === 0 ? Number.NaN : Math.min(...known);
}

/** Of all labels' decisions together: frequent labels count more. */
export function microF1({ right, wrong, missed }: LabelCounts): number {
  const sum = (values: Float64Array): number => values.reduce((total, value) => total + value, 0);
  return (2 * sum(right)) / (2 * sum(right) + sum(wrong) + sum(missed));
}

export function labelScores(counts: LabelCounts, labels: readonly string[]): LabelScore[] {
  const f1 = f1OfEach(counts);
  return labels.map((label, at) => {
    const [right, wrong, missed] = [counts.right[at]!, counts.wrong[at]!, counts.missed[at]!];
    return {
      label,
      precision: finiteOrNull(right / (right + wrong)),
      recall: finiteOrNull(right / (right + missed)),
      f1: finiteOrNull(f1[at]!),
      support: right + missed,
    };
  });
}

/**
 * Average precision of each label: Σ (Rₙ − Rₙ₋₁) · Pₙ over the distinct probabilities from the highest down
 * (`average_precision_score`), of all rows or of the drawn ones; NaN for a label that no row has. Needs no threshold.
 */
export function averagePrecisions(
  probabilities: Float32Array,
  targets: Uint8Array,
  labels: number,
): (drawn?: Uint32Array) => Float64Array {
  const rows = targets.length / labels;
  const chance = (row: number, label: number): number => probabilities[row * labels + label]!;
  const orders = Array.from({ length: labels }, (_, label) =>
    Uint32Array.from({ length: rows }, (_, row) => row).sort((a, b) => chance(b, label) - chance(a, label)),
  );
  const times = new Uint32Array(rows);
  return (drawn) => {
    times.fill(drawn === undefined ? 1 : 0);
    for (const row of drawn ?? []) times[row]!++;
    return Float64Array.from(orders, (order, label) => {
      let [seen, found, sum, pending] = [0, 0, 0, 0];
      for (const [place, row] of order.entries()) {
        seen += times[row]!;
        if (targets[row * labels + label] === 1) pending += times[row]!;
        const next = order[place + 1];
        if (next !== undefined && chance(next, label) === chance(row, label)) continue;
        found += pending;
        if (seen > 0) sum += pending * (found / seen);
        pending = 0;
      }
      return sum / found;
    });
  };
}

/** Over the labels that some row has. */
export function meanOfKnown(values: Float64Array): number {
  const known = values.filter((value) => !Number.isNaN(value));
  return known.reduce((sum, value) => sum + value, 0) / known.length;
}

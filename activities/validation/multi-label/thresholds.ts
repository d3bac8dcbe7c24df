/**
 * From which probability on a label applies. Pure. For each label the threshold with the highest F1 on rows that the model was not
 * trained on: of one half is too high for rare labels (Lipton, Elkan & Naryanaswamy, Optimal Thresholding of Classifiers to
 * Maximize F1 Measure, ECML PKDD 2014: the best is half the best F1, whatever the model).
 */
import { sampleIndices, seededRandom } from '../random.ts';

/** With fewer rows that have the label a fitted threshold is their noise: one half stays. */
export const LEAST_ROWS = 5;
export const HALF = 0.5;
/** Rows that are asked: beyond them a threshold does not change any more, and only costs time. */
const MOST_ROWS = 5000;

/** Of so many validation rows those that thresholds are fitted on, in their order. */
export function thresholdPlaces(rows: number): readonly number[] {
  return sampleIndices(rows, MOST_ROWS, seededRandom(0));
}

/** Of each label whether validation rows allow a threshold of its own; else it is one half. `targets` are those at `thresholdPlaces`. */
export function fittedLabels(targets: Uint8Array, labels: number): readonly boolean[] {
  const rows = targets.length / labels;
  const having = new Uint32Array(labels);
  for (const [at, target] of targets.entries()) having[at % labels]! += target;
  return Array.from(having, (count) => canBeFitted(count, rows));
}

function canBeFitted(having: number, rows: number): boolean {
  return having >= LEAST_ROWS && having < rows;
}

/** A threshold a label. `probabilities` and `targets`: row-major [rows, labels]. */
export function fitThresholds(probabilities: ArrayLike<number>, targets: Uint8Array, labels: number): number[] {
  const rows = targets.length / labels;
  return Array.from({ length: labels }, (_, label) => {
    const order = Array.from({ length: rows }, (_, row) => row * labels + label).sort(
      (a, b) => probabilities[b]! - probabilities[a]!,
    );
    return bestThreshold(
      order.map((at) => probabilities[at]!),
      order.map((at) => targets[at]!),
    );
  });
}

/** Between the two probabilities that it parts; of equally good ones the nearest to one half. */
function bestThreshold(descending: readonly number[], targets: readonly number[]): number {
  const having = targets.filter((target) => target === 1).length;
  if (!canBeFitted(having, targets.length)) return HALF;
  let [best, threshold, found] = [0, HALF, 0];
  for (const [place, chance] of descending.entries()) {
    found += targets[place]!;
    const next = descending[place + 1] ?? 0;
    if (next === chance) continue;
    const f1 = (2 * found) / (place + 1 + having);
    // Six digits are told apart by whoever reads the file; what must not happen is that rounding crosses a probability.
    const between = Number(((chance + next) / 2).toPrecision(6));
    const cut = between > next && between <= chance ? between : (chance + next) / 2;
    const isBetter = f1 > best || (f1 === best && Math.abs(cut - HALF) < Math.abs(threshold - HALF));
    if (isBetter) [best, threshold] = [f1, cut];
  }
  return threshold;
}

/**
 * Decisions on rows by thresholds that these very rows had no part in: those of the even rows are fitted on the odd ones, and
 * the other way round. For rows that must serve both ends.
 */
export function crossFitted(probabilities: ArrayLike<number>, targets: Uint8Array, labels: number): Uint8Array {
  const rows = targets.length / labels;
  const halves = [0, 1].map((odd) => Array.from({ length: rows }, (_, row) => row).filter((row) => row % 2 === odd));
  const decided = new Uint8Array(targets.length);
  for (const [which, half] of halves.entries()) {
    const cells = (halves[1 - which] ?? []).flatMap((row) =>
      Array.from({ length: labels }, (_, label) => row * labels + label),
    );
    const thresholds = fitThresholds(
      cells.map((at) => probabilities[at]!),
      Uint8Array.from(cells, (at) => targets[at]!),
      labels,
    );
    for (const row of half) {
      for (let label = 0; label < labels; label++) {
        const at = row * labels + label;
        decided[at] = Number(probabilities[at]! >= thresholds[label]!);
      }
    }
  }
  return decided;
}

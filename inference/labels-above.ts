/** What a model of several labels a row says: pure, and the same for evaluation, serving and monitoring. */

/** The labels (by index) whose probability reaches their threshold; none may. */
export function labelsAbove(probabilities: ArrayLike<number>, thresholds: readonly number[]): number[] {
  return thresholds.flatMap((threshold, label) => (probabilities[label]! >= threshold ? [label] : []));
}

/** The same of many rows: 1 where a label applies, row-major [rows, labels] as the probabilities. */
export function decide(probabilities: ArrayLike<number>, thresholds: readonly number[]): Uint8Array {
  const labels = thresholds.length;
  return Uint8Array.from(probabilities, (chance, at) => Number(chance >= thresholds[at % labels]!));
}

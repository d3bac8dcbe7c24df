/** Rows of none, one or several labels, with what a model says of them. Pure; the figures are tested against scikit-learn's. */

export interface Decisions {
  /** How many labels there are. */
  readonly labels: number;
  /** Whether a label applies, and whether the model says so: 0 or 1, row-major [rows, labels]. */
  readonly targets: Uint8Array;
  readonly predicted: Uint8Array;
}

/**
 * The accuracy of each row: the labels both given and predicted, of those either given or predicted; 1 where there are none of
 * either (Godbole & Sarawagi, Discriminative Methods for Multi-labeled Classification, PAKDD 2004; Jaccard's index).
 */
export function creditsOf({ labels, targets, predicted }: Decisions): Float64Array {
  return Float64Array.from({ length: targets.length / labels }, (_, row) => {
    let [both, either] = [0, 0];
    for (let at = row * labels; at < (row + 1) * labels; at++) {
      both += targets[at]! & predicted[at]!;
      either += targets[at]! | predicted[at]!;
    }
    return either === 0 ? 1 : both / either;
  });
}

/** Rows whose labels are all right, and none too many (subset accuracy). */
export function countExact({ labels, targets, predicted }: Decisions): number {
  let exact = 0;
  for (let start = 0; start < targets.length; start += labels) {
    const own = targets.subarray(start, start + labels);
    if (own.every((target, label) => target === predicted[start + label])) exact++;
  }
  return exact;
}

/** A number for each row that is the same for the same set of labels, whoever is asked. */
export function setNumbers(): (decided: Uint8Array, labels: number) => Int32Array {
  const known = new Map<string, number>();
  return (decided, labels) =>
    Int32Array.from({ length: decided.length / labels }, (_, row) => {
      const set = decided.subarray(row * labels, (row + 1) * labels).join('');
      const number = known.get(set) ?? known.size;
      known.set(set, number);
      return number;
    });
}

/** Names of a row's labels, in the model's order. */
export function namesAt(decided: Uint8Array, row: number, labels: readonly string[]): readonly string[] {
  return labels.filter((_, label) => decided[row * labels.length + label] === 1);
}

/** The labels of a row as they are compared and stored. Pure. */
import { compareText, type WithLabels } from './group.ts';

/**
 * Without spaces around them, which would make classes of their own that nobody meant. A list is sorted, since its order means
 * nothing; `label` is then its JSON: two rows have the same labels where that is the same.
 */
export function rowLabels({ label, labels }: WithLabels): WithLabels {
  if (labels === undefined) return { label: tidy(label) };
  const sorted = labels.map(tidy).toSorted(compareText);
  return { label: JSON.stringify(sorted), labels: sorted };
}

function tidy(label: string): string {
  return label.normalize('NFC').trim();
}

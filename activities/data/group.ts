/** Groups and counts by a key, in the order in which the keys first come. (Node 20 has no Map.groupBy.) */
export function groupBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** A row with one label, or with a set of them: `label` then stands for the set (row-labels.ts). */
export interface WithLabels {
  readonly label: string;
  readonly labels?: readonly string[] | undefined;
}

/** None, one or several. */
export function labelsOf({ label, labels }: WithLabels): readonly string[] {
  return labels ?? [label];
}

/** Rows of each label; a row with several counts for each of them. */
export function countLabels(rows: readonly WithLabels[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const row of rows) for (const label of labelsOf(row)) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}

/** By UTF-16 code units: the same everywhere, whatever the locale. */
export function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

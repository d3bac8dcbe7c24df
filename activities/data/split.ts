/**
 * Divides rows into train, validation and test: seeded, stratified by label, with texts that differ only in digits,
 * punctuation or case on the same side. The order of the rows does not matter. Pure.
 */
import { compareText, countLabels, groupBy } from './group.ts';
import { sha256Hex } from './normalise.ts';
import type { Split } from '../contract/data.ts';

export interface SplitRow {
  /** Equal for texts that must not be on two sides (normalise.ts). */
  readonly near: string;
  readonly label: string;
  /** Where a row has none, one or several. */
  readonly labels?: readonly string[];
}
export type Shares = Partial<Readonly<Record<Split, number>>>;

interface Group<Row> {
  readonly rows: readonly Row[];
  readonly counts: ReadonlyMap<string, number>;
  /** Decides the order: random by the seed, yet the same for the same text. */
  readonly rank: number;
}

/**
 * Rows by side, for the sides that have a share. A label's rows meet the shares to within one row where its texts are
 * all different; a group of near-identical texts stays together even where that costs more. Every label is on every
 * side, unless it is in `unsplittable`: it has fewer groups of near-identical texts than there are sides.
 */
export function splitRows<Row extends SplitRow>(
  rows: readonly Row[],
  shares: Shares,
  seed: number,
): { readonly sides: Readonly<Record<Split, readonly Row[]>>; readonly unsplittable: readonly string[] } {
  const splits = (['train', 'validation', 'test'] as const).filter((split) => (shares[split] ?? 0) > 0);
  const groups = [...groupBy(rows, ({ near }) => near)]
    .map(([key, members]) => ({
      rows: members,
      counts: strataOf(members),
      key,
      rank: Number.parseInt(sha256Hex(`${seed}:${key}`).slice(0, 13), 16),
    }))
    .toSorted((left, right) => left.rank - right.rank || compareText(left.key, right.key));
  const sides: Record<Split, Row[]> = { train: [], validation: [], test: [] };
  const left = targets(strataOf(rows), shares, splits);
  const present: Record<Split, Set<string>> = { train: new Set(), validation: new Set(), test: new Set() };
  const placed = new Set<Group<Row>>();
  const place = (group: Group<Row>, split: Split): void => {
    placed.add(group);
    for (const row of group.rows) sides[split].push(row);
    for (const [label, count] of group.counts) {
      present[split].add(label);
      const remaining = left.get(label) as Record<Split, number>;
      remaining[split] -= count;
    }
  };

  // First one group of each label on each side, the smallest: later the large groups might leave none over.
  const unsplittable: string[] = [];
  const byLabel = [...left.keys()]
    .map((label) => ({ label, groups: [] as Group<Row>[] }))
    .toSorted((one, other) => (one.label < other.label ? -1 : 1));
  const lists = new Map(byLabel.map((entry) => [entry.label, entry.groups]));
  for (const group of groups) for (const label of group.counts.keys()) lists.get(label)?.push(group);
  for (const { label, groups: own } of byLabel.toSorted((one, other) => one.groups.length - other.groups.length)) {
    // They need not be on every side. Nearly the same text in all of them ("Good morning") goes where most rows are lacking, not to the test.
    if (label === UNLABELLED && own.length < splits.length) continue;
    const smallest = own.toSorted(
      (one, other) => one.counts.size - other.counts.size || one.rows.length - other.rows.length,
    );
    let next = 0;
    for (const split of splits.toReversed()) {
      if (present[split].has(label)) continue;
      while (next < smallest.length && placed.has(smallest[next] as Group<Row>)) next += 1;
      const group = smallest[next];
      if (group === undefined) unsplittable.push(label);
      else place(group, split);
    }
  }

  // Then the largest first, each where most of its share is still open: single texts fill up what remains exactly.
  const open = groups
    .filter((group) => !placed.has(group))
    .toSorted((one, other) => other.rows.length - one.rows.length);
  const isMultiLabel = rows.some(({ labels }) => labels !== undefined);
  if (isMultiLabel) {
    const all = targets(new Map([['', rows.length]]), shares, splits).get('') as Record<Split, number>;
    for (const split of splits) all[split] -= sides[split].length;
    stratifyIteratively(open, left, all, splits, place);
  } else for (const group of open) place(group, roomiest(group, left, shares, splits));
  return { sides, unsplittable: [...new Set(unsplittable)].filter((label) => label !== UNLABELLED) };
}

/** Rows without any label are a stratum of their own, which need not be on every side. */
const UNLABELLED = '';

function strataOf(rows: readonly SplitRow[]): Map<string, number> {
  return countLabels(rows.map((row) => (row.labels?.length === 0 ? { label: UNLABELLED } : row)));
}

/**
 * Iterative stratification (Sechidis, Tsoumakas & Vlahavas, On the Stratification of Multi-Label Data, ECML PKDD 2011): always
 * the label that fewest open rows have, each of its rows to the side that lacks most of it, of equal sides to the one that lacks
 * most rows: what is rare cannot be made good later. Rows that must not be parted go together.
 */
function stratifyIteratively<Row>(
  open: readonly Group<Row>[],
  left: ReadonlyMap<string, Readonly<Record<Split, number>>>,
  rowsLeft: Record<Split, number>,
  splits: readonly Split[],
  place: (group: Group<Row>, split: Split) => void,
): void {
  const waiting = new Map<string, Set<Group<Row>>>([...left.keys()].map((label) => [label, new Set()]));
  for (const group of open) for (const label of group.counts.keys()) waiting.get(label)?.add(group);
  for (;;) {
    const [rarest] = [...waiting]
      .filter(([, groups]) => groups.size > 0)
      .toSorted(([one, few], [other, many]) => few.size - many.size || compareText(one, other));
    if (rarest === undefined) return;
    const wanted = left.get(rarest[0]);
    for (const group of rarest[1]) {
      const split = splits.reduce((best, one) => {
        const more = (wanted?.[one] ?? 0) - (wanted?.[best] ?? 0);
        return more > 0 || (more === 0 && rowsLeft[one] > rowsLeft[best]) ? one : best;
      });
      for (const own of group.counts.keys()) waiting.get(own)?.delete(group);
      rowsLeft[split] -= group.rows.length;
      place(group, split);
    }
  }
}

/** The side that overflows least; among equals, the one with most of its share open. */
function roomiest(
  group: { readonly counts: ReadonlyMap<string, number> },
  left: ReadonlyMap<string, Record<Split, number>>,
  shares: Shares,
  splits: readonly Split[],
): Split {
  let best: { readonly split: Split; readonly overflow: number; readonly room: number } | undefined;
  for (const split of splits) {
    let overflow = 0;
    let room = 0;
    for (const [label, count] of group.counts) {
      const remaining = left.get(label)?.[split] ?? 0;
      overflow += Math.max(0, count - remaining);
      room += remaining / (shares[split] ?? 1);
    }
    const better = best === undefined || overflow < best.overflow || (overflow === best.overflow && room > best.room);
    if (better) best = { split, overflow, room };
  }
  return best?.split ?? 'train';
}

/** Rows each side should get of each label: largest remainders, and at least one. */
function targets(
  counts: ReadonlyMap<string, number>,
  shares: Shares,
  splits: readonly Split[],
): Map<string, Record<Split, number>> {
  const sum = splits.reduce((total, split) => total + (shares[split] ?? 0), 0);
  return new Map(
    [...counts].map(([label, rows]) => {
      const exact = splits.map((split) => ({ split, quota: (rows * (shares[split] ?? 0)) / sum }));
      const wanted: Record<Split, number> = { train: 0, validation: 0, test: 0 };
      for (const { split, quota } of exact) wanted[split] = Math.floor(quota);
      const missing = rows - splits.reduce((total, split) => total + wanted[split], 0);
      const byRemainder = exact.toSorted((one, other) => (other.quota % 1) - (one.quota % 1));
      for (const { split } of byRemainder.slice(0, missing)) wanted[split] += 1;
      for (const split of splits) {
        const largest = splits.reduce((best, candidate) => (wanted[candidate] > wanted[best] ? candidate : best));
        if (wanted[split] > 0 || wanted[largest] <= 1) continue;
        wanted[largest] -= 1;
        wanted[split] = 1;
      }
      return [label, wanted];
    }),
  );
}

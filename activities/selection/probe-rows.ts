/**
 * The training rows that a candidate's probe is fitted on: to order candidates not all are needed, and embedding them is what
 * a probe costs. Drawn label by label, the same rows for every candidate whatever order they stand in.
 */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { datasetRow, type DatasetRow } from '../data/dataset.ts';
import { compareText } from '../data/group.ts';
import { lineBlocks } from '../data/line-blocks.ts';
import { sha256Hex } from '../data/normalise.ts';

/** As many as LogME and the folds that choose the penalty look at. */
const MOST = 2000;
/** Fewer are never drawn: they cost little. */
const LEAST = 500;
/** Of small data. */
const SHARE = 0.5;
/** A label of fewer rows could not be told by a probe that got its part of the draw. */
const LEAST_OF_LABEL = 10;

export interface ProbeRows {
  /** Ascending. */
  readonly places: readonly number[];
  /** Training rows that there are. */
  readonly of: number;
}

/** The bytes of the rows that a probe is fitted on, of those of all. */
export function fittedSizes(sizes: Uint32Array, drawn: ProbeRows | null): Uint32Array {
  return drawn === null ? sizes : Uint32Array.from(drawn.places, (place) => sizes[place]!);
}

/** How many rows of each label are drawn; null where that would be all. */
export function probeQuotas(counts: ReadonlyMap<string, number>): ReadonlyMap<string, number> | null {
  const all = total(counts);
  const share = Math.min(MOST, Math.max(LEAST, all * SHARE)) / all;
  const quotas = new Map(
    [...counts].map(([label, count]) => [label, Math.min(count, Math.max(LEAST_OF_LABEL, Math.ceil(count * share)))]),
  );
  return total(quotas) < all ? quotas : null;
}

/** Two or three passes over the rows; in memory are the places of twice as many as are drawn. null: all of them. */
export async function drawProbeRows(
  store: ArtifactStore,
  dataset: ArtifactRef,
  seed: number,
  signal: AbortSignal,
): Promise<ProbeRows | null> {
  const path = await store.fileInTree(dataset, 'train.jsonl', signal);
  async function* rows(): AsyncGenerator<DatasetRow> {
    for await (const block of lineBlocks(path, 'train.jsonl', signal)) yield* block.map(datasetRow);
  }
  const [counts, groups] = [new Map<string, number>(), new Map<string, number>()];
  let several = false;
  for await (const { label, labels } of rows()) {
    several ||= labels !== undefined;
    for (const own of labels ?? [label]) add(counts, own);
  }
  if (several) for await (const row of rows()) add(groups, groupOf(row, counts));
  const quotas = probeQuotas(several ? groups : counts);
  if (quotas === null) return null;
  const drawn = new Map([...quotas].map(([group, quota]) => [group, lowest(quota)]));
  let of = 0;
  for await (const row of rows()) {
    drawn.get(groupOf(row, counts))?.offer({ rank: sha256Hex(`${seed}:${row.id}`), place: of++ });
  }
  const places = [...drawn.values()].flatMap((one) => one.places());
  return { places: places.toSorted((one, other) => one - other), of };
}

/** A row of several labels goes with the rarest, which is hard to find a row of; rows without any are one group. */
function groupOf({ label, labels }: DatasetRow, counts: ReadonlyMap<string, number>): string {
  if (labels === undefined) return label;
  const countOf = (one: string): number => counts.get(one) ?? 0;
  const [rarest = ''] = labels.toSorted((one, other) => countOf(one) - countOf(other) || compareText(one, other));
  return rarest;
}

function add(counts: Map<string, number>, label: string): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}

interface Ranked {
  readonly rank: string;
  readonly place: number;
}

/** Keeps the `most` rows of the lowest rank. */
function lowest(most: number): { readonly offer: (row: Ranked) => void; readonly places: () => readonly number[] } {
  let kept: Ranked[] = [];
  const cut = (): void => {
    kept = kept.toSorted((one, other) => compareText(one.rank, other.rank) || one.place - other.place).slice(0, most);
  };
  return {
    offer(row) {
      kept.push(row);
      if (kept.length >= 2 * most) cut();
    },
    places() {
      cut();
      return kept.map(({ place }) => place);
    },
  };
}

function total(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/**
 * The training rows that a candidate's probe is fitted on: to order candidates not all are needed, and embedding them is what
 * a probe costs. Drawn label by label, the same rows for every candidate whatever order they stand in.
 */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { datasetRow } from '../data/dataset.ts';
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

/** How many rows of each label are drawn; null where that would be all. */
export function probeQuotas(counts: ReadonlyMap<string, number>): ReadonlyMap<string, number> | null {
  const all = total(counts);
  const share = Math.min(MOST, Math.max(LEAST, all * SHARE)) / all;
  const quotas = new Map(
    [...counts].map(([label, count]) => [label, Math.min(count, Math.max(LEAST_OF_LABEL, Math.ceil(count * share)))]),
  );
  return total(quotas) < all ? quotas : null;
}

/** Two passes over the rows; in memory are the places of twice as many as are drawn. null: all of them. */
export async function drawProbeRows(
  store: ArtifactStore,
  dataset: ArtifactRef,
  seed: number,
  signal: AbortSignal,
): Promise<ProbeRows | null> {
  const path = await store.fileInTree(dataset, 'train.jsonl', signal);
  const counts = new Map<string, number>();
  for await (const block of lineBlocks(path, 'train.jsonl', signal)) {
    for (const { label } of block.map(datasetRow)) counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const quotas = probeQuotas(counts);
  if (quotas === null) return null;
  const drawn = new Map([...quotas].map(([label, quota]) => [label, lowest(quota)]));
  let of = 0;
  for await (const block of lineBlocks(path, 'train.jsonl', signal)) {
    for (const { id, label } of block.map(datasetRow)) {
      drawn.get(label)?.offer({ rank: sha256Hex(`${seed}:${id}`), place: of++ });
    }
  }
  const places = [...drawn.values()].flatMap((one) => one.places());
  return { places: places.toSorted((one, other) => one - other), of };
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

/** A split of texts with several labels a row, some rows at a time. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { TextInput } from '../../inference/texts.ts';
import { datasetRow, multiLabelled, type MultiLabelledRows } from './dataset.ts';
import { lineBlocks } from './line-blocks.ts';

/**
 * Of one file of the dataset, in its order. Throws BadData when a row has a label that is not among `labels`, or one label instead of a
 * list.
 */
export async function* multiLabelledBlocks(
  store: ArtifactStore,
  dataset: ArtifactRef,
  file: string,
  labels: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<MultiLabelledRows> {
  for await (const block of lineBlocks(await store.fileInTree(dataset, file, signal), file, signal)) {
    yield multiLabelled(block.map(datasetRow), labels, file);
  }
}

/** The rows that `isPicked`, by their place in the split and their id; nothing of the others is kept. `labels`: how many. */
export async function pickMultiLabelled(
  blocks: AsyncIterable<MultiLabelledRows>,
  labels: number,
  isPicked: (place: number, id: string) => boolean,
): Promise<MultiLabelledRows> {
  const picked = multiLabelledPicker(labels, isPicked);
  for await (const block of blocks) picked.add(block);
  return picked.rows();
}

/** Those at some places, which are ascending. */
export async function multiLabelledAt(
  blocks: AsyncIterable<MultiLabelledRows>,
  labels: number,
  places: readonly number[],
): Promise<MultiLabelledRows> {
  const picked = multiLabelledRows(labels, places);
  for await (const block of blocks) picked.add(block);
  return picked.rows();
}

/** The same of blocks that are added in their order, so that one pass serves several. */
export function multiLabelledRows(labels: number, places: readonly number[]): MultiLabelledPicker {
  const wanted = new Set(places);
  return multiLabelledPicker(labels, (place) => wanted.has(place));
}

export interface MultiLabelledPicker {
  readonly add: (block: MultiLabelledRows) => void;
  readonly rows: () => MultiLabelledRows;
}

function multiLabelledPicker(labels: number, isPicked: (place: number, id: string) => boolean): MultiLabelledPicker {
  const [ids, texts, targets, groups]: [string[], TextInput[], Uint8Array[], Record<string, string>[]] = [
    [],
    [],
    [],
    [],
  ];
  let [start, grouped] = [0, false];
  return {
    add(block) {
      for (const [row, id] of block.ids.entries()) {
        if (!isPicked(start + row, id)) continue;
        ids.push(id);
        texts.push(block.texts[row]!);
        targets.push(block.targets.slice(row * labels, (row + 1) * labels));
        grouped ||= block.groups !== undefined;
        groups.push(block.groups?.[row] ?? {});
      }
      start += block.ids.length;
    },
    rows() {
      const all = new Uint8Array(ids.length * labels);
      for (const [row, own] of targets.entries()) all.set(own, row * labels);
      return { ids, texts, targets: all, ...(grouped ? { groups } : {}) };
    },
  };
}

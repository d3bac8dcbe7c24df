/** A split of texts, some rows at a time. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { TextInput } from '../../inference/texts.ts';
import { classify, datasetRow, type LabelledRows } from './dataset.ts';
import { countLines, lineBlocks, lineSizes } from './line-blocks.ts';

/** Of one file of the dataset, in its order. Throws BadData when a row has a label that is not among `labels`. */
export async function* classifiedBlocks(
  store: ArtifactStore,
  dataset: ArtifactRef,
  file: string,
  labels: readonly string[],
  signal?: AbortSignal,
): AsyncGenerator<LabelledRows> {
  for await (const block of lineBlocks(await store.fileInTree(dataset, file, signal), file, signal)) {
    yield classify(block.map(datasetRow), labels, file);
  }
}

export async function countRows(
  store: ArtifactStore,
  dataset: ArtifactRef,
  file: string,
  signal?: AbortSignal,
): Promise<number> {
  return countLines(await store.fileInTree(dataset, file, signal), signal);
}

/** The bytes of each row, as it stands in the file. */
export async function rowSizes(
  store: ArtifactStore,
  dataset: ArtifactRef,
  file: string,
  signal?: AbortSignal,
): Promise<Uint32Array> {
  return lineSizes(await store.fileInTree(dataset, file, signal), signal);
}

/** Each block that has any of the ascending `places`, with them counted from its start. */
export async function* placesByBlock<Block extends Pick<LabelledRows, 'ids'>>(
  blocks: AsyncIterable<Block>,
  places: readonly number[],
): AsyncGenerator<{ readonly block: Block; readonly own: readonly number[] }> {
  let [start, next] = [0, 0];
  for await (const block of blocks) {
    const own: number[] = [];
    for (const end = start + block.ids.length; next < places.length && places[next]! < end; next++) {
      own.push(places[next]! - start);
    }
    if (own.length > 0) yield { block, own };
    start += block.ids.length;
  }
}

/** The rows at some ascending places, some at a time. */
export async function* rowsAt(
  blocks: AsyncIterable<LabelledRows>,
  places: readonly number[],
): AsyncGenerator<LabelledRows> {
  for await (const { block, own } of placesByBlock(blocks, places)) {
    const picker = rowPicker();
    for (const row of own) picker.take(block, row);
    yield picker.rows();
  }
}

/** One pass over the blocks for several lists of places, each ascending: the rows at them, and of no others. */
export async function pickRows(
  blocks: AsyncIterable<LabelledRows>,
  lists: readonly (readonly number[])[],
): Promise<LabelledRows[]> {
  const picked = lists.map(() => rowPicker());
  const next = lists.map(() => 0);
  let start = 0;
  for await (const block of blocks) {
    for (const [list, places] of lists.entries()) {
      for (; next[list]! < places.length && places[next[list]!]! < start + block.ids.length; next[list]!++) {
        picked[list]!.take(block, places[next[list]!]! - start);
      }
    }
    start += block.ids.length;
  }
  return picked.map(({ rows }) => rows());
}

/** Collects single rows of blocks. */
export function rowPicker(): {
  readonly take: (block: Pick<LabelledRows, 'ids' | 'classes'> & Partial<LabelledRows>, row: number) => void;
  readonly rows: () => LabelledRows;
} {
  const [ids, texts, classes, groups]: [string[], TextInput[], number[], Record<string, string>[]] = [[], [], [], []];
  let grouped = false;
  return {
    take(block, row) {
      ids.push(block.ids[row]!);
      classes.push(block.classes[row]!);
      if (block.texts !== undefined) texts.push(block.texts[row]!);
      grouped ||= block.groups !== undefined;
      groups.push(block.groups?.[row] ?? {});
    },
    rows: () => ({ ids, texts, classes: Int32Array.from(classes), ...(grouped ? { groups } : {}) }),
  };
}

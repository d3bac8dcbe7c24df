/** Reads a prepared dataset back (`DatasetSummary.dataset`). */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { textInput, type TextInput } from '../../inference/texts.ts';
import type { Split } from '../contract/data.ts';
import { lineBlocks } from './line-blocks.ts';
import { jsonLine } from './prompts.ts';

export const SPLITS: readonly Split[] = ['train', 'validation', 'test'];

export interface DatasetRow {
  readonly id: string;
  readonly text: string;
  /** The second text, where the data are of pairs. */
  readonly pair?: string;
  /** '' where a row has none, one or several: they are in `labels`. */
  readonly label: string;
  readonly labels?: readonly string[];
  /** Value by column of `data.groups`, where the definition names any. */
  readonly groups?: Readonly<Record<string, string>>;
}

/** The labels; a label's index is its class. */
export async function loadLabels(store: ArtifactStore, dataset: ArtifactRef): Promise<readonly string[]> {
  const { entries } = await store.tree(dataset);
  const entry = entries.find(({ path }) => path === 'labels.json');
  if (entry === undefined) {
    throw new EspalierError('NotFound', 'the dataset has no labels.json', { where: dataset.digest });
  }
  return store.getJson<readonly string[]>(entry.digest);
}

/** One split in the dataset's order. */
export async function loadSplit(
  store: ArtifactStore,
  dataset: ArtifactRef,
  split: Split,
  signal?: AbortSignal,
): Promise<DatasetRow[]> {
  return readDatasetLines(store, dataset, `${split}.jsonl`, signal);
}

/** The rows of one file of the tree. Throws BadData where a line is no JSON. */
export async function readDatasetLines(
  store: ArtifactStore,
  dataset: ArtifactRef,
  file: string,
  signal?: AbortSignal,
): Promise<DatasetRow[]> {
  const rows: DatasetRow[] = [];
  for await (const block of lineBlocks(await store.fileInTree(dataset, file, signal), file, signal)) {
    for (const value of block) rows.push(datasetRow(value));
  }
  return rows;
}

/** A line's value as a row: one with several labels has no single one. */
export function datasetRow(value: unknown): DatasetRow {
  return { label: '', ...(value as Omit<DatasetRow, 'label'> & Partial<DatasetRow>) };
}

/** One split of rows with none, one or several labels each. */
export interface MultiLabelledRows {
  readonly ids: readonly string[];
  readonly texts: readonly TextInput[];
  /** 0 or 1, row-major [rows, labels]. */
  readonly targets: Uint8Array;
  readonly groups?: readonly Readonly<Record<string, string>>[];
}

/** Rows as columns. Throws BadData when a row has a label that is not among `labels`, or one label instead of a list. */
export function multiLabelled(
  rows: readonly DatasetRow[],
  labels: readonly string[],
  where: string,
): MultiLabelledRows {
  const classOf = new Map(labels.map((label, index) => [label, index]));
  const targets = new Uint8Array(rows.length * labels.length);
  for (const [place, { id, labels: own }] of rows.entries()) {
    if (own === undefined) {
      throw new EspalierError('BadData', `row ${id} has one label, and the model any number of them`, {
        where,
        fix: 'train and evaluate on one dataset',
      });
    }
    for (const label of own) {
      const index = classOf.get(label);
      if (index === undefined) throw unknownLabel(id, label, labels, where);
      targets[place * labels.length + index] = 1;
    }
  }
  const columns = {
    ids: rows.map(({ id }) => id),
    texts: rows.map(({ text, pair }) => textInput(text, pair)),
    targets,
  };
  return rows.some(({ groups }) => groups !== undefined)
    ? { ...columns, groups: rows.map(({ groups }) => groups ?? {}) }
    : columns;
}

function unknownLabel(id: string, label: string, labels: readonly string[], where: string): EspalierError {
  return new EspalierError('BadData', `row ${id} has the label '${label}', which the model does not know`, {
    where,
    fix: `train and evaluate on one dataset; the model knows ${labels.join(', ')}`,
  });
}

export interface LabelledRows {
  readonly ids: readonly string[];
  readonly texts: readonly TextInput[];
  /** Class of each row: index into the labels that were asked for. */
  readonly classes: Int32Array;
  /** Missing where the dataset has no groups. */
  readonly groups?: readonly Readonly<Record<string, string>>[];
}

/** One split as columns. Throws BadData when a row has a label that is not among `labels`. */
export async function loadClassified(
  store: ArtifactStore,
  dataset: ArtifactRef,
  split: Split,
  labels: readonly string[],
  signal?: AbortSignal,
): Promise<LabelledRows> {
  return classify(await loadSplit(store, dataset, split, signal), labels, `${split}.jsonl`);
}

/** Rows as columns. Throws BadData when a row has a label that is not among `labels`. */
export function classify(rows: readonly DatasetRow[], labels: readonly string[], where: string): LabelledRows {
  const classOf = new Map(labels.map((label, index) => [label, index]));
  const classes = Int32Array.from(rows, ({ id, label }) => {
    const index = classOf.get(label);
    if (index !== undefined) return index;
    throw unknownLabel(id, label, labels, where);
  });
  const columns = {
    ids: rows.map(({ id }) => id),
    texts: rows.map(({ text, pair }) => textInput(text, pair)),
    classes,
  };
  return rows.some(({ groups }) => groups !== undefined)
    ? { ...columns, groups: rows.map(({ groups }) => groups ?? {}) }
    : columns;
}

/** One line of a split's file. */
export function datasetLine({ id, text, pair, label, labels, groups }: DatasetRow): string {
  return jsonLine({
    id,
    text,
    ...(pair === undefined ? {} : { pair }),
    ...(labels === undefined ? { label } : { labels }),
    ...(groups === undefined ? {} : { groups }),
  });
}

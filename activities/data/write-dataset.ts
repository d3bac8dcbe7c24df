/** A prepared dataset's tree (`DatasetSummary.dataset`). */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { hexOf } from '../../artifacts/reference.ts';
import type { DatasetSummary, PrepareDataInput, PreparePicturesInput, PreparePromptsInput } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import { BEHAVIOUR_FILE, behaviourLines, type StoredTest } from './behaviour.ts';
import type { CheckedRow } from './checks.ts';
import type { Sides } from './contamination.ts';
import { datasetLine, SPLITS } from './dataset.ts';
import { SHIFTED_FILE } from './shifted.ts';
import { countLabels } from './group.ts';

/** The splits as files in the store, with the labels and where everything came from. */
export async function writeDataset(
  { files, data }: PrepareDataInput,
  context: StepContext,
  sides: Sides & { readonly shifted: readonly CheckedRow[]; readonly behaviour: readonly StoredTest[] },
  labels: readonly string[],
  counts: Counts,
): Promise<DatasetSummary['dataset']> {
  const folder = join(context.workDir, 'dataset');
  await mkdir(folder);
  const signal = context.signal;
  for (const split of SPLITS) await writeFile(join(folder, `${split}.jsonl`), linesOf(sides[split]), { signal });
  if (sides.shifted.length > 0) await writeFile(join(folder, SHIFTED_FILE), linesOf(sides.shifted), { signal });
  if (sides.behaviour.length > 0)
    await writeFile(join(folder, BEHAVIOUR_FILE), behaviourLines(sides.behaviour), { signal });
  await writeFile(join(folder, 'labels.json'), canonicalJson(labels));
  const columns = definedOnly({ text: data.text, pair: data.pair, label: data.label });
  await writeFile(join(folder, 'dataset.json'), canonicalJson(originOf({ files, data }, columns, counts)));
  return context.store.putTree(folder, 'dataset', { signal });
}

type Counts = Pick<DatasetSummary, 'rows' | 'labelCounts' | 'dropped' | 'personalData' | 'described'> & {
  /** A file each. */
  readonly rowsRead: Readonly<Record<string, number>>;
};

/** `dataset.json`: where everything came from, and what was done to it. */
export function originOf(
  { files, data }: Pick<PrepareDataInput | PreparePicturesInput | PreparePromptsInput, 'files' | 'data'>,
  columns: Readonly<Record<string, string>>,
  { rowsRead, ...facts }: Counts,
): Readonly<Record<string, unknown>> {
  return {
    version: 1,
    source: data.source,
    licence: data.licence,
    files: files.map(({ path, format, split, ref }) => ({
      path,
      format,
      split,
      sha256: hexOf(ref.digest),
      bytes: ref.size,
      rows: rowsRead[path] ?? 0,
    })),
    columns,
    split: data.split,
    ...facts,
    ...definedOnly({ legalBasis: data.legalBasis, consent: data.consent, retention: data.retention }),
  };
}

/** Lines in blocks: one write a row would be slow, one string for all of them large. */
function* linesOf(rows: readonly CheckedRow[]): Generator<string> {
  for (let from = 0; from < rows.length; from += 1000) {
    yield rows
      .slice(from, from + 1000)
      .map(datasetLine)
      .join('');
  }
}

export function sizes(sides: Sides): DatasetSummary['rows'] {
  return { train: sides.train.length, validation: sides.validation.length, test: sides.test.length };
}

export function labelCounts(sides: Sides, labels: readonly string[]): DatasetSummary['labelCounts'] {
  const [train, validation, test] = SPLITS.map((split) => countLabels(sides[split]));
  return Object.fromEntries(
    labels.map((label) => [
      label,
      { train: train?.get(label) ?? 0, validation: validation?.get(label) ?? 0, test: test?.get(label) ?? 0 },
    ]),
  );
}

/** Rows from elsewhere than the training data (another channel, a later year): the tuned model is measured on them, never trained. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { PrepareDataInput } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import { badData, checkRow, deduplicate, type BadRow, type CheckedRow } from './checks.ts';
import { fromElsewhere, sameAs, type Elsewhere } from './elsewhere.ts';
import { byPlace } from './findings.ts';
import { textIdentity } from './normalise.ts';
import { removePersonalData } from './personal-data.ts';
import { readRows } from './readers.ts';
import { rowLabels } from './row-labels.ts';

/** In a dataset's tree, where the definition names any. */
export const SHIFTED_FILE = 'shifted.jsonl';

/**
 * Checked and redacted as all rows are, each once, and none that a `known` row (of the splits) is but for white space and case. No rows
 * without such files. Throws BadData for bad rows, unless the definition drops them, and where no row can be used.
 */
export async function readShifted(
  input: PrepareDataInput,
  { labels, known }: { readonly labels: readonly string[]; readonly known: readonly CheckedRow[] },
  context: StepContext,
): Promise<Elsewhere<CheckedRow>> {
  const files = input.files.filter(({ split }) => split === 'shifted');
  if (files.length === 0) return { rows: [], badRows: [], left: [], rowsRead: {} };
  const { onBadRow, onPersonalData } = input.data;
  const { rows: read, bad, rowsRead } = await readAll({ ...input, files }, labels, context);
  if (bad.length > 0 && onBadRow === 'fail') throw badData(bad);
  const { rows, left: personal } = await removePersonalData(read, onPersonalData, context);
  const { kept, duplicates, conflicts } = deduplicate(rows);
  const badRows = [...bad, ...conflicts].toSorted(byPlace);
  if (conflicts.length > 0 && onBadRow === 'fail') throw badData(badRows);
  const fresh = fromElsewhere(kept, sameAs(kept, known), { thing: 'row', asks: 'has its text', bad: badRows });
  return { rows: fresh.rows, badRows, left: [...personal, ...duplicates, ...fresh.left], rowsRead };
}

async function readAll(
  { files, data }: PrepareDataInput,
  labels: readonly string[],
  context: StepContext,
): Promise<{ rows: CheckedRow[]; bad: BadRow[]; rowsRead: Record<string, number> }> {
  const rows: CheckedRow[] = [];
  const bad: BadRow[] = [];
  const rowsRead: Record<string, number> = {};
  const { text, pair, label, multiLabel } = data;
  const rules = { maxTextBytes: data.maxTextBytes, labels: [...labels] };
  for (const { path: file, format, ref } of files) {
    if (format !== 'csv' && format !== 'jsonl') continue;
    let read = 0;
    const source = { path: await context.store.file(ref, context.signal), name: file, format };
    for await (const row of readRows(source, { text, pair, label, multiLabel }, context.signal)) {
      read += 1;
      const problem = 'problem' in row ? row.problem : checkRow({ ...row, ...rowLabels(row) }, rules);
      if (problem !== undefined) bad.push({ reason: problem.reason, file, line: row.line, message: problem.message });
      else if (!('problem' in row)) {
        rows.push({ ...row, ...rowLabels(row), file, split: 'test', ...textIdentity(row.text, row.pair) });
      }
    }
    rowsRead[file] = read;
  }
  return { rows, bad, rowsRead };
}

export async function hasShifted(store: ArtifactStore, dataset: ArtifactRef): Promise<boolean> {
  const { entries } = await store.tree(dataset);
  return entries.some(({ path }) => path === SHIFTED_FILE);
}

/** Rows from elsewhere than the training data (another channel, a later year): the tuned model is measured on them, never trained. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { PrepareDataInput } from '../contract/data.ts';
import type { StepContext } from '../step.ts';
import { badData, checkRow, type BadRow, type CheckedRow } from './checks.ts';
import { textIdentity } from './normalise.ts';
import { removePersonalData } from './personal-data.ts';
import { readRows } from './readers.ts';
import { rowLabels } from './row-labels.ts';

/** In a dataset's tree, where the definition names any. */
export const SHIFTED_FILE = 'shifted.jsonl';

/** Checked and redacted as all rows are. Throws BadData for bad rows, unless the definition drops them; `[]` without such files. */
export async function readShifted(
  { files, data }: PrepareDataInput,
  labels: readonly string[],
  context: StepContext,
): Promise<readonly CheckedRow[]> {
  const rows: CheckedRow[] = [];
  const bad: BadRow[] = [];
  const { text, pair, label, multiLabel } = data;
  const rules = { maxTextBytes: data.maxTextBytes, labels: [...labels] };
  for (const { path: file, format, split, ref } of files) {
    if (split !== 'shifted' || (format !== 'csv' && format !== 'jsonl')) continue;
    const source = { path: await context.store.file(ref, context.signal), name: file, format };
    for await (const row of readRows(source, { text, pair, label, multiLabel }, context.signal)) {
      const problem = 'problem' in row ? row.problem : checkRow({ ...row, ...rowLabels(row) }, rules);
      if (problem !== undefined) bad.push({ reason: problem.reason, file, line: row.line, message: problem.message });
      else if (!('problem' in row)) {
        rows.push({ ...row, ...rowLabels(row), file, split: 'test', ...textIdentity(row.text, row.pair) });
      }
    }
  }
  if (bad.length > 0 && data.onBadRow === 'fail') throw badData(bad);
  return (await removePersonalData(rows, data.onPersonalData, context)).rows;
}

export async function hasShifted(store: ArtifactStore, dataset: ArtifactRef): Promise<boolean> {
  const { entries } = await store.tree(dataset);
  return entries.some(({ path }) => path === SHIFTED_FILE);
}

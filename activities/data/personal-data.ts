/** Drops rows and redacts values as the policy says, before anything of them is stored. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { PersonalDataRemoved } from '../contract/data.ts';
import { kindsTo, type PrivacyPolicy } from '../privacy/policy.ts';
import { redactTexts } from '../privacy/redact.ts';
import { findPersonalData } from '../privacy/scan.ts';
import type { StepContext } from '../step.ts';
import type { BadRow, CheckedRow } from './checks.ts';
import { textIdentity } from './normalise.ts';
import { breather } from './pauses.ts';

export interface WithoutPersonalData {
  readonly rows: readonly CheckedRow[];
  readonly left: readonly BadRow[];
  readonly removed?: PersonalDataRemoved;
}

/** `removed` is missing where the policy neither drops nor redacts: the rows are then as they were. */
export async function removePersonalData(
  rows: readonly CheckedRow[],
  policy: PrivacyPolicy,
  context: StepContext,
): Promise<WithoutPersonalData> {
  const dropping = new Set(kindsTo('drop', policy));
  const redacting = kindsTo('redact', policy);
  if (dropping.size + redacting.length === 0) return { rows, left: [] };
  const breathe = breather(context, 'removing personal data');
  const kept: CheckedRow[] = [];
  const left: BadRow[] = [];
  for (const row of rows) {
    const kinds = new Set(dropping.size === 0 ? [] : findPersonalData(row.text).map(({ kind }) => kind));
    const found = [...kinds].filter((kind) => dropping.has(kind));
    if (found.length === 0) kept.push(row);
    else {
      const message = `the row holds personal data: ${found.join(', ')}`;
      left.push({ reason: 'personal-data', file: row.file, line: row.line, message });
    }
    await breathe(row.text);
  }
  const { texts, values, changed } = await redactTexts(
    kept.map(({ text }) => text),
    redacting,
    breathe,
  );
  return {
    rows: kept.map((row, index) => {
      const text = texts[index] as string;
      return text === row.text ? row : { ...row, text, ...textIdentity(text) };
    }),
    left,
    removed: { rowsDropped: left.length, rowsRedacted: changed, values },
  };
}

/** Labels are shown wherever the model is: in reports, answers and metrics. None may be somebody's address or number. */
export function refusePersonalLabels(labels: readonly string[]): void {
  const kinds = new Set(labels.flatMap((label) => findPersonalData(label).map(({ kind }) => kind)));
  if (kinds.size === 0) return;
  throw new EspalierError('BadData', `the labels hold personal data (${[...kinds].join(', ')})`, {
    where: 'data.label',
    fix: 'name the column of the classes, or give the classes names that are nobody’s',
  });
}

/** Drops rows and redacts values as the policy says, before anything of them is stored. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { PersonalDataRemoved } from '../contract/data.ts';
import { textInput, textsOf } from '../../inference/texts.ts';
import type { PersonalDataPolicy } from '../../pipelines/definition/data.ts';
import { kindsTo } from '../privacy/policy.ts';
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
  policy: PersonalDataPolicy,
  context: StepContext,
): Promise<WithoutPersonalData> {
  const dropping = new Set(kindsTo('drop', policy));
  const redacting = kindsTo('redact', policy);
  if (dropping.size + redacting.length === 0) return { rows, left: [] };
  const breathe = breather(context, 'removing personal data');
  const kept: CheckedRow[] = [];
  const left: BadRow[] = [];
  for (const row of rows) {
    const kinds = new Set(
      dropping.size === 0
        ? []
        : textsIn(row)
            .flatMap(findPersonalData)
            .map(({ kind }) => kind),
    );
    const found = [...kinds].filter((kind) => dropping.has(kind));
    if (found.length === 0) kept.push(row);
    else {
      const message = `the row holds personal data: ${found.join(', ')}`;
      left.push({ reason: 'personal-data', file: row.file, line: row.line, message });
    }
    await breathe(textsIn(row).join('\n'));
  }
  const { texts, values } = await redactTexts(kept.flatMap(textsIn), redacting, breathe);
  let place = 0;
  const redacted = kept.map((row) => {
    const text = texts[place++] as string;
    const second = row.pair === undefined ? {} : { pair: texts[place++] as string };
    const same = text === row.text && second.pair === row.pair;
    return same ? row : { ...row, text, ...second, ...textIdentity(text, second.pair) };
  });
  const rowsRedacted = redacted.filter((row, index) => row !== kept[index]).length;
  return { rows: redacted, left, removed: { rowsDropped: left.length, rowsRedacted, values } };
}

function textsIn({ text, pair }: CheckedRow): readonly string[] {
  return textsOf(textInput(text, pair));
}

/** More different values than this are names or numbers, and no group has rows enough to be measured. */
const MOST_GROUPS = 50;

/** Groups are shown in reports, too. Throws BadData for a column that is not there, is no grouping, or holds personal data. */
export function refuseGroups(rows: readonly Pick<CheckedRow, 'groups'>[], columns: readonly string[]): void {
  for (const column of columns) {
    const values = new Set(rows.flatMap(({ groups }) => groups?.[column] ?? []));
    const kinds = new Set([...values].flatMap((value) => findPersonalData(value).map(({ kind }) => kind)));
    const problem =
      values.size === 0
        ? 'no row has a value there'
        : values.size > MOST_GROUPS
          ? `${values.size} different values are no groups`
          : kinds.size > 0
            ? `its values hold personal data (${[...kinds].join(', ')})`
            : undefined;
    if (problem === undefined) continue;
    throw new EspalierError('BadData', `the column '${column}' cannot say which group a row is of: ${problem}`, {
      where: 'data.groups',
      fix: `name columns with at most ${MOST_GROUPS} different values that are nobody’s`,
    });
  }
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

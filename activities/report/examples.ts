/** The model's surest mistakes with their texts, as an approver may see them: no personal value that the scanner knows. */
import { PII_KINDS } from '../../pipelines/definition/data.ts';
import type { Evaluation } from '../contract/validation.ts';
import { redactTexts } from '../privacy/redact.ts';

export type Mistake = Evaluation['mistakes'][number];
export interface Example extends Mistake {
  /** Redacted and cut; null where the evaluation kept none. */
  readonly text: string | null;
}

/** Code points of a text: enough to see why it was hard. */
const MAX_TEXT = 280;

/** `texts` by row id. Redacted as a whole, before it is cut: half of a value may be no value that the scanner knows. */
export async function examplesOf(
  mistakes: readonly Mistake[],
  texts: ReadonlyMap<string, string>,
): Promise<readonly Example[]> {
  const known = mistakes.flatMap(({ rowId }) => {
    const text = texts.get(rowId);
    return text === undefined ? [] : [{ rowId, text }];
  });
  const redacted = await redactTexts(
    known.map(({ text }) => text),
    PII_KINDS,
    () => Promise.resolve(),
  );
  const shown = new Map(known.map(({ rowId }, index) => [rowId, cut(redacted.texts[index] ?? '')]));
  return mistakes.map((mistake) => ({ ...mistake, text: shown.get(mistake.rowId) ?? null }));
}

export function cut(text: string): string {
  const points = Array.from(text);
  return points.length <= MAX_TEXT ? text : `${points.slice(0, MAX_TEXT).join('')}…`;
}

/** The answers that broke most guidelines, as an approver may see them: no personal value that the scanner knows. */
import { PII_KINDS } from '../../pipelines/definition/data.ts';
import type { GeneratorEvaluation } from '../contract/prompting.ts';
import { redactTexts } from '../privacy/redact.ts';
import { cut } from './examples.ts';

export interface AnswerExample {
  readonly rowId: string;
  readonly prompt: string;
  readonly answer: string;
  readonly broken: readonly string[];
}
interface Answered extends AnswerExample {
  readonly refused?: string;
}

/** `answers`: all of the evaluation. Redacted as a whole, before they are cut: half of a value may be none that the scanner knows. */
export async function failedAnswers(
  failures: GeneratorEvaluation['failures'],
  answers: readonly Answered[],
): Promise<readonly AnswerExample[]> {
  const known = failures.flatMap(({ rowId }) => answers.find((one) => one.rowId === rowId) ?? []);
  const texts = known.flatMap(({ prompt, answer, refused }) => [
    prompt,
    refused === undefined ? answer : `(${refused})`,
  ]);
  const redacted = await redactTexts(texts, PII_KINDS, () => Promise.resolve());
  return known.map(({ rowId, broken }, index) => ({
    rowId,
    broken,
    prompt: cut(redacted.texts[2 * index] ?? ''),
    answer: cut(redacted.texts[2 * index + 1] ?? ''),
  }));
}

/** What a checker of one kind of guideline is. */
import type { CheckKind, CheckOf } from '../../../pipelines/guidelines/checks.ts';

/** What was asked, and what the answer may rest on. */
export interface CheckContext {
  readonly prompt: string;
  readonly facts?: readonly string[] | undefined;
  /** What the model was told besides. */
  readonly system?: string | undefined;
  /** What was said before the prompt, by either side. */
  readonly earlier?: readonly string[] | undefined;
}

/** What is wrong with an answer, for people; undefined where the guideline is kept. It may quote the answer: who shows it masks it. */
export type Checker = (answer: string, context: CheckContext) => string | undefined;

export interface Rule<Kind extends CheckKind> {
  /** What an answer is checked by; what can be prepared once is prepared here. */
  readonly checker: (check: CheckOf<Kind>) => Checker;
  /** The rule as a model is told it. */
  readonly tell: (check: CheckOf<Kind>) => string;
}

export const list = (phrases: readonly string[]): string => phrases.map((phrase) => `"${phrase}"`).join(', ');

/** All that an answer may take its facts from. */
export function givenText({ prompt, facts = [], system = '', earlier = [] }: CheckContext): string {
  return [prompt, ...facts, system, ...earlier].join('\n');
}

/**
 * Prompts asked once more with something changed in them that is to change nothing about how they are answered. An answer is
 * judged as one to the prompt as it was: which guidelines are about it hangs on what is asked, not on a letter of it.
 */
import type { GateExample } from '../../contract/examples.ts';
import type { Score } from '../../contract/measures.ts';
import type { PromptRow } from '../../data/prompts.ts';
import { exampleOf, MOST_EXAMPLES } from '../../validation/gate-examples.ts';
import { pairedDifferenceInterval } from '../../validation/paired.ts';
import { NO_SCORE } from '../../validation/scores.ts';
import { answerAll, asked, given, type Answer, type Answering, type AskOptions, type PromptSpec } from '../answers.ts';
import { spoken } from '../gate-examples.ts';
import type { Judge } from '../judge.ts';

export interface Asking {
  readonly generator: Answering;
  readonly prompt: PromptSpec;
  readonly judge: Judge;
  readonly options: AskOptions;
  /** Prompts of a kind, at most; as many as each measure says when missing. */
  readonly most?: number | undefined;
}
/** A test prompt as it is, and whether its answer keeps the guidelines. */
export interface PlainAnswer {
  readonly answer: Answer;
  readonly adherent: boolean;
}
export interface Edited {
  readonly row: PromptRow;
  /** In place of the (last) question. */
  readonly prompt: string;
}
export interface EditedAnswer extends Edited {
  readonly text: string;
  /** null where the model's context leaves no room for an answer: a matter of length, whatever was changed. */
  readonly adherent: boolean | null;
}

/** What was answered to one of the prompts that were asked. */
export type AnswerTo = (edited: Edited) => EditedAnswer;

/** Asks them all, each with its row's draws; what is the same question is asked once. */
export async function askEdited(
  edited: readonly Edited[],
  { generator, prompt, judge, options }: Asking,
): Promise<AnswerTo> {
  const questions = new Map(edited.map((one) => [keyOf(one), one]));
  const rows = [...questions.values()].map((one) => ({ ...one.row, prompt: one.prompt }));
  const said = await answerAll(generator, prompt, rows, options);
  const judgedAnswer = (one: Edited, { text, refused }: Answer): EditedAnswer => {
    const context = given(one.row, prompt.system);
    // What the changed prompt says is given as well: who repeats it invents nothing.
    const { adherent } = judge.of(text, { ...context, earlier: [...(context.earlier ?? []), one.prompt] });
    return { ...one, text, adherent: refused === undefined ? adherent : null };
  };
  const answers = new Map([...questions].map(([key, one], place) => [key, judgedAnswer(one, said[place]!)]));
  return (one) => answers.get(keyOf(one))!;
}

function keyOf({ row, prompt }: Edited): string {
  return JSON.stringify([row.id, prompt]);
}

/** The same prompt asked in two ways: which share of the answers keeps the guidelines, before and after. */
export interface Pair {
  readonly before: number;
  readonly after: number;
}

/** Share of answers that keep the guidelines before, minus after, with Bonett and Price's interval. */
export function dropOf(pairs: readonly Pair[], confidence = 0.95): Score {
  if (pairs.length === 0) return NO_SCORE;
  const differences = pairs.map(({ before, after }) => before - after);
  const value = differences.reduce((sum, one) => sum + one, 0) / pairs.length;
  return { value, interval: pairedDifferenceInterval(differences, confidence), rows: pairs.length };
}

/** Up to five changed prompts with their answers; `note` says what was changed. */
export function changedExamples(
  changed: readonly (EditedAnswer & { readonly note: string })[],
): readonly GateExample[] {
  return changed.slice(0, MOST_EXAMPLES).map(({ row, prompt, text, note }) => {
    const example = exampleOf(row.id, note, spoken(asked({ ...row, prompt }), text));
    // A mistake in a value can hide it from whoever looks for personal data: the prompt as it was is looked through, too.
    return example.text === undefined ? example : { ...example, unedited: spoken(asked(row), text) };
  });
}

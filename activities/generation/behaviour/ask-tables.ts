/** Tables of behaviour tests asked of a generator as it is served: its prompt, its settings, and draws that the seed fixes. */
import type { PromptTest } from '../../../pipelines/behaviour/prompt-rows.ts';
import type { Generator } from '../../../inference/generation/generator.ts';
import type { BehaviourResult } from '../../contract/validation.ts';
import { conversationIdentity } from '../../data/conversations.ts';
import { groupBy } from '../../data/group.ts';
import type { StoredPromptTest } from '../../data/prompt-behaviour.ts';
import type { PromptRow } from '../../data/prompts.ts';
import { shareScore } from '../../validation/scores.ts';
import { answerAll, asked, given, judged, type Answer, type AskOptions, type PromptSpec } from '../answers.ts';
import type { Judge } from '../judge.ts';
import { promptTestProblem, type JudgedAnswer } from './judge-test.ts';

/** A table with every test that was asked: those that hold are evidence as well. */
export interface AskedTable extends BehaviourResult {
  readonly held: readonly HeldTest[];
}
interface HeldTest {
  readonly file: string;
  readonly line: number;
  readonly texts: readonly string[];
  readonly answers: readonly string[];
}

/**
 * One result a table, in the order of the tests; every failure with what was asked and answered. The two questions of a test are
 * drawn alike, so that only what is asked differs; what several tests ask is asked once.
 */
export async function askPromptTables(
  generator: Generator,
  prompt: PromptSpec,
  judge: Judge,
  tests: readonly StoredPromptTest[],
  options: AskOptions,
): Promise<readonly AskedTable[]> {
  const rows = new Map<string, PromptRow>();
  for (const { test } of tests) for (const row of rowsOf(test)) rows.set(keyOf(row), row);
  const said = await answerAll(generator, prompt, [...rows.values()], options);
  const answers = new Map(said.map((answer) => [keyOf(answer.row), judgedAnswer(judge, answer, prompt)]));
  return [...groupBy(tests, ({ table }) => table)].map(([name, ofTable]) => {
    const found = ofTable.map(({ file, line, test }) => {
      const questions = rowsOf(test);
      const answered = questions.flatMap((row) => answers.get(keyOf(row)) ?? []);
      const texts = questions.map(shownQuestion);
      const problem = promptTestProblem(test, answered, judge.declineBy);
      return { file, line, problem, texts, answers: answered.map(({ text }) => text) };
    });
    return {
      name,
      kind: ofTable[0]!.test.kind,
      score: shareScore(found.filter(({ problem }) => problem === null).length, found.length),
      failures: found.flatMap(({ problem, ...rest }) => (problem === null ? [] : [{ ...rest, problem }])),
      held: found.flatMap(({ problem, ...rest }) => (problem === null ? [rest] : [])),
    };
  });
}

/** The questions of a test as rows; both have the first one's draws. */
function rowsOf({ questions, facts }: PromptTest): readonly PromptRow[] {
  const [first] = questions;
  if (first === undefined) return [];
  const { id } = conversationIdentity(first);
  return questions.map(({ history, prompt }) => ({
    id,
    ...(history === undefined ? {} : { history }),
    prompt,
    ...(facts === undefined ? {} : { facts }),
  }));
}

function keyOf({ id, history, prompt, facts }: PromptRow): string {
  return JSON.stringify([id, history, prompt, facts]);
}

function judgedAnswer(judge: Judge, answer: Answer, prompt: PromptSpec): JudgedAnswer {
  const { broken, applied, weighted } = judged(judge, answer, prompt);
  const { system = '' } = given(answer.row, prompt.system);
  return { text: answer.text, system, broken, applied, weighted, refused: answer.refused };
}

/** What was asked, with what was said before it. */
function shownQuestion(row: PromptRow): string {
  const before = (row.history ?? []).map(({ role, content }) => `${role}: ${content}`);
  return before.length === 0 ? asked(row) : [...before, `user: ${asked(row)}`].join('\n');
}

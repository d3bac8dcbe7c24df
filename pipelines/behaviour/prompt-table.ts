/** Tables of behaviour tests of generated text: JSONL, every mistake told by its line and field. No I/O. */
import type { z } from 'zod';
import type { BehaviourKind } from '../definition/behaviour.ts';
import { isAbout } from '../guidelines/about.ts';
import type { GuidelineCheck } from '../guidelines/checks.ts';
import { PROMPT_ROWS, type PromptTest, type PromptTestOf, type Question } from './prompt-rows.ts';
import { readRows, type ReadRow, type RowProblem } from './read-rows.ts';
import type { TableProblem } from './rows.ts';

/** Each prompt takes the model seconds: more of them are a test split. */
export const MOST_PROMPT_TESTS = 1000;

export interface PlacedPromptTest {
  readonly line: number;
  readonly test: PromptTest;
}
export interface PromptTable {
  readonly tests: readonly PlacedPromptTest[];
  readonly problems: readonly TableProblem[];
}

/** How a key or an id that a table has, which may be anybody's text, is shown in a message. */
export type Shown = (name: string) => string;
const cut: Shown = (name) => `'${name.slice(0, 60)}'`;

/** Never throws: what is wrong with the file as a whole is a problem of its first line. */
export function readPromptTable(bytes: Uint8Array, kind: BehaviourKind, shown: Shown = cut): PromptTable {
  const asked = { most: MOST_PROMPT_TESTS, called: 'tests', done: 'asked' };
  const { rows, problems } = readRows(bytes, asked, (row): ReadRow<PromptTest> => {
    const { kind: own = kind, ...written } = row;
    const other = own === kind ? [] : [{ field: 'kind', message: `is another one than the table's, ${kind}` }];
    const parsed = PROMPT_ROWS[kind].safeParse({ ...written, kind });
    if (!parsed.success) {
      return { problems: [...other, ...parsed.error.issues.flatMap((issue) => issueProblems(issue, row, shown))] };
    }
    const twice = askedTwice(parsed.data, 'is the same as what is asked first');
    return { kept: parsed.data, problems: [...other, ...twice] };
  });
  return { tests: rows.map(({ line, kept }) => ({ line, test: kept })), problems };
}

/** A test of two prompts that are one holds whatever the model is; `complaint` says how they are. */
export function askedTwice(test: PromptTest, complaint: string): readonly RowProblem[] {
  const [first, second] = test.questions.map(asRead);
  if (second !== first) return [];
  const field = test.kind === 'directional' ? 'edited' : 'other';
  return [{ field, message: `${complaint}, so that the test always holds` }];
}

/** White space is not seen, nor of what characters a letter is made up. */
function asRead({ history = [], prompt }: Question): string {
  const said = [...history, { role: 'user', content: prompt }];
  const read = (content: string): string => content.normalize('NFC').replaceAll(/\s+/gu, ' ').trim();
  return JSON.stringify(said.map(({ role, content }) => [role, read(content)]));
}

/** Tests that name a check which there is not, or which is not about what they ask: such a one nothing can break. */
export function checkProblems(
  tests: readonly PlacedPromptTest[],
  guidelines: readonly GuidelineCheck[],
  shown: Shown = cut,
): readonly TableProblem[] {
  const about = new Map(guidelines.map((check) => [check.id, isAbout(check)]));
  return tests.flatMap(({ line, test }): readonly TableProblem[] => {
    if (test.kind === 'directional') return unmeasured(line, test, [...about.values()]);
    const field = test.kind === 'invariance' ? 'checks' : 'keeps';
    const named = test.kind === 'invariance' ? test.checks : test.keeps;
    if (named === undefined) return [];
    const isAsked = (id: string): boolean => test.questions.every(({ prompt }) => about.get(id)?.(prompt) === true);
    if (named === 'all') {
      if ([...about.keys()].some(isAsked)) return [];
      return [{ line, field, message: "is 'all', and no guideline is about what is asked" }];
    }
    return named.flatMap((id): readonly TableProblem[] => {
      const named = `has ${shown(id)}`;
      if (!about.has(id)) return [{ line, field, message: `${named}, which is the id of no check of the guidelines` }];
      if (isAsked(id)) return [];
      return [{ line, field, message: `${named}, which is not about ${asked(test)} (its \`when\`)` }];
    });
  });
}

/** The adherence of an answer that no guideline is about is 1, whatever it says. */
function unmeasured(
  line: number,
  { measure, questions }: PromptTestOf<'directional'>,
  about: readonly ReturnType<typeof isAbout>[],
): readonly TableProblem[] {
  if (measure !== 'adherence') return [];
  const place = questions.findIndex(({ prompt }) => !about.some((isAsked) => isAsked(prompt)));
  if (place === -1) return [];
  const what = place === 0 ? 'what is asked first' : 'what is asked in `edited`';
  return [{ line, field: 'measure', message: `is adherence, and no guideline is about ${what}` }];
}

function asked({ questions }: PromptTest): string {
  return questions.length === 1 ? 'this prompt' : 'both prompts';
}

/**
 * The same test with every text in it as `written` gives it, in one order always: what is asked, facts, phrases. Ids of checks stay.
 */
export function withTexts(test: PromptTest, written: (text: string) => string): PromptTest {
  const questions = test.questions.map(({ history, prompt }): Question => {
    const before = history?.map(({ role, content }) => ({ role, content: written(content) }));
    return { ...(before === undefined ? {} : { history: before }), prompt: written(prompt) };
  });
  const lists = (['facts', ...PHRASES] as const).flatMap((field) => {
    const list = listIn(test, field);
    return list === undefined ? [] : [[field, list.map(written)] as const];
  });
  return { ...test, questions, ...Object.fromEntries(lists) };
}

const PHRASES = ['says', 'saysOneOf', 'saysNot', 'phrases'] as const;

function listIn(test: PromptTest, field: 'facts' | (typeof PHRASES)[number]): readonly string[] | undefined {
  const list: unknown = field in test ? test[field as keyof PromptTest] : undefined;
  return Array.isArray(list) ? list.map(String) : undefined;
}

/** Phrases that are no longer looked for as they are written; `complaint` says of each why. */
export function changedPhrases(
  line: number,
  { written, kept }: { readonly written: PromptTest; readonly kept: PromptTest },
  complaint: string,
): readonly TableProblem[] {
  return PHRASES.flatMap((field) => {
    const now = listIn(kept, field);
    return (listIn(written, field) ?? []).flatMap((phrase, at) =>
      phrase === now?.[at] ? [] : [{ line, field: `${field}[${at}]`, message: complaint }],
    );
  });
}

/** Every text in it, in the order of `withTexts`. */
export function textsIn(test: PromptTest): readonly string[] {
  const texts: string[] = [];
  withTexts(test, (text) => {
    texts.push(text);
    return text;
  });
  return texts;
}

function issueProblems(
  issue: z.core.$ZodIssue,
  row: Readonly<Record<string, unknown>>,
  shown: Shown,
): readonly RowProblem[] {
  const [name, ...inner] = issue.path;
  const value = row[String(name)];
  if (issue.code === 'invalid_union' && inner.length === 0 && Array.isArray(value)) {
    // Of a list the mistakes in it are told, not that it is no text.
    const inside = issue.errors.at(-1) ?? [];
    return inside.flatMap((one) => issueProblems({ ...one, path: [...issue.path, ...one.path] }, row, shown));
  }
  if (issue.code === 'unrecognized_keys' && name === undefined) {
    const message = 'is no field of such a test; what is for people goes into note';
    return issue.keys.map((key) => ({ field: shown(key), message }));
  }
  if (name === undefined) return [{ message: issue.message }];
  const below = inner.map((part) => (typeof part === 'number' ? `[${part}]` : `.${keyShown(String(part), shown)}`));
  const field = `${String(name)}${below.join('')}`;
  if (issue.code !== 'custom' && inner.length === 0 && value === undefined) return [{ field, message: 'is missing' }];
  if (issue.code === 'invalid_type' && issue.message.startsWith('Invalid input'))
    return [{ field, message: `must be a ${issue.expected}` }];
  return [{ field, message: issue.message }];
}

/** A message may have any key; one of a single word is told as it is. */
function keyShown(key: string, shown: Shown): string {
  return /^[a-z_]{1,30}$/i.test(key) ? key : shown(key);
}

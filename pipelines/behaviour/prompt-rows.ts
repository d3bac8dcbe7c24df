/**
 * What a test of generated text is, as people write it: a JSON object a line, a schema a kind. What is asked is a prompt, or a
 * conversation that ends with the user's turn; what is expected is named, and an unknown key is a mistake: a misspelt
 * expectation would be none. No I/O.
 */
import { z } from 'zod';
import { text } from './cells.ts';

export const MEASURES = ['words', 'sentences', 'readingGrade', 'lix', 'adherence'] as const;
/** What a directional test follows; `adherence`: share of the guidelines about the prompt that are kept, by their weights. */
export type PromptMeasure = (typeof MEASURES)[number];

export interface Turn {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}
/** What is asked, and what was said before it. */
export interface Question {
  readonly history?: readonly Turn[];
  readonly prompt: string;
}

const MOST_PHRASES = 100;
const MOST_FACTS = 100;
const NO_STRINGS = 'must be a list of strings';
const strings = (most: number) =>
  z
    .array(text, NO_STRINGS)
    .min(1, 'is an empty list: leave it out')
    .max(most, `has more than ${most}`)
    .refine((all) => new Set(all).size === all.length, 'has the same twice');
const phrases = strings(MOST_PHRASES);
const checks = z.union([z.literal('all'), phrases], "must be 'all', or a list of ids of the guidelines");

/** As in data: perhaps one system text, then user and assistant in turn. Other keys would go unheard. */
const messages = z
  .array(
    z
      .object({
        role: z.enum(['system', 'user', 'assistant'], 'must be system, user or assistant'),
        content: text,
      })
      .catchall(z.null('is not read: a message has role and content'))
      .transform(({ role, content }): Turn => ({ role, content })),
    'must be a list of messages, each with role and content',
  )
  .max(1000, 'has more than 1000 messages')
  .superRefine((turns, issues) => {
    const spoken = turns.filter(({ role }) => role !== 'system');
    const wrong =
      turns.slice(1).some(({ role }) => role === 'system') ||
      spoken.some(({ role }, at) => role !== (at % 2 === 0 ? 'user' : 'assistant')) ||
      spoken.length % 2 === 0;
    const message = 'must be user and assistant in turn, at most one system text before them, and end with the user';
    if (wrong) issues.addIssue({ code: 'custom', message });
  });

const asked = {
  prompt: text.optional(),
  /** In place of `prompt`. */
  messages: messages.optional(),
  /** What the answer may rest on, told before the question, as `data.facts` is. */
  facts: strings(MOST_FACTS).optional(),
  /** For people; not kept. */
  note: z.string().optional(),
} as const;
/** Another prompt in place of the (last) question; a list is a conversation of its own. */
const variant = z.union([text, messages], 'must be a prompt, or a list of messages');

const EXPECTED = ['says', 'saysOneOf', 'saysNot', 'keeps', 'refuses', 'givesAway'] as const;
const COMPARED = ['checks', 'refusal', 'phrases'] as const;

const functionality = z.strictObject({
  kind: z.literal('minimum-functionality'),
  ...asked,
  /** All of them stand in the answer; one of them does; none does. */
  says: phrases.optional(),
  saysOneOf: phrases.optional(),
  saysNot: phrases.optional(),
  /** Checks of the guidelines, by id, that it keeps; `all` that are about the prompt. */
  keeps: checks.optional(),
  refuses: z.boolean('must be true or false').optional(),
  /** That it does give the instructions away nobody asks for. */
  givesAway: z.literal(false, 'must be false, or left out').optional(),
});
const invariance = z.strictObject({
  kind: z.literal('invariance'),
  ...asked,
  other: variant,
  /** Checks, by id, that both answers keep, or both break; `all` that are about both prompts. */
  checks: checks.optional(),
  /** Both decline, or neither does. */
  refusal: z.literal(true, 'must be true, or left out').optional(),
  /** Each stands in both answers, or in neither. */
  phrases: phrases.optional(),
});
const DIRECTION = 'must be fall or rise';
const directional = z.strictObject({
  kind: z.literal('directional'),
  ...asked,
  edited: variant,
  measure: z.enum(MEASURES, `must be one of ${MEASURES.join(', ')}`),
  /** From the answer to the prompt to that of `edited`: by at least `by`. */
  must: z.enum(['fall', 'rise'], DIRECTION).optional(),
  /** By more than `by`. */
  mustNot: z.enum(['fall', 'rise'], DIRECTION).optional(),
  by: z.number('must be a number').min(0, 'must be a number from 0').max(1_000_000, 'must be at most 1000000'),
});

/** By kind; the output has what is asked resolved. */
export const PROMPT_ROWS = {
  'minimum-functionality': functionality.superRefine(oneQuestion).superRefine(canHold).transform(withQuestions),
  invariance: invariance.superRefine(oneQuestion).superRefine(needs(COMPARED)).transform(withQuestions),
  directional: directional.superRefine(oneQuestion).superRefine(oneDirection).transform(withQuestions),
} as const;
type Written = z.output<typeof functionality> | z.output<typeof invariance> | z.output<typeof directional>;
type Rows = typeof PROMPT_ROWS;
export type PromptTest = z.output<Rows[keyof Rows]>;
export type PromptTestOf<Kind extends keyof Rows> = z.output<Rows[Kind]>;

type Issues = z.core.$RefinementCtx;

function oneQuestion({ prompt, messages: turns }: Written, issues: Issues): void {
  if ((prompt === undefined) !== (turns === undefined)) return;
  const message = prompt === undefined ? 'is missing: write it, or messages' : 'stands beside messages: write one';
  issues.addIssue({ code: 'custom', path: ['prompt'], message });
}

/** A test that expects nothing always holds. */
function needs<Field extends string>(fields: readonly Field[]) {
  return (row: Readonly<Partial<Record<Field, unknown>>>, issues: Issues): void => {
    if (fields.some((field) => row[field] !== undefined)) return;
    issues.addIssue({ code: 'custom', message: `expects nothing: write at least one of ${fields.join(', ')}` });
  };
}

function canHold(row: z.output<typeof functionality>, issues: Issues): void {
  needs(EXPECTED)(row, issues);
  const wanted = row.says ?? [];
  const both = row.saysNot?.findIndex((phrase) => wanted.some((other) => alike(other) === alike(phrase))) ?? -1;
  if (both === -1) return;
  issues.addIssue({ code: 'custom', path: ['saysNot', both], message: 'stands in says, too: no answer can do both' });
}

function oneDirection({ measure, must, mustNot, by }: z.output<typeof directional>, issues: Issues): void {
  const tell = (path: string, message: string): void => issues.addIssue({ code: 'custom', path: [path], message });
  if ((must === undefined) === (mustNot === undefined)) {
    tell('must', must === undefined ? 'is missing: write must, or mustNot' : 'stands beside mustNot: write one');
    return;
  }
  const isShare = measure === 'adherence';
  if (must !== undefined && by === 0) tell('by', 'must be above 0: by 0 the measure need not move');
  if (must !== undefined && isShare && by > 1) tell('by', 'must be at most 1: a share cannot move by more');
  if (mustNot !== undefined && isShare && by >= 1) tell('by', 'must be below 1: a share cannot move by more');
}

/** Phrases are looked for whatever their case and white space. */
function alike(phrase: string): string {
  return phrase.normalize('NFKC').toLowerCase().replaceAll(/\s+/gu, ' ').trim();
}

/** What is asked, in the place of how it was written. */
function withQuestions<Row extends Pick<Written, 'prompt' | 'messages' | 'note'> & Variants>(row: Row) {
  const { prompt = '', messages: turns, note: _, other, edited, ...kept } = row;
  const first = turns === undefined ? { prompt } : questionOf(turns);
  const second = other ?? edited;
  const questions: readonly Question[] = second === undefined ? [first] : [first, variantOf(second, first)];
  return { ...kept, questions };
}
interface Variants {
  readonly other?: z.output<typeof variant>;
  readonly edited?: z.output<typeof variant>;
}

function variantOf(second: string | readonly Turn[], first: Question): Question {
  return typeof second === 'string' ? { ...first, prompt: second } : questionOf(second);
}

function questionOf(turns: readonly Turn[]): Question {
  const history = turns.slice(0, -1);
  return { ...(history.length === 0 ? {} : { history }), prompt: turns.at(-1)?.content ?? '' };
}

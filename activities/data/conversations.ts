/** Rows that are conversations of several turns: read, told apart, and kept on one side of a split. Pure but for pauses. */
import type { Message } from '../../inference/generation/chat.ts';
import { quoted, type BadRow, type CheckedRow } from './checks.ts';
import { isBlank, nearKey, normaliseText, rowId, sha256Hex, type TextIdentity } from './normalise.ts';
import { pause } from './pauses.ts';

/** A conversation up to its last question, and the answer that it ends with. */
export interface Conversation {
  /** Missing where the question is the first thing that is said. */
  readonly history?: readonly Message[];
  readonly prompt: string;
  readonly completion?: string;
}
interface Problem {
  readonly reason: string;
  readonly message: string;
}

/** Turns beyond this are a log, not a conversation. */
const MOST_MESSAGES = 1000;
const ROLES = ['system', 'user', 'assistant'] as const;

/**
 * Of `[{ role, content }, …]`: perhaps one system text, then user and assistant in turn, the user first. `column`: for
 * messages, which name the field. Keys beside role and content are refused unless they are null: they would go unheard.
 */
export function conversationOf(value: unknown, column: string, maxTextBytes: number): Conversation | Problem {
  if (!Array.isArray(value)) return bad(`${column} is of type ${typeOf(value)}, not a list of messages`);
  const given: readonly unknown[] = value;
  if (given.length > MOST_MESSAGES)
    return { reason: 'too-long', message: `${column} has ${given.length} messages, more than ${MOST_MESSAGES}` };
  const messages: Message[] = [];
  for (const [index, one] of given.entries()) {
    const message = messageOf(one, `${column}[${index}]`, maxTextBytes);
    if ('reason' in message) return message;
    const wrong = orderProblem(message.role, messages, (place) => `${column}[${place}].role`);
    if (wrong !== undefined) return bad(wrong);
    messages.push(message);
  }
  const answered = messages.at(-1)?.role === 'assistant';
  const last = messages.length - (answered ? 2 : 1);
  const prompt = messages[last];
  if (prompt?.role !== 'user') return bad(`${column} has no user's turn`);
  const completion = messages[last + 1]?.content;
  return {
    ...(last === 0 ? {} : { history: messages.slice(0, last) }),
    prompt: prompt.content,
    ...(completion === undefined ? {} : { completion }),
  };
}

function messageOf(value: unknown, at: string, maxTextBytes: number): Message | Problem {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return bad(`${at} is of type ${typeOf(value)}, not an object with role and content`);
  const { role: named, content, ...others } = value as Readonly<Record<string, unknown>>;
  const role = ROLES.find((one) => one === named);
  if (role === undefined) {
    const what = typeof named === 'string' ? quoted(named) : `of type ${typeOf(named)}`;
    return bad(`${at}.role is ${what}, not one of ${ROLES.join(', ')}`);
  }
  if (typeof content !== 'string') return bad(`${at}.content is of type ${typeOf(content)}, not a string`);
  const other = Object.keys(others).find((key) => others[key] !== null);
  if (other !== undefined) return bad(`${at} has ${quoted(other)}, which is not read: a message has role and content`);
  if (isBlank(content)) return { reason: 'empty-text', message: `${at}.content is empty` };
  // JSON can escape half a surrogate pair, which no UTF-8 file can hold.
  if (!content.isWellFormed()) return { reason: 'not-utf8', message: `${at}.content is not valid UTF-8` };
  const bytes = Buffer.byteLength(content);
  if (bytes > maxTextBytes) {
    const message = `${at}.content has ${bytes} bytes, more than data.maxTextBytes (${maxTextBytes})`;
    return { reason: 'too-long', message };
  }
  return { role, content };
}

/** What is wrong with a message of this role after these. */
function orderProblem(
  role: Message['role'],
  before: readonly Message[],
  at: (place: number) => string,
): string | undefined {
  const place = before.length;
  if (role === 'system') return place === 0 ? undefined : `${at(place)} is 'system': a system text stands first`;
  const earlier = before.at(-1)?.role;
  if (role === earlier) return `${at(place)} is '${role}', as ${at(place - 1)} is: user and assistant take turns`;
  if (role === 'assistant' && earlier !== 'user')
    return `${at(place)} is 'assistant': a conversation begins with the user`;
  return undefined;
}

function bad(message: string): Problem {
  return { reason: 'bad-messages', message };
}

function typeOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

/**
 * What a conversation is told apart by: all that is said up to its last question. The system text tells two apart, and
 * makes none alike: one that all rows share would make twins of all of them. Of a question alone, the identity of its text.
 */
export function conversationIdentity({ history = [], prompt }: Pick<Conversation, 'history' | 'prompt'>): TextIdentity {
  const system = history.filter(({ role }) => role === 'system').map(({ content }) => normaliseText(content));
  const turns = turnsOf(history, prompt).map(normaliseText);
  // A line feed is in no normalised text. Without a system text the number of turns is odd.
  return {
    id: rowId([...system, ...turns].join('\n')),
    normalised: turns.join('\n'),
    near: turns.map(nearKey).join('\n'),
  };
}

function turnsOf(history: readonly Message[], prompt: string): readonly string[] {
  return [...history.filter(({ role }) => role !== 'system').map(({ content }) => content), prompt];
}

type Row = CheckedRow & Pick<Conversation, 'history'>;

/** Which side keeps a conversation that several have, as of equal texts. */
const SIDES = ['test', 'validation', 'train', 'all'] as const;

/**
 * Two rows are one conversation where one asks what the other asks on its way, whatever is answered then: all answers of a
 * row are learnt, so that a training row holds an answer to the very thing that the other row is tested by. Data sets that were cut
 * at every answer are such, and rows that differ in the system text alone. Rows of one get one `near` key, by which the
 * split keeps them together, also where they differ in digits, punctuation and case; where sides are declared, those of
 * the held-out side stay. Duplicates may be gone before: they ask what the row asks that stood for them.
 */
export async function keepConversationsWhole<Given extends Row>(
  rows: readonly Given[],
  signal?: AbortSignal,
): Promise<{ readonly rows: readonly Given[]; readonly straddling: readonly BadRow[] }> {
  if (rows.every(({ history }) => history === undefined)) return { rows, straddling: [] };
  const exact = await shortestOfEach(rows, ({ normalised }) => normalised, signal);
  const holds = new Map<Given, (typeof SIDES)[number]>();
  for (const [index, { split }] of rows.entries()) {
    const first = exact[index]!;
    const held = holds.get(first) ?? split;
    holds.set(first, SIDES.indexOf(split) < SIDES.indexOf(held) ? split : held);
  }
  const straddles = (index: number): boolean => holds.get(exact[index]!) !== rows[index]!.split;
  const nearly = await shortestOfEach(rows, ({ near }) => near, signal);
  return {
    rows: rows.map((row, index) => ({ ...row, near: nearly[index]!.near })).filter((_, index) => !straddles(index)),
    straddling: rows.flatMap(({ file, line }, index): readonly BadRow[] => {
      if (!straddles(index)) return [];
      const message = `it begins as, or goes on with, a conversation of ${holds.get(exact[index]!)}`;
      return [{ reason: 'same-conversation', file, line, message }];
    }),
  };
}

/**
 * Of each row the first that asks least of what the row asks on its way: of rows that begin as one another all have the
 * same. `asked`: the turns up to the last question, without a system text.
 */
async function shortestOfEach<Given extends Row>(
  rows: readonly Given[],
  asked: (row: Given) => string,
  signal?: AbortSignal,
): Promise<readonly Given[]> {
  const askedBy = new Map<string, Given>();
  const found: (readonly string[])[] = [];
  for (const row of rows) {
    const questions = beginningsOf(asked(row));
    const last = questions.at(-1)!;
    if (!askedBy.has(last)) askedBy.set(last, row);
    found.push(questions);
    if (found.length % PAUSE_ROWS === 0) await pause(signal);
  }
  return found.map((questions) => askedBy.get(questions.find((question) => askedBy.has(question))!)!);
}
const PAUSE_ROWS = 2000;

/** Of a conversation as `conversationIdentity` gives it: a hash of each beginning that ends with a question, so of the first turn, of the first three, and so on. */
export function beginningsOf(conversation: string): readonly string[] {
  const turns = conversation.split('\n');
  let before = '';
  return turns.map((turn) => (before = sha256Hex(`${before}\n${turn}`))).filter((_, place) => place % 2 === 0);
}

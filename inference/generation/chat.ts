/** Conversations as prompts: the bundle's own instructions first, then what the user said. Pure. */
import { EspalierError } from '../../artifacts/errors.ts';
import { CHAT_FORMATS, type ChatFormatName } from './chat-formats.ts';
import type { ServedPrompt } from './served-prompt.ts';

export interface Message {
  readonly role: 'system' | 'user' | 'assistant';
  readonly content: string;
}

/** The messages with the prompt's system text and examples before them; a caller's own system messages follow the prompt's. */
export function withPrompt(prompt: Pick<ServedPrompt, 'system' | 'examples'>, messages: readonly Message[]): Message[] {
  const texts = [prompt.system, ...messages.filter(({ role }) => role === 'system').map(({ content }) => content)];
  const system = texts.filter((text) => text !== '').join('\n\n');
  return [
    ...(system === '' ? [] : [{ role: 'system', content: system } as const]),
    ...prompt.examples.flatMap(({ user, assistant }) => [
      { role: 'user', content: user } as const,
      { role: 'assistant', content: assistant } as const,
    ]),
    ...messages.filter(({ role }) => role !== 'system'),
  ];
}

/** A part of a rendered prompt: `ours` is a marker of the format, the rest is somebody's text. */
export interface PromptPart {
  readonly text: string;
  readonly ours: boolean;
}

/**
 * A conversation in the model's format, ready for the answer. Throws BadRequest unless the messages are at most one system
 * text first, and then turns that end with the user's.
 */
export function renderChat(format: ChatFormatName, messages: readonly Message[]): PromptPart[] {
  return partsOf(format, messages).map(({ text, ours }) => ({ text, ours }));
}

/** `answer`: of an assistant's text, which message it is. */
function partsOf(
  format: ChatFormatName,
  messages: readonly Message[],
): (PromptPart & { readonly answer?: number | undefined })[] {
  const { system, user, assistant, opening, systemInUser = false } = CHAT_FORMATS[format];
  const wrong = conversationProblem(messages);
  if (wrong !== undefined) throw new EspalierError('BadRequest', wrong, { where: 'messages' });
  const turn = (around: { readonly before: string; readonly after: string }, content: string, answer?: number) => [
    { text: around.before, ours: true },
    { text: content, ours: false, answer },
    { text: around.after, ours: true },
  ];
  const parts: ReturnType<typeof partsOf> = [];
  let pending: ReturnType<typeof partsOf> = [];
  for (const [place, { role, content }] of messages.entries()) {
    if (role === 'system' && systemInUser) pending = turn(system, content);
    else if (role === 'system') parts.push(...turn(system, content));
    else if (role === 'assistant') parts.push(...turn(assistant, content, place));
    else {
      const [before, ...after] = turn(user, content);
      parts.push(...(before === undefined ? [] : [before]), ...pending, ...after);
      pending = [];
    }
  }
  parts.push({ text: opening, ours: true });
  return parts.filter(({ text }) => text !== '');
}

/** The same as one text: for training data and for people. */
export function chatText(format: ChatFormatName, messages: readonly Message[]): string {
  return renderChat(format, messages)
    .map(({ text }) => text)
    .join('');
}

/** From a place to before another, in code points. */
export type Span = readonly [from: number, to: number];

/**
 * Where in `chatText` the earlier answers stand that a model is to learn, in order: each with the space that the opening
 * leaves to it, and, apart, what ends it. `isLearnt` is asked by a message's place.
 */
export function answerSpans(
  format: ChatFormatName,
  messages: readonly Message[],
  isLearnt: (place: number) => boolean,
): readonly Span[] {
  const { assistant, opening, end } = CHAT_FORMATS[format];
  const left = assistant.before.length - opening.length;
  const gap = assistant.after.indexOf(end);
  const spans: Span[] = [];
  let at = 0;
  for (const { text, answer } of partsOf(format, messages)) {
    const from = at;
    at += Array.from(text).length;
    if (answer === undefined || !isLearnt(answer)) continue;
    spans.push([from - left, at]);
    if (end !== '') spans.push([at + gap, at + gap + end.length]);
  }
  return spans;
}

/** What follows a conversation's prompt when a model is trained on an answer; the trainer puts the end token after it. */
export function answerText(format: ChatFormatName, answer: string): string {
  // The space that the opening leaves to the answer's first word.
  const { assistant, opening } = CHAT_FORMATS[format];
  return `${assistant.before.slice(opening.length)}${answer}`;
}

function conversationProblem(messages: readonly Message[]): string | undefined {
  if (messages.length === 0) return 'there is no message';
  const later = messages.findIndex(({ role }, at) => role === 'system' && at > 0);
  if (later > 0) return `message ${later} is a system message: it must be the first`;
  if (messages.at(-1)?.role !== 'user') return 'the last message must be the user’s';
  return undefined;
}

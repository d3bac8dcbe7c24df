/**
 * Prompts with more before the question than the rows have: as served ones have, of which nothing is known while candidates are timed.
 * Where there is no room for them, shorter ones: what stands before costs what two lengths differ by. Pure.
 */
import { withPrompt, type Message } from '../../inference/generation/chat.ts';

/** The most that is read: prompts with examples have some hundred tokens, and longer ones lie on the same curve. */
const MOST_TOKENS = 2048;
/** Reading one prompt takes no longer than about this, on a slow model. */
const MOST_READ_MS = 10_000;

/** Two lengths tell what tokens cost where one is so many times the other: of nearer ones the noise says more. */
const FAR = 5 / 4;
/** A shorter prompt is this part of what was timed. */
const SHORT = 1 / 4;

/**
 * How many tokens the prompts of other lengths should have, the shorter first. Two longer ones: the longest, and one between it and what was
 * timed on the scale of factors. Where the longest is not twice as long as what was timed, one much shorter stands for the second,
 * and the longest is among them where it is far from what was timed. Empty where nothing is.
 */
export function otherLengths(
  { promptTokens, firstMs }: { readonly promptTokens: number; readonly firstMs: number },
  { contextTokens, newTokens }: { readonly contextTokens: number; readonly newTokens: number },
): readonly number[] {
  const affordable = (MOST_READ_MS / firstMs) * promptTokens;
  const longest = Math.floor(Math.min(contextTokens - newTokens, MOST_TOKENS, affordable));
  if (longest >= 2 * promptTokens) return [Math.round(Math.sqrt(promptTokens * longest)), longest];
  return [Math.max(1, Math.round(promptTokens * SHORT)), longest].filter(
    (length, at) => isFarFrom(promptTokens, length) && (at === 0 || length > promptTokens),
  );
}

/** Whether a prompt of so many tokens says what more or fewer of them cost than were timed. */
export function isFarFrom(timed: number, promptTokens: number): boolean {
  return Math.max(timed / promptTokens, promptTokens / timed) >= FAR;
}

/** The end of what was said, as a question by itself. */
export function shortened(conversation: readonly Message[], characters: number): readonly Message[] {
  return [{ role: 'user', content: textOf(conversation).slice(-Math.max(1, characters)) }];
}

/** The conversation with a system text before it, made of all of the conversations' words, over and over. */
export function lengthened(
  conversation: readonly Message[],
  characters: number,
  among: readonly (readonly Message[])[],
): readonly Message[] {
  const words = among.map(textOf).join('\n');
  if (words === '') return conversation;
  const system = words.repeat(Math.ceil(characters / words.length)).slice(0, characters);
  return withPrompt({ system, examples: [] }, conversation);
}

export function textOf(conversation: readonly Message[]): string {
  return conversation.map(({ content }) => content).join('\n');
}

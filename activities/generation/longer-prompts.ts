/** Prompts with more before the question than the rows have: as served ones have, of which nothing is known while candidates are timed. Pure. */
import { withPrompt, type Message } from '../../inference/generation/chat.ts';

/** The most that is read: prompts with examples have some hundred tokens, and longer ones lie on the same curve. */
const MOST_TOKENS = 2048;
/** Reading one prompt takes no longer than about this, on a slow model. */
const MOST_READ_MS = 10_000;

/**
 * How many tokens the longer prompts should have, the shorter first: two, the first between what was timed and the longest on the scale of
 * factors. Empty where the longest is not twice as long as what was timed.
 */
export function longerLengths(
  { promptTokens, firstMs }: { readonly promptTokens: number; readonly firstMs: number },
  { contextTokens, newTokens }: { readonly contextTokens: number; readonly newTokens: number },
): readonly number[] {
  const affordable = (MOST_READ_MS / firstMs) * promptTokens;
  const longest = Math.floor(Math.min(contextTokens - newTokens, MOST_TOKENS, affordable));
  if (!(longest >= 2 * promptTokens)) return [];
  return [Math.round(Math.sqrt(promptTokens * longest)), longest];
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

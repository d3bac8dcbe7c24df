/** The memory of a generator that answers as a served worker does: several conversations at once, the longest that there are. */
import { extname } from 'node:path';
import { withPrompt, type Message } from '../../inference/generation/chat.ts';
import { MOST_TURNS } from '../../inference/workers.ts';
import { askChild } from '../selection/measuring-child.ts';
import { conversationOf, type Answer, type PromptSpec } from './answers.ts';

export interface MemoryTask {
  readonly folder: string;
  readonly conversations: readonly (readonly Message[])[];
  readonly maxNewTokens: number;
}
export interface ServedMemory {
  /** The most that the process had resident, and of that what it had not before the model was loaded. */
  readonly processMb: number;
  readonly workerMb: number;
}

/** Tokens of each answer that are written: beyond them only the caches grow, by what is known (`cacheMbOf`). */
const MOST_NEW_TOKENS = 64;

/** Of an evaluated generator: `answers` are those to the test prompts, `longestTokens` the tokens that were reached. */
export async function servedMemory(
  {
    folder,
    answers,
    prompt,
    maxNewTokens,
  }: Omit<MemoryTask, 'conversations'> & {
    readonly answers: readonly Answer[];
    readonly prompt: PromptSpec;
  },
  signal: AbortSignal,
): Promise<ServedMemory & { readonly promptTokens: number; readonly newTokens: number }> {
  const longest = answers
    .filter(({ refused }) => refused === undefined)
    .toSorted((a, b) => b.promptTokens - a.promptTokens)
    .slice(0, MOST_TURNS);
  // Of fewer prompts than a worker has turns some are asked twice.
  const conversations = Array.from({ length: longest.length === 0 ? 0 : MOST_TURNS }, (_, turn) =>
    withPrompt(prompt, conversationOf(longest[turn % longest.length]!.row)),
  );
  const newTokens = Math.min(MOST_NEW_TOKENS, maxNewTokens);
  const program = new URL(`./memory-child${extname(import.meta.url)}`, import.meta.url);
  const task: MemoryTask = { folder, conversations, maxNewTokens: newTokens };
  const measured = await askChild<ServedMemory>(program, task, signal);
  return { ...measured, promptTokens: longest[0]?.promptTokens ?? 0, newTokens };
}

/** The memory of a generator that answers as a served worker does: several conversations at once, each as long as the longest. */
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
  /** Tokens that every answer came to: one may have ended sooner than the others. 0 where nothing was asked. */
  readonly newTokens: number;
}
interface Served extends Omit<MemoryTask, 'conversations'> {
  readonly answers: readonly Answer[];
  readonly prompt: PromptSpec;
}

/** Tokens of each answer that are written at most: beyond them only the caches grow, by what is known (`cacheMbOf`). */
const MOST_NEW_TOKENS = 64;

/** Of an evaluated generator: `answers` are those to the test prompts, `promptTokens` what the longest of these has. */
export async function servedMemory(
  served: Served,
  signal: AbortSignal,
): Promise<ServedMemory & { readonly promptTokens: number }> {
  const program = new URL(`./memory-child${extname(import.meta.url)}`, import.meta.url);
  const measured = await askChild<ServedMemory>(program, memoryTask(served), signal);
  return { ...measured, promptTokens: longestOf(served.answers)?.promptTokens ?? 0 };
}

/** The longest conversation in every turn: of shorter ones beside it the caches would not be there when they are counted. */
export function memoryTask({ folder, answers, prompt, maxNewTokens }: Served): MemoryTask {
  const longest = longestOf(answers);
  const conversation = longest === undefined ? undefined : withPrompt(prompt, conversationOf(longest.row));
  return {
    folder,
    conversations: conversation === undefined ? [] : Array.from({ length: MOST_TURNS }, () => conversation),
    maxNewTokens: Math.min(MOST_NEW_TOKENS, maxNewTokens),
  };
}

function longestOf(answers: readonly Answer[]): Answer | undefined {
  return answers.filter(({ refused }) => refused === undefined).toSorted((a, b) => b.promptTokens - a.promptTokens)[0];
}

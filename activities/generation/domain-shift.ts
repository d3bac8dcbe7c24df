/**
 * Whether test prompts come from where training prompts come from, by their words alone: the share of them that is from elsewhere
 * (`validation/foreign-share.ts`) by counts of runs of characters. No model is asked, so that it says nothing of how it reads them.
 */
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import { beginningsOf, conversationIdentity } from '../data/conversations.ts';
import type { PromptRow } from '../data/prompts.ts';
import { countRuns, PLACES } from '../validation/character-runs.ts';
import { exampleOf } from '../validation/gate-examples.ts';
import { foreignShare } from '../validation/foreign-share.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { asked } from './answers.ts';

/** Training prompts that test prompts are held against, drawn where there are more. */
export const COMPARED_PROMPTS = 1000;

export interface DomainShift {
  readonly score: Score;
  /** Test prompts that are told from training prompts most surely. */
  readonly examples: readonly GateExample[];
}

export async function domainShift(
  train: readonly PromptRow[],
  test: readonly PromptRow[],
  options: { readonly seed: number; readonly signal: AbortSignal },
): Promise<DomainShift> {
  const [here, there] = [await runsOf(train, options.signal), await runsOf(test, options.signal)];
  const { score, surest } = await foreignShare(here, there, PLACES, {
    ...options,
    keys: [conversationsOf(train), conversationsOf(test)],
    called: 'prompts',
  });
  return {
    score,
    examples: surest.map((place) => {
      const row = test[place]!;
      return exampleOf(row.id, 'told from training prompts', asked(row));
    }),
  };
}

/**
 * Of each prompt the conversations that it is part of: those that another row asks whole, as the split keeps them together, and those
 * that begin with the same two questions. Texts that differ only in digits, punctuation or case are one.
 */
function conversationsOf(rows: readonly PromptRow[]): readonly (readonly string[])[] {
  const beginnings = rows.map((row) => beginningsOf(conversationIdentity(row).near));
  const whole = new Set(beginnings.map((asked) => asked.at(-1)));
  return beginnings.map((asked) => asked.filter((one, place) => place > 0 || whole.has(one)));
}

/** [prompts, PLACES] row-major. */
async function runsOf(rows: readonly PromptRow[], signal: AbortSignal): Promise<Float32Array> {
  const slice = timeSlice(signal);
  const counted = new Float32Array(rows.length * PLACES);
  for (const [place, { prompt }] of rows.entries()) {
    counted.set(countRuns(prompt), place * PLACES);
    await slice();
  }
  return counted;
}

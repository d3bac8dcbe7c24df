/**
 * Whether test prompts come from where training prompts come from, by their words alone: the share of them that is from elsewhere
 * (`validation/foreign-share.ts`) by counts of runs of characters. No model is asked, so that it says nothing of how it reads them.
 */
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import { beginningsOf, conversationIdentity } from '../data/conversations.ts';
import { normaliseText } from '../data/normalise.ts';
import type { PromptRow } from '../data/prompts.ts';
import { exampleOf } from '../validation/gate-examples.ts';
import { foreignShare } from '../validation/foreign-share.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { asked } from './answers.ts';

/** Training prompts that test prompts are held against, drawn where there are more. */
export const COMPARED_PROMPTS = 1000;
/** Runs of so many characters, words' ends among them (Cavnar & Trenkle, N-Gram-Based Text Categorization, SDAIR 1994). */
const RUNS = [3, 4, 5];
/** Runs share places by their hash (Weinberger et al., Feature Hashing for Large Scale Multitask Learning, ICML 2009). */
const PLACES = 1024;
/** Of a long prompt its beginning: counts of more change little. */
const MOST_CHARACTERS = 4000;

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
  const [here, there] = [await countRuns(train, options.signal), await countRuns(test, options.signal)];
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

/** [prompts, PLACES] row-major, each row of length 1: logarithms of counts, with the sign of the hash. */
async function countRuns(rows: readonly PromptRow[], signal: AbortSignal): Promise<Float32Array> {
  const slice = timeSlice(signal);
  const counted = new Float32Array(rows.length * PLACES);
  for (const [place, row] of rows.entries()) {
    const text = ` ${normaliseText(row.prompt.slice(0, MOST_CHARACTERS))} `;
    const counts = new Map<string, number>();
    for (const length of RUNS) {
      for (let at = 0; at + length <= text.length; at++) {
        const run = text.slice(at, at + length);
        counts.set(run, (counts.get(run) ?? 0) + 1);
      }
    }
    const features = counted.subarray(place * PLACES, (place + 1) * PLACES);
    for (const [run, count] of counts) {
      const hash = hashOf(run);
      features[hash % PLACES]! += (hash & 0x8000_0000 ? -1 : 1) * (1 + Math.log(count));
    }
    const length = Math.hypot(...features);
    if (length > 0) for (let at = 0; at < PLACES; at++) features[at]! /= length;
    await slice();
  }
  return counted;
}

/** FNV-1a over UTF-16 units, 32 bits, mixed once more: its low bits alone are weak. */
function hashOf(text: string): number {
  let hash = 0x811c_9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x45d9_f3b);
  return (hash ^ (hash >>> 16)) >>> 0;
}

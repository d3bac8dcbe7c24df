/** Answers that nobody could be shown: empty, going in circles, without an end. Pure. */
import type { Completion } from '../../../inference/generation/options.ts';
import type { Score } from '../../contract/measures.ts';
import { shareScore } from '../../validation/scores.ts';
import { repeatedShare } from '../guidelines/measures.ts';
import { runsOf, wordsOf } from '../guidelines/text.ts';

export type Degeneration = 'empty' | 'loop' | 'repetitive' | 'too-long';

/** Four words are no idiom; people say them three times in a row only in songs. */
const LOOP = { words: 4, times: 3 };
/** A single word or sign so often in a row. */
const STUTTER = 8;
/** Human text repeats hardly any of its runs of four words, greedy decoding of a language model often a third and more (Welleck et al. 2020). */
const MOST_REPEATED = 0.5;
/** Below it a share says nothing: five runs, of which two are the same. */
const LEAST_WORDS = 16;

/**
 * What is wrong with an answer as a text; undefined: nothing. Loops are what likelihood decoding falls into (Holtzman et
 * al., The Curious Case of Neural Text Degeneration, ICLR 2020). `too-long`: it was cut at the limit; only where
 * `mustEnd`, since a limit may be meant.
 */
export function degenerationOf(
  { text, finish }: Pick<Completion, 'text' | 'finish'>,
  { mustEnd = false }: { readonly mustEnd?: boolean } = {},
): Degeneration | undefined {
  if (!/[\p{L}\p{N}\p{S}]/u.test(text)) return 'empty';
  const words = wordsOf(text.toLowerCase());
  if (loops(words) || stutters(text)) return 'loop';
  if (words.length >= LEAST_WORDS && repeatedShare(words, LOOP.words) > MOST_REPEATED) return 'repetitive';
  return mustEnd && finish === 'length' ? 'too-long' : undefined;
}

/** Whether a stretch of one to some words stands three times in a row and makes up four words or more each time; or one word eight times. */
function loops(words: readonly string[]): boolean {
  let inRow = 1;
  for (let at = 1; at < words.length; at += 1) {
    inRow = words[at] === words[at - 1] ? inRow + 1 : 1;
    if (inRow >= STUTTER) return true;
  }
  const longest = Math.min(MAX_PERIOD, Math.floor(words.length / LOOP.times));
  for (let period = LOOP.words; period <= longest; period += 1) {
    // So many words in a row equal to those one period earlier: the stretch stands three times.
    let equal = 0;
    for (let at = period; at < words.length; at += 1) {
      equal = words[at] === words[at - period] ? equal + 1 : 0;
      if (equal >= period * (LOOP.times - 1)) return true;
    }
  }
  return false;
}
const MAX_PERIOD = 64;

/** The same sign in a row, but for white space and what tables and rules are drawn with. */
function stutters(text: string): boolean {
  return /([^\s\-=_.*#|+~─])\1{23}/u.test(text);
}

/** Share of answers that degenerate, with Wilson's interval, and how many by what. */
export function degenerationScore(
  answers: readonly Pick<Completion, 'text' | 'finish'>[],
  options: { readonly mustEnd?: boolean } = {},
): { readonly score: Score; readonly counts: Readonly<Record<Degeneration, number>> } {
  const counts: Record<Degeneration, number> = { empty: 0, loop: 0, repetitive: 0, 'too-long': 0 };
  for (const answer of answers) {
    const found = degenerationOf(answer, options);
    if (found !== undefined) counts[found] += 1;
  }
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return { score: shareScore(all, answers.length), counts };
}

/**
 * distinct-n: different runs of n words over all runs, of all answers together (Li et al., A Diversity-Promoting Objective
 * Function for Neural Conversation Models, NAACL 2016). It falls with the number of answers: compare equal numbers. null
 * where no answer has n words.
 */
export function distinctRuns(texts: readonly string[], length: number): number | null {
  const different = new Set<string>();
  let all = 0;
  for (const text of texts) {
    const runs = runsOf(wordsOf(text.toLowerCase()), length);
    all += runs.length;
    for (const run of runs) different.add(run);
  }
  return all === 0 ? null : different.size / all;
}

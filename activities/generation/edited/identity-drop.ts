/**
 * Whether how people are answered hangs on who they are: prompts with a sentence after them that says who writes, and with the
 * identity words in them swapped, each held against the same prompts changed as much without anybody being another.
 */
import type { GateExample } from '../../contract/examples.ts';
import type { Score } from '../../contract/measures.ts';
import { mostBeyond } from '../../validation/invariance.ts';
import { notMeasured } from '../../validation/scores.ts';
import { changedExamples, dropOf, type Asking, type PlainAnswer } from './ask-edited.ts';
import { bySentences } from './by-sentences.ts';
import { bySwaps, type WithWords } from './by-swaps.ts';

/** One identity, on the prompts that it was asked on. */
export interface IdentityAnswers {
  /** The sentence, or the group and a word of the identity. */
  readonly name: string;
  readonly prompts: number;
  /** Answers within the guidelines to the neutral (or the other identity's) prompts, of several to one prompt their share; and to this identity's. */
  readonly keptBefore: number;
  readonly kept: number;
}
export interface IdentityDrop {
  readonly score: Score;
  readonly identities: readonly IdentityAnswers[];
  readonly withWords: WithWords;
  /** Of the worst identity: prompts that are answered within the guidelines for the others alone. */
  readonly examples: readonly GateExample[];
}

/** The worst of all identities, whose interval begins highest; the intervals hold for all of them at once (Bonferroni). */
export async function identityDrop(plain: readonly PlainAnswer[], asking: Asking): Promise<IdentityDrop> {
  const rows = plain.map(({ answer }) => answer.row);
  const { identities: swapped, withWords } = await bySwaps(rows, asking);
  const identities = [...(await bySentences(rows, asking)), ...swapped].filter(({ pairs }) => pairs.length > 0);
  if (identities.length === 0) {
    return { score: notMeasured('no test prompt leaves room for more words'), identities: [], withWords, examples: [] };
  }
  const worst = mostBeyond(
    identities.map((one) => ({
      ...one,
      score: { ...dropOf(one.pairs, 1 - 0.05 / identities.length), of: one.name },
    })),
  );
  const lost = worst.pairs
    .filter(({ before, after }) => before > 0 && after === 0)
    .toSorted((one, other) => other.before - one.before);
  return {
    score: worst.score,
    identities: identities.map(({ name, pairs }) => ({
      name,
      prompts: pairs.length,
      keptBefore: pairs.reduce((sum, { before }) => sum + before, 0),
      kept: pairs.reduce((sum, { after }) => sum + after, 0),
    })),
    withWords,
    examples: changedExamples(lost.map(({ said }) => ({ ...said, note: worst.note }))),
  };
}

/** One identity as whom prompts are asked, and what it is held against. */
import type { EditedAnswer, Pair } from './ask-edited.ts';

export interface IdentityPair extends Pair {
  /** As this identity was answered. */
  readonly said: EditedAnswer;
}
export interface Identity {
  /** The sentence, or the group and a word of the identity. */
  readonly name: string;
  /** Of an example. */
  readonly note: string;
  readonly pairs: readonly IdentityPair[];
}

/** None where this identity, or all of the others, leave no room for an answer. */
export function pairOf(others: readonly EditedAnswer[], said: EditedAnswer): readonly IdentityPair[] {
  const known = others.filter(({ adherent }) => adherent !== null);
  if (known.length === 0 || said.adherent === null) return [];
  const before = known.filter(({ adherent }) => adherent === true).length / known.length;
  return [{ before, after: Number(said.adherent), said }];
}

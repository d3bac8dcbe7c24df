/** Prompts with the identity words in them swapped, against other words of the same identity in the same places. */
import { wholeText } from '../../../inference/texts.ts';
import { groupBy } from '../../data/group.ts';
import type { PromptRow } from '../../data/prompts.ts';
import { FEWEST_SWAPPED } from '../../validation/counterfactuals.ts';
import { builtInIdentities, swappers, type Swap, type Swapper } from '../../validation/identity-swaps.ts';
import { timeSlice } from '../../validation/time-slice.ts';
import { askEdited, type AnswerTo, type Asking, type Edited } from './ask-edited.ts';
import { pairOf, type Identity, type IdentityPair } from './identity.ts';
import { drawn, looksWorse, type Looks } from './looks.ts';

/** Prompts of a group for each of its identities, two answers each: a prompt is of two of them. */
export const SWAP_LOOKS: Looks = { first: 12, all: 40, goesOnFrom: 3 / 16 };

/** Of each group of words, the test prompts that have one (looked for until there are enough); fewer than twenty are not asked. */
export type WithWords = readonly { readonly group: string; readonly prompts: number }[];

interface Swapped {
  readonly row: PromptRow;
  readonly swap: Swap;
}
const same = ({ row, swap }: Swapped): Edited => ({ row, prompt: wholeText(swap.neutral) });
const other = ({ row, swap }: Swapped): Edited => ({ row, prompt: wholeText(swap.swapped) });
const isOf = ({ swap }: Swapped, identity: number): boolean => swap.from === identity || swap.to === identity;

/**
 * A prompt counts for the identity that it names and for the one that it is swapped to, each against the other: whichever is
 * answered worse shows, whoever the prompts are about. After the first look those prompts alone are asked that are of an
 * identity that is answered worse. An identity with fewer than twenty prompts is left out; one whose first look was enough has fewer answers.
 */
export async function bySwaps(
  rows: readonly PromptRow[],
  asking: Asking,
): Promise<{ readonly identities: readonly Identity[]; readonly withWords: WithWords }> {
  const table = builtInIdentities();
  const wordsOf = groupBy(table, ({ group }) => group);
  const withWords: { group: string; prompts: number }[] = [];
  const identities: Identity[] = [];
  for (const { group, has, swap } of swappers(table)) {
    const words = wordsOf.get(group)?.[0]?.words ?? [];
    const found = await rowsWith(has, rows, SWAP_LOOKS.all * words.length, asking);
    withWords.push({ group, prompts: found.length });
    if (found.length < FEWEST_SWAPPED) continue;
    const swapped = found.flatMap((row, turn): readonly Swapped[] => {
      const made = swap(row.prompt, turn);
      return made === null ? [] : [{ row, swap: made }];
    });
    const pairs = await pairsOf(swapped, words.length, asking);
    identities.push(
      ...words.flatMap((word, identity) => {
        // By the prompts, before any answer: how many are judged at once is not to hang on who was answered worse.
        if (swapped.filter((one) => isOf(one, identity)).length < FEWEST_SWAPPED) return [];
        const name = `words of ${group} in the prompt, as "${word}"`;
        return [{ name, note: `not within the guidelines with ${name}`, pairs: pairs[identity]! }];
      }),
    );
  }
  return { identities, withWords };
}

/** Of each identity of a group. */
async function pairsOf(
  swapped: readonly Swapped[],
  identities: number,
  asking: Asking,
): Promise<readonly (readonly IdentityPair[])[]> {
  const [early, late] = [swapped.slice(0, SWAP_LOOKS.first * identities), swapped.slice(SWAP_LOOKS.first * identities)];
  const ask = (some: readonly Swapped[]): Promise<AnswerTo> =>
    askEdited(
      some.flatMap((one) => [same(one), other(one)]),
      asking,
    );
  const heldIn = (some: readonly Swapped[], answerTo: AnswerTo, identity: number): readonly IdentityPair[] =>
    some.flatMap((one) => {
      if (one.swap.from === identity) return pairOf([answerTo(other(one))], answerTo(same(one)));
      return one.swap.to === identity ? pairOf([answerTo(same(one))], answerTo(other(one))) : [];
    });
  const numbers = Array.from({ length: identities }, (_, identity) => identity);
  const answerTo = await ask(early);
  const first = numbers.map((identity) => heldIn(early, answerTo, identity));
  const open = numbers.filter((identity) => looksWorse(first[identity]!, SWAP_LOOKS));
  const more = late.filter((one) => open.some((identity) => isOf(one, identity)));
  const answerLater = await ask(more);
  // What was asked for another's sake is not counted: an identity is looked at once or twice, by its own answers.
  return numbers.map((identity) =>
    open.includes(identity) ? [...first[identity]!, ...heldIn(more, answerLater, identity)] : first[identity]!,
  );
}

/**
 * A uniform sample of the prompts with such a word, in a drawn order: they are looked at in it until there are enough.
 * No fewer where fewer of a kind are asked: they are spread over the identities of the group, and few of each show nothing.
 */
async function rowsWith(
  has: Swapper['has'],
  rows: readonly PromptRow[],
  most: number,
  { options: { seed, signal } }: Asking,
): Promise<readonly PromptRow[]> {
  const slice = timeSlice(signal);
  const found: PromptRow[] = [];
  for (const row of drawn(rows, rows.length, seed, 35)) {
    if (has(row.prompt)) found.push(row);
    if (found.length === most) break;
    await slice();
  }
  return found;
}

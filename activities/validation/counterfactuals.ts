/** Whether labels hang on who a text is about, or by: identity words in it are swapped, sentences put after it, a control beside each. */
import type { TextInput } from '../../inference/texts.ts';
import type { Score } from '../contract/measures.ts';
import type { SwappedGroup } from '../contract/validation.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { identityFamilies } from './identities.ts';
import { builtInIdentities, swappers, type Swap, type Swapper } from './identity-swaps.ts';
import {
  flipped,
  flipsBeyond,
  identityFlips,
  labelsOf,
  mostBeyond,
  type Asked,
  type IdentityFlips,
  type TurnedText,
  type Turns,
} from './invariance.ts';
import { seededRandom, shuffleStart } from './random.ts';
import { timeSlice } from './time-slice.ts';

/** Texts of a group that are asked, twice each. */
const SWAPPED_TEXTS = 100;
/** Swapped words of an example that are kept. */
const EXAMPLE_WORDS = 20;
/** Fewer texts with a word of a group show little: they are counted and not judged. */
export const FEWEST_SWAPPED = 20;

export interface AskedRows {
  readonly ids: readonly string[];
  readonly texts: readonly TextInput[];
  readonly predicted: Int32Array;
}
export interface Counterfactual {
  readonly group: SwappedGroup;
  /** Of each text that was asked. */
  readonly swapped: Turns;
  readonly neutral: Turns;
  /** Up to five that flip with the other identity alone; `row` counts all rows. */
  readonly changed: readonly TurnedText[];
}

/**
 * Of each group of identities up to a hundred texts that have a word of it: with all its words swapped for another
 * identity's, and with other words of the same identity in the same places. A flip is another label than the text's own.
 * One swap a text each, so that both have one chance to flip.
 */
export async function counterfactuals(
  asked: Asked,
  { ids, texts, predicted }: AskedRows,
): Promise<readonly Counterfactual[]> {
  const found: Counterfactual[] = [];
  for (const { group, has, swap } of swappers(builtInIdentities())) {
    const chosen = await rowsWith(has, texts, asked);
    if (chosen.length === 0) continue;
    const slice = timeSlice(asked.signal);
    const swaps: (Swap & { readonly row: number })[] = [];
    for (const [turn, row] of chosen.entries()) {
      const made = swap(texts[row]!, turn);
      if (made !== null) swaps.push({ row, ...made });
      await slice();
    }
    const turnsOf = async (edited: (one: Swap) => TextInput): Promise<Turns> => {
      const labels = await labelsOf(asked, swaps.map(edited));
      return swaps.map((one, place) => (labels[place] === predicted[one.row] ? null : edited(one)));
    };
    const swapped = await turnsOf((one) => one.swapped);
    const neutral = await turnsOf((one) => one.neutral);
    const turned = swaps.filter((_, place) => swapped[place] !== null && neutral[place] === null);
    const shown = turned.slice(0, MOST_EXAMPLES);
    found.push({
      group: {
        name: group,
        judged: swaps.length >= FEWEST_SWAPPED,
        words: swaps.reduce((sum, { before }) => sum + before.length, 0),
        edited: swaps.length,
        flipped: flipped(swapped),
        flippedNeutral: flipped(neutral),
        examples: shown.map(({ row, before, after }) => ({
          rowId: ids[row]!,
          before: before.slice(0, EXAMPLE_WORDS),
          after: after.slice(0, EXAMPLE_WORDS),
        })),
      },
      swapped,
      neutral,
      changed: shown.map((one) => ({ row: one.row, edit: `words of ${group} swapped`, after: one.swapped })),
    });
  }
  return found;
}

/** A uniform sample of the rows with such a word, ascending. Rows are looked at in a seeded order until there are enough. */
async function rowsWith(
  has: Swapper['has'],
  texts: readonly TextInput[],
  { seed, signal }: Pick<Asked, 'seed' | 'signal'>,
): Promise<readonly number[]> {
  const order = Uint32Array.from({ length: texts.length }, (_, row) => row);
  shuffleStart(order, order.length, seededRandom(seed, 17));
  const slice = timeSlice(signal);
  const found: number[] = [];
  for (const row of order) {
    if (has(texts[row]!)) found.push(row);
    if (found.length === SWAPPED_TEXTS) break;
    await slice();
  }
  return found.toSorted((a, b) => a - b);
}

export interface Identities extends Pick<IdentityFlips, 'score' | 'byFamily'> {
  readonly swaps: readonly SwappedGroup[];
  /** Of what is judged; `row` counts all rows. */
  readonly changed: readonly TurnedText[];
}

/**
 * The worst of all groups that were swapped in enough texts and all families of sentences, which are put after the rows at
 * `places`: texts with no identity word in them have the sentences alone. The intervals hold for all of them at once.
 */
export async function identityGate(asked: Asked, rows: AskedRows, places: readonly number[]): Promise<Identities> {
  const swaps = await counterfactuals(asked, rows);
  const judged = swaps.filter(({ group }) => group.judged);
  const families = identityFamilies();
  const comparisons = families.identities.length + judged.length;
  const sentences = await identityFlips(
    asked,
    places.map((row) => rows.texts[row]!),
    families,
    comparisons,
  );
  const bySwaps = judged.map(({ group, swapped, neutral, changed }) => ({
    score: ofSwaps(flipsBeyond(swapped, neutral, 1 - 0.05 / comparisons), group.name),
    changed,
  }));
  const bySentences = {
    score: judged.length > 0 ? sentences.score : withoutSwaps(sentences.score),
    changed: sentences.changed.map((one) => ({ ...one, row: places[one.row]! })),
  };
  const { score, changed } = mostBeyond([...bySwaps, bySentences]);
  return { score, changed, byFamily: sentences.byFamily, swaps: swaps.map(({ group }) => group) };
}

const ofSwaps = (score: Score, group: string): Score => ({ ...score, of: `words of ${group} swapped in the text` });
const withoutSwaps = (score: Score): Score => ({
  ...score,
  of: `${score.of}; fewer than ${FEWEST_SWAPPED} texts have identity words to be swapped`,
});

/** What small mistakes in a prompt cost: the share of answers within the guidelines, with and without them, on the same prompts. */
import type { GateExample } from '../../contract/examples.ts';
import type { Score } from '../../contract/measures.ts';
import { editsOf, type Perturbation } from '../../validation/perturbations.ts';
import { sampleIndices, seededRandom } from '../../validation/random.ts';
import { notMeasured } from '../../validation/scores.ts';
import { askEdited, changedExamples, dropOf, type Asking, type PlainAnswer } from './ask-edited.ts';

/** Prompts that are asked again, once each: an answer takes seconds, and two hundred show a loss of 30 points always. */
export const NOISY_PROMPTS = 200;

/** Those of classifiers: what thumbs and keyboards do, and case. */
export const mistakes = (): readonly Perturbation[] => [
  ...editsOf('noiseFlips'),
  ...editsOf('flipRate').filter(({ name }) => name === 'lower case' || name === 'upper case'),
];

export interface NoiseDrop {
  readonly score: Score;
  /** Of each mistake, prompts that were asked with it, and the answers within the guidelines without it and with it. */
  readonly byMistake: readonly {
    readonly name: string;
    readonly asked: number;
    readonly keptBefore: number;
    readonly kept: number;
  }[];
  /** Prompts that are answered within the guidelines as they are, and not with the mistake. */
  readonly examples: readonly GateExample[];
}

/**
 * One mistake a prompt, in turn (of those that change it): so many prompts say more than few with every mistake. The answers
 * to the prompts as they are have been given already.
 */
export async function noiseDrop(plain: readonly PlainAnswer[], asking: Asking): Promise<NoiseDrop> {
  const all = mistakes();
  const most = Math.min(NOISY_PROMPTS, asking.most ?? NOISY_PROMPTS);
  const chosen = sampleIndices(plain.length, most, seededRandom(asking.options.seed, 33));
  const edited = chosen.flatMap((place, turn) => {
    const { answer, adherent } = plain[place]!;
    const found = mistakeIn(answer.row.prompt, turn, all);
    return found === undefined ? [] : [{ row: answer.row, before: adherent, ...found }];
  });
  const answerTo = await askEdited(edited, asking);
  const pairs = edited.flatMap((one) => {
    const { text, adherent } = answerTo(one);
    return adherent === null ? [] : [{ ...one, text, adherent, after: adherent }];
  });
  return {
    score: pairs.length === 0 ? notMeasured('no test prompt can be asked with a mistake in it') : dropOf(pairs),
    byMistake: all.map(({ name }) => {
      const of = pairs.filter(({ mistake }) => mistake === name);
      return {
        name,
        asked: of.length,
        keptBefore: of.filter(({ before }) => before).length,
        kept: of.filter(({ after }) => after).length,
      };
    }),
    examples: changedExamples(
      pairs
        .filter(({ before, after }) => before && !after)
        .map((one) => ({ ...one, note: `no longer within the guidelines by: ${one.mistake}` })),
    ),
  };
}

/** From the one whose turn it is on, the first that changes the prompt and leaves something of it. */
function mistakeIn(
  prompt: string,
  turn: number,
  all: readonly Perturbation[],
): { readonly mistake: string; readonly prompt: string } | undefined {
  for (let at = 0; at < all.length; at++) {
    const { name, apply } = all[(turn + at) % all.length]!;
    const after = apply(prompt);
    if (after !== prompt && after.trim() !== '') return { mistake: name, prompt: after };
  }
  return undefined;
}

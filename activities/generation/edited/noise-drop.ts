/** What small mistakes in a prompt cost: the share of answers within the guidelines, with and without them, on the same prompts. */
import type { GateExample } from '../../contract/examples.ts';
import type { Score } from '../../contract/measures.ts';
import { editsOf, type Perturbation } from '../../validation/perturbations.ts';
import { notMeasured } from '../../validation/scores.ts';
import { askEdited, changedExamples, dropOf, type Asking, type PlainAnswer } from './ask-edited.ts';
import { drawn, looksWorse, shortened, type Looks } from './looks.ts';

/**
 * Prompts that are asked again, once each: an answer takes seconds. Two hundred show a loss of 30 points always; of a model that
 * loses nothing forty say so three times in four, and one that loses 30 points goes on from them always (bench/edited-prompt-gates.ts).
 */
export const NOISE_LOOKS: Looks = { first: 40, all: 200, goesOnFrom: 0.05 };

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
 * to the prompts as they are have been given already. Forty prompts, and all where those look worse.
 */
export async function noiseDrop(plain: readonly PlainAnswer[], asking: Asking): Promise<NoiseDrop> {
  const all = mistakes();
  const looks = shortened(NOISE_LOOKS, asking.most);
  const edited = drawn(plain, looks.all, asking.options.seed, 33).flatMap(({ answer, adherent }, turn) => {
    const found = mistakeIn(answer.row.prompt, turn, all);
    return found === undefined ? [] : [{ row: answer.row, before: Number(adherent), ...found }];
  });
  const ask = async (some: typeof edited) => {
    const answerTo = await askEdited(some, asking);
    return some.flatMap((one) => {
      const { text, adherent } = answerTo(one);
      return adherent === null ? [] : [{ ...one, text, adherent, after: adherent }];
    });
  };
  const first = await ask(edited.slice(0, looks.first));
  const pairs = looksWorse(first, looks) ? [...first, ...(await ask(edited.slice(looks.first)))] : first;
  return {
    score: pairs.length === 0 ? notMeasured('no test prompt can be asked with a mistake in it') : dropOf(pairs),
    byMistake: all.map(({ name }) => {
      const of = pairs.filter(({ mistake }) => mistake === name);
      return {
        name,
        asked: of.length,
        keptBefore: of.filter(({ before }) => before === 1).length,
        kept: of.filter(({ after }) => after).length,
      };
    }),
    examples: changedExamples(
      pairs
        .filter(({ before, after }) => before === 1 && !after)
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

/** What small mistakes in a prompt cost: the share of answers within the guidelines, with and without them, on the same prompts. */
import type { GateExample } from '../../contract/examples.ts';
import type { Score } from '../../contract/measures.ts';
import { groupBy } from '../../data/group.ts';
import { editsOf, type Perturbation } from '../../validation/perturbations.ts';
import { notMeasured } from '../../validation/scores.ts';
import {
  askEdited,
  changedExamples,
  dropOf,
  type Asking,
  type Edited,
  type Pair,
  type PlainAnswer,
} from './ask-edited.ts';
import { drawn, looksWorse, shortened, type Looks } from './looks.ts';

/**
 * Answers that are asked for: of forty prompts one each, and where those look worse two hundred, of fewer prompts several each, with
 * another mistake every time. Of a model that loses nothing forty say so three times in four, and one that loses 30 points goes on
 * from them always (bench/edited-prompt-gates.ts).
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

interface Mistaken extends Edited {
  readonly mistake: string;
  readonly before: number;
}

/**
 * One mistake a prompt, in turn (of those that change it), and where forty look worse two hundred answers: so many prompts say more
 * than few with every mistake, and of few the mean over several leaves less to chance. A prompt counts once, however
 * often it is asked. The answers to the prompts as they are have been given already.
 */
export async function noiseDrop(plain: readonly PlainAnswer[], asking: Asking): Promise<NoiseDrop> {
  const all = mistakes();
  const looks = shortened(NOISE_LOOKS, asking.most);
  const mistaken = drawn(plain, looks.all, asking.options.seed, 33).flatMap(({ answer, adherent }, turn) => {
    const found = mistakesIn(answer.row.prompt, turn, all);
    return found.length === 0 ? [] : [found.map((one) => ({ row: answer.row, before: Number(adherent), ...one }))];
  });
  const ask = async (some: readonly Mistaken[]) => {
    const answerTo = await askEdited(some, asking);
    return some.flatMap((one) => {
      const { text, adherent } = answerTo(one);
      return adherent === null ? [] : [{ ...one, text, adherent }];
    });
  };
  // The first mistake of every prompt, then the second of every prompt, and so on.
  const inTurn = all.flatMap((_, nth) => mistaken.flatMap((of) => of[nth] ?? [])).slice(0, looks.all);
  const first = await ask(inTurn.slice(0, looks.first));
  const said = looksWorse(pairsOf(first), looks) ? [...first, ...(await ask(inTurn.slice(looks.first)))] : first;
  return {
    score: said.length === 0 ? notMeasured('no test prompt can be asked with a mistake in it') : dropOf(pairsOf(said)),
    byMistake: all.map(({ name }) => {
      const of = said.filter(({ mistake }) => mistake === name);
      return {
        name,
        asked: of.length,
        keptBefore: of.filter(({ before }) => before === 1).length,
        kept: of.filter(({ adherent }) => adherent).length,
      };
    }),
    examples: changedExamples(
      said
        .filter(({ before, adherent }) => before === 1 && !adherent)
        .map((one) => ({ ...one, note: `no longer within the guidelines by: ${one.mistake}` })),
    ),
  };
}

/** One a prompt: the answer to it as it is, and the mean of those to it with mistakes. */
function pairsOf(said: readonly (Mistaken & { readonly adherent: boolean })[]): readonly Pair[] {
  return [...groupBy(said, ({ row }) => row.id).values()].map((of) => ({
    before: of[0]!.before,
    after: of.filter(({ adherent }) => adherent).length / of.length,
  }));
}

/** From the one whose turn it is on, those that change the prompt and leave something of it. */
function mistakesIn(
  prompt: string,
  turn: number,
  all: readonly Perturbation[],
): readonly { readonly mistake: string; readonly prompt: string }[] {
  return all.flatMap((_, at) => {
    const { name, apply } = all[(turn + at) % all.length]!;
    const after = apply(prompt);
    return after !== prompt && after.trim() !== '' ? [{ mistake: name, prompt: after }] : [];
  });
}

/** What the chosen generator is asked besides the test prompts as they are, and whether those are like what it was chosen by. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { AskedLess, AskingGate } from '../contract/prompting.ts';
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import { samplePrompts } from '../data/prompts.ts';
import type { StepContext } from '../step.ts';
import type { Answer } from './answers.ts';
import { COMPARED_PROMPTS, domainShift } from './domain-shift.ts';
import type { Asking, PlainAnswer } from './edited/ask-edited.ts';
import { identityDrop, type IdentityDrop } from './edited/identity-drop.ts';
import { noiseDrop, type NoiseDrop } from './edited/noise-drop.ts';
import type { Judgement } from './judge.ts';
import { WAS_OFF } from './judge-generation.ts';
import { loadShifted, shiftedDrop, type ShiftedDrop } from './shifted-drop.ts';

export type AskedAgainGate = AskingGate | 'domainShift';

/** What is known of gates that are off. */
const NOT_ASKED: NoiseDrop & IdentityDrop & ShiftedDrop = {
  score: WAS_OFF,
  byMistake: [],
  identities: [],
  withWords: [],
  examples: [],
};

export interface AskedAgain {
  readonly measures: Readonly<Record<AskedAgainGate, Score>>;
  readonly examples: Readonly<Record<AskedAgainGate, readonly GateExample[]>>;
  /** Counts by mistake and by identity, and the answers to prompts from elsewhere. */
  readonly details: Readonly<Record<string, unknown>>;
}

/** `answers` to the test prompts with what is `judged` of them; `asking`: as whom it is asked, by what progress calls it. Gates that are off are not asked for. */
export async function askAgain(
  answers: readonly Answer[],
  judged: readonly Judgement[],
  asking: (phase: string) => Asking,
  {
    store,
    signal,
    dataset,
    seed,
    askedLess: { not = [], most } = {},
  }: Pick<StepContext, 'store' | 'signal'> & {
    readonly dataset: ArtifactRef;
    readonly seed: number;
    readonly askedLess?: AskedLess | undefined;
  },
): Promise<AskedAgain> {
  const fitting = answers.flatMap((answer, index): readonly PlainAnswer[] =>
    answer.refused === undefined ? [{ answer, adherent: judged[index]!.adherent }] : [],
  );
  const asked = (phase: string): Asking => ({ ...asking(phase), most });
  const unlessOff = async <Found>(gate: AskingGate, ask: () => Promise<Found>) =>
    not.includes(gate) ? NOT_ASKED : ask();
  const noise = await unlessOff('noiseDrop', () => noiseDrop(fitting, asked('asking with small mistakes')));
  const identities = await unlessOff('identityDrop', () => identityDrop(fitting, asked('asking as other people')));
  const shifted = await unlessOff('shiftedDrop', async () => {
    const elsewhere = await loadShifted(store, dataset, seed, signal, most);
    return shiftedDrop(judged, elsewhere, asked('asking prompts from elsewhere'));
  });
  const learnt = await samplePrompts([store, dataset, 'train', signal], COMPARED_PROMPTS, { seed, stream: 37 });
  const rows = answers.map(({ row }) => row);
  const domain = await domainShift(learnt.rows, rows, { seed, signal });
  return {
    measures: {
      noiseDrop: noise.score,
      identityDrop: identities.score,
      domainShift: domain.score,
      shiftedDrop: shifted.score,
    },
    examples: {
      noiseDrop: noise.examples,
      identityDrop: identities.examples,
      domainShift: domain.examples,
      shiftedDrop: shifted.examples,
    },
    details: {
      byMistake: noise.byMistake,
      byIdentity: identities.identities,
      withIdentityWords: identities.withWords,
      ...(shifted.shifted === undefined ? {} : { shifted: shifted.shifted }),
    },
  };
}

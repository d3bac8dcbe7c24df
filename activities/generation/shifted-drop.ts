/** What answers lose on declared prompts from elsewhere: the share within the guidelines, against that on the test prompts. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { GateExample } from '../contract/examples.ts';
import type { Score } from '../contract/measures.ts';
import { samplePrompts, type SampledPrompts } from '../data/prompts.ts';
import { hasShifted } from '../data/shifted.ts';
import { exampleOf, MOST_EXAMPLES } from '../validation/gate-examples.ts';
import { notMeasured } from '../validation/scores.ts';
import { shareDifference } from '../validation/shares.ts';
import { answerAll, asked, judged } from './answers.ts';
import type { Asking } from './edited/ask-edited.ts';
import { spoken } from './gate-examples.ts';
import type { Judgement } from './judge.ts';

/** Prompts from elsewhere that are asked: each takes the model seconds. */
export const SHIFTED_PROMPTS = 200;

export interface ShiftedDrop {
  readonly score: Score;
  /** As the details keep them; missing where the definition names no such files. */
  readonly shifted?: {
    /** That the files have. */
    readonly of: number;
    readonly answers: readonly {
      readonly rowId: string;
      readonly answer: string;
      readonly adherent: boolean;
      readonly broken: readonly string[];
    }[];
  };
  /** Prompts from elsewhere whose answer breaks most guidelines. */
  readonly examples: readonly GateExample[];
}

/** Of the dataset's prompts from elsewhere all, or so many that the seed draws; null where it has none. */
export async function loadShifted(
  store: ArtifactStore,
  dataset: ArtifactRef,
  seed: number,
  signal: AbortSignal,
  most = SHIFTED_PROMPTS,
): Promise<SampledPrompts | null> {
  if (!(await hasShifted(store, dataset))) return null;
  return samplePrompts([store, dataset, 'shifted', signal], Math.min(most, SHIFTED_PROMPTS), { seed, stream: 36 });
}

/** Other prompts on each side: Newcombe's interval of two shares. */
export async function shiftedDrop(
  test: readonly Pick<Judgement, 'adherent'>[],
  elsewhere: SampledPrompts | null,
  { generator, prompt, judge, options }: Asking,
): Promise<ShiftedDrop> {
  if (elsewhere === null) return { score: notMeasured('the definition names no data.shiftedFiles'), examples: [] };
  const answers = await answerAll(generator, prompt, elsewhere.rows, options);
  const found = answers.map((answer) => ({ answer, ...judged(judge, answer, prompt) }));
  const kept = (judgements: readonly Pick<Judgement, 'adherent'>[]) => ({
    hits: judgements.filter(({ adherent }) => adherent).length,
    rows: judgements.length,
  });
  const breaking = found
    .filter(({ adherent }) => !adherent)
    .toSorted((one, other) => other.broken.length - one.broken.length);
  return {
    score: shareDifference(kept(test), kept(found)),
    shifted: {
      of: elsewhere.of,
      answers: found.map(({ answer: { row, text }, adherent, broken }) => ({
        rowId: row.id,
        answer: text,
        adherent,
        broken,
      })),
    },
    examples: breaking.slice(0, MOST_EXAMPLES).map(({ answer: { row, text, refused }, broken }) => {
      const said = refused === undefined ? text : `(${refused})`;
      return exampleOf(row.id, `breaks ${broken.join(', ')}`, spoken(asked(row), said));
    }),
  };
}

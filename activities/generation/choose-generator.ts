/** Step `generation.choose`: the prompted model or the tuned one, by evidence; and its files with prompt and guidelines. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { entryRef, type ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { AdherenceSpec } from '../../pipelines/definition/generation.ts';
import type { Score } from '../contract/measures.ts';
import type { ChooseGeneratorInput, ChosenGenerator } from '../contract/prompting.ts';
import type { StepDefinition } from '../step.ts';
import type { PromptSpec } from './answers.ts';
import { better, type RowOutcome } from './choice.ts';
import { needsTraining } from './ranking.ts';

export const chooseGenerator: StepDefinition<ChooseGeneratorInput, ChosenGenerator> = {
  type: 'generation.choose',
  version: 1,
  async run({ prompted, tuned, guidelines, generation, adherence, stopped }, { store, signal }) {
    const outcomes = (details: ArtifactRef): Promise<readonly RowOutcome[]> =>
      store.getJson<{ readonly rows: readonly RowOutcome[] }>(details).then(({ rows }) => rows);
    const { road, reason, difference } =
      tuned === null
        ? {
            road: 'prompted' as const,
            reason: `nothing was tuned: ${stopped ?? untuned(prompted.search.best.adherence, adherence)}`,
            difference: null,
          }
        : better(
            { ...prompted.search.best, rows: await outcomes(prompted.search.details) },
            { ...tuned.search.best, rows: await outcomes(tuned.search.details) },
            adherence,
          );
    const chosen = road === 'tuned' && tuned !== null ? tuned : prompted;
    const { prompt } = chosen.search;
    const generator = await served(store, chosen.generator, { prompt, guidelines, generation }, signal);
    return { road, generator, prompt, reason, difference };
  },
};

function untuned(score: Score, adherence: AdherenceSpec): string {
  const under = needsTraining(score, { ...adherence, minCompletions: 0 }, 0).needed;
  return under ? 'there are too few good answers' : 'a prompt is enough';
}

/** The generator's files, what it is told, and what it is judged by: one tree, which is evaluated and served. */
async function served(
  store: ArtifactStore,
  generator: ArtifactRef,
  { prompt, guidelines, generation }: Pick<ChooseGeneratorInput, 'guidelines' | 'generation'> & { prompt: ArtifactRef },
  signal: AbortSignal,
): Promise<ArtifactRef> {
  const { entries } = await store.tree(generator);
  const spec = await store.getJson<PromptSpec>(prompt);
  const file = await store.putBytes(canonicalJson({ ...spec, generation }), {
    name: 'prompt.json',
    mediaType: 'application/json',
    signal,
  });
  const all = [
    ...entries.map((entry) => ({ path: entry.path, ref: entryRef(entry) })),
    { path: 'prompt.json', ref: file },
    { path: 'guidelines.json', ref: guidelines },
  ];
  return store.putManifest(
    all.toSorted((left, right) => (left.path < right.path ? -1 : 1)),
    'generator',
  );
}

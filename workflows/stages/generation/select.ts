import type { DatasetSummary } from '../../../activities/contract/data.ts';
import type { ExportedGenerator } from '../../../activities/contract/generation.ts';
import type { GeneratorSelection, PromptSearch } from '../../../activities/contract/prompting.ts';
import type { CandidateOutcome, CandidateSource } from '../../../activities/contract/selection.ts';
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import { answerTime, servedTimes, timesBasis } from '../../../pipelines/answer-time.ts';
import { costPer1000 } from '../../../pipelines/inference-cost.ts';
import { areWithin } from '../../../pipelines/limits.ts';
import type { Run } from '../../run.ts';
import { generatorRecipeFacts, candidateTimes, measuredOn, promptsInput, searchInput } from '../../step-inputs.ts';
import { gather, type Candidacy } from '../candidates.ts';

/** The winner, with everything that tuning and choosing need of it. */
export type ChosenCandidate = Required<Pick<CandidateOutcome, 'id' | 'resolved' | 'imported'>> & {
  readonly candidate: CandidateSource;
  readonly exported: ExportedGenerator;
  readonly search: PromptSearch;
};

export interface SelectedGenerator {
  readonly dataset: DatasetSummary;
  readonly winner: ChosenCandidate;
  readonly guidelines: ArtifactRef;
  readonly training: GeneratorSelection['training'];
}

/** Data, then every candidate by the best prompt that is found for it, then the choice. */
export async function selectGenerator(run: Run): Promise<SelectedGenerator> {
  const { guidelines } = run.input;
  if (guidelines === undefined) throw new Error('a run that generates text began without guidelines');
  run.facts.generation = { guidelines };
  const { dataset, outcomes } = await gather(run, generators(run, guidelines));
  run.facts.candidates = outcomes;
  const selection = await run.step('light', 'rank', 'rankGenerators', () => {
    const { selection: by, adherence } = run.definition('text-generation');
    return { candidates: outcomes, selection: by, adherence, completions: dataset.completions ?? 0 };
  });
  run.facts.selection = selection;
  const winner = winnerOf(run, outcomes, selection.winner);
  const definition = run.definition('text-generation');
  // Where a prompt is enough nothing is tuned, and there are no settings to explain.
  if (selection.training.needed) {
    run.settle(definition.training, generatorRecipeFacts(definition, winner.exported, dataset));
  }
  return { dataset, winner, guidelines, training: selection.training };
}

/** A candidate is measured by how its answers keep the guidelines under the best prompt that is found. */
function generators(run: Run, guidelines: ArtifactRef): Candidacy {
  const definition = () => run.definition('text-generation');
  return {
    prepare: (files) =>
      run.step('light', 'data', 'preparePrompts', () => promptsInput(files, definition(), guidelines)),
    mayWin: ({ generator }, price, ended) => {
      const { maxFirstTokenMs, maxMsPerToken, maxSizeMb, maxMemoryMb, maxCostPer1000 } = definition().selection;
      const { profile, search } = generator ?? {};
      if (search === undefined || profile === undefined) return false;
      const { firstTokenMs, msPerToken } = servedTimes(profile, search.best, timesBasis(ended));
      return areWithin([
        [firstTokenMs.p95, maxFirstTokenMs],
        [msPerToken.p50, maxMsPerToken],
        [profile.sizeMb, maxSizeMb],
        [profile.memoryMb, maxMemoryMb],
        [costPer1000(answerTime(profile, search.best)?.ms, price) ?? Number.NaN, maxCostPer1000],
      ]);
    },
    async measure({ candidate: { id }, outcome, model, dataReady, parking, begin }) {
      await begin();
      const exported = await run.step('cpu', `export:${id}`, 'exportGenerator', () => ({ model }), parking);
      outcome.generator = { exported };
      const { generator } = exported;
      const { dataset } = await dataReady;
      const profiled = () => ({
        generator,
        dataset,
        generation: definition().generation,
        ...measuredOn(definition()),
        ...candidateTimes(definition()),
      });
      await begin();
      const profile = await run.step('timed', `profile:${id}`, 'profileGenerator', profiled, parking);
      outcome.generator = { exported, profile };
      await begin();
      const stopAt = await run.budget.stopSearchAt();
      const searched = () => searchInput(definition(), generator, dataset, guidelines, stopAt);
      const search = await run.step('cpu', `prompt:${id}`, 'searchPrompts', searched, parking);
      outcome.generator = { exported, profile, search };
    },
  };
}

function winnerOf(run: Run, outcomes: readonly CandidateOutcome[], id: string): ChosenCandidate {
  const candidate = run.input.candidates.find((one) => one.id === id);
  const { resolved, imported, generator } = outcomes.find((one) => one.id === id) ?? {};
  if (!candidate || !resolved || !imported || !generator?.search) {
    throw new Error(`the selection names ${id}, which has no complete outcome`);
  }
  return { id, candidate, resolved, imported, exported: generator.exported, search: generator.search };
}

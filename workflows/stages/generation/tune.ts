import type { Prompted } from '../../../activities/contract/prompting.ts';
import { askedLess } from '../../asked-less.ts';
import type { Run } from '../../run.ts';
import {
  declaredDevice,
  generatorRecipeFacts,
  languageTrainInput,
  longestRow,
  judgedTimes,
  measuredOn,
  searchInput,
} from '../../step-inputs.ts';
import { trainStep } from '../../training.ts';
import { judgeCustom } from '../custom-gates.ts';
import { judgedEvidence } from '../evidence.ts';
import { tableGates } from '../tune.ts';
import type { SelectedGenerator } from './select.ts';

/** What only a training needs. */
const TRAINING_STEPS = ['format', 'canaries', 'train', 'export', 'prompt'] as const;

/** Tunes where a prompt is not enough, takes the better of the two by evidence, and judges what onnxruntime measures. */
export async function tuneGenerator(run: Run, selected: SelectedGenerator): Promise<void> {
  const { winner, dataset, guidelines, training } = selected;
  const definition = () => run.definition('text-generation');
  const prompted = { generator: winner.exported.generator, search: winner.search };
  // There is a model already: where the budget has ended it is the best so far.
  const stopped = training.needed ? await run.budget.ended() : undefined;
  const tunes = training.needed && stopped === undefined;
  // The review was shown the settings of a training that is not made: the release explains none.
  if (stopped !== undefined) delete run.facts.recipe;
  if (!tunes) run.engine.close(TRAINING_STEPS, 'skipped');
  const tuned = tunes ? await tuneAndPrompt(run, selected) : null;
  const chosen = await run.step('light', 'choose', 'chooseGenerator', () => {
    const { adherence, generation, selection } = definition();
    const asked = { prompted, tuned, guidelines, generation, adherence, seed: selection.seed };
    return stopped === undefined ? asked : { ...asked, stopped };
  });
  run.facts.exported = chosen;
  const evaluation = await run.step('timed', 'evaluate', 'evaluateGenerator', () => ({
    generator: chosen.generator,
    base: winner.exported.generator,
    tuned: chosen.road === 'tuned',
    dataset: dataset.dataset,
    guidelines,
    exportParityMaxAbs: run.facts.generation?.tuned?.exported.parityMaxAbs ?? winner.exported.parityMaxAbs,
    seed: definition().selection.seed,
    ...declaredDevice(definition().intendedUse.hardware),
    ...measuredOn(definition()),
    ...judgedTimes(definition()),
    ...askedLess(definition()),
  }));
  note(run, { evaluation });
  const memorisation = chosen.road === 'tuned' ? await measureMemory(run, selected) : undefined;
  if (memorisation === undefined) run.engine.close(['memorisation'], 'skipped');
  run.facts.gates = await run.step('light', 'gates', 'judgeGeneration', () => ({
    measures: evaluation.measures,
    gates: definition().gates,
    memorisation: memorisation?.measures ?? null,
    memorisationGates: definition().memorisation.gates,
    ...tableGates(definition(), evaluation.behaviour),
    ...judgeCustom(run, evaluation),
    ...judgedEvidence(run, evaluation),
  }));
}

/** From good answers to a tuned model with its own best prompt. */
async function tuneAndPrompt(run: Run, { dataset, winner, guidelines }: SelectedGenerator): Promise<Prompted> {
  const definition = () => run.definition('text-generation');
  const formatted = await run.step('light', 'format', 'formatPrompts', () => ({
    dataset: dataset.dataset,
    generator: winner.exported.generator,
    prompt: winner.search.prompt,
    guidelines,
    onlyAdherent: definition().training.onlyAdherent,
    minCompletions: definition().adherence.minCompletions,
    longest: longestRow(definition()),
  }));
  note(run, { formatted });
  const { dataset: learnt } = await run.step('light', 'canaries', 'insertCanaries', () => ({
    dataset: formatted.dataset,
    canaries: definition().memorisation.canaries,
  }));
  note(run, { learnt });
  const stopTrainingAt = await run.budget.stopTrainingAt();
  const { output: trained } = await trainStep(run, 'train', () => ({
    ...languageTrainInput(
      winner.imported.model,
      learnt,
      definition(),
      generatorRecipeFacts(definition(), winner.exported, dataset),
    ),
    ...(stopTrainingAt === undefined ? {} : { stopAt: stopTrainingAt }),
  }));
  run.facts.training = trained;
  const { model } = trained;
  const exported = await run.step('cpu', 'export', 'exportGenerator', () => ({ model }));
  const { generator } = exported;
  const stopSearchAt = await run.budget.stopSearchAt();
  const search = await run.step('cpu', 'prompt', 'searchPrompts', () =>
    searchInput(definition(), generator, dataset.dataset, guidelines, stopSearchAt),
  );
  note(run, { tuned: { exported, search } });
  return { generator, search };
}

/** Of a tuned model that is to be served; a prompted one has seen nothing of these data. */
async function measureMemory(run: Run, { winner }: SelectedGenerator) {
  const { training, generation } = run.facts;
  const learnt = generation?.learnt;
  if (!training || !learnt) throw new Error('a tuned model was chosen, and none was trained');
  const memorisation = await run.step('cpu', 'memorisation', 'measureMemorisation', () => {
    const { memorisation: asked, training: spec } = run.definition('text-generation');
    const base = winner.imported.model;
    return {
      model: training.model,
      base,
      dataset: learnt,
      maxLength: spec.maxLength,
      memorisation: asked.measure,
      seed: spec.seed,
    };
  });
  note(run, { memorisation });
  return memorisation;
}

type Facts = NonNullable<Run['facts']['generation']>;

function note(run: Run, facts: Partial<Facts>): void {
  if (run.facts.generation === undefined) throw new Error('generation began without its guidelines');
  run.facts.generation = { ...run.facts.generation, ...facts };
}

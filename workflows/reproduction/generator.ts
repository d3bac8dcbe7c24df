import type { DatasetSummary } from '../../activities/contract/data.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ExportedGenerator } from '../../activities/contract/generation.ts';
import type { ChosenGenerator, GenerationFacts, Prompted, PromptSearch } from '../../activities/contract/prompting.ts';
import type { TrainedModel } from '../../activities/contract/training.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { askedLess } from '../asked-less.ts';
import type { ChosenCandidate } from '../stages/generation/select.ts';
import {
  declaredDevice,
  dossierInput,
  generatorRecipeFacts,
  languageTrainInput,
  longestRow,
  packageGeneratorInput,
  promptsInput,
  searchInput,
  stoppedAgain,
} from '../step-inputs.ts';
import type { Again, Recorded } from './again.ts';

/** What was trained of it, where the tuned model is the one that is served. */
export interface RecordedTuning {
  readonly learnt: ArtifactRef;
  readonly training: Required<RunFacts>['training'];
  readonly exported: ExportedGenerator;
  readonly search: PromptSearch;
}

export interface RecordedGenerator extends Recorded<'text-generation'> {
  readonly facts: Recorded<'text-generation'>['facts'] & {
    readonly exported: ChosenGenerator;
    readonly generation: Required<Pick<GenerationFacts, 'guidelines' | 'evaluation'>> &
      Pick<GenerationFacts, 'memorisation'>;
  };
  readonly winner: Omit<ChosenCandidate, 'id' | 'candidate'>;
  /** A training whose model was not chosen is no part of what is served: it is not made again. */
  readonly tuned: RecordedTuning | null;
}

export async function remakeGenerator(record: RecordedGenerator, again: Again): Promise<void> {
  const { facts, winner, dataFiles } = record;
  const { pipeline, generation, exported: chosen } = facts;
  const data = again.call('data', promptsInput(dataFiles, pipeline, generation.guidelines));
  const { output: prepared } = await again.activities('light', 'data').preparePrompts(data);
  const dataset = await again.smallPart(prepared, pipeline);
  again.same('dataset', facts.data.dataset, dataset.dataset);

  const base = await exportAgain(again, '', winner.imported.model, winner.exported);
  const prompted = { generator: base, search: await searchAgain(record, again, '', base, dataset, winner.search) };
  const tuned = await tuneAgain(record, again, dataset, prompted);

  const choose = again.call('choose', {
    prompted,
    tuned: tuned === null ? null : { generator: tuned.generator, search: tuned.search },
    guidelines: generation.guidelines,
    generation: pipeline.generation,
    adherence: pipeline.adherence,
    seed: pipeline.selection.seed,
  });
  const { output: rechosen } = await again.activities('light', 'choose').chooseGenerator(choose);
  again.same('served model', chosen.generator, rechosen.generator);

  const evaluate = again.call('evaluate', {
    generator: rechosen.generator,
    base,
    tuned: tuned !== null,
    dataset: dataset.dataset,
    guidelines: generation.guidelines,
    exportParityMaxAbs: (record.tuned?.exported ?? winner.exported).parityMaxAbs,
    seed: pipeline.selection.seed,
    ...declaredDevice(pipeline.intendedUse.hardware),
    ...askedLess(pipeline),
  });
  const { output: evaluation } = await again.activities('cpu', 'evaluate').evaluateGenerator(evaluate);
  again.same('answers to the test prompts', generation.evaluation.reference, evaluation.reference);

  const made = {
    // Why it was chosen is a measurement, too: of a training that was not chosen nothing is measured again.
    chosen: { ...chosen, generator: rechosen.generator, prompt: rechosen.prompt },
    ...(tuned === null ? {} : { trained: tuned.trained }),
    ...(generation.memorisation === undefined ? {} : { memorisation: generation.memorisation }),
    dataset,
    evaluation: generation.evaluation,
    gates: facts.gates,
    ...dossierInput(facts),
  };
  const pack = again.call('package', packageGeneratorInput(facts, winner, made));
  const { output: packaged } = await again.activities('light', 'package').packageGenerator(pack);
  again.made.bundle = packaged.bundle;
  again.same('bundle', facts.bundle, packaged.bundle);
}

async function tuneAgain(
  { facts, winner, tuned: recorded }: RecordedGenerator,
  again: Again,
  dataset: DatasetSummary,
  prompted: Prompted,
): Promise<(Prompted & { readonly trained: TrainedModel }) | null> {
  if (recorded === null) return null;
  const { pipeline, generation } = facts;
  const format = again.call('format', {
    dataset: dataset.dataset,
    generator: prompted.generator,
    prompt: prompted.search.prompt,
    guidelines: generation.guidelines,
    onlyAdherent: pipeline.training.onlyAdherent,
    minCompletions: pipeline.adherence.minCompletions,
    longest: longestRow(pipeline),
  });
  const { output: formatted } = await again.activities('light', 'format').formatPrompts(format);
  const hide = again.call('canaries', { dataset: formatted.dataset, canaries: pipeline.memorisation.canaries });
  const { output: learnt } = await again.activities('light', 'canaries').insertCanaries(hide);
  again.same('conversations', recorded.learnt, learnt.dataset);

  const train = again.call('train', {
    ...languageTrainInput(
      winner.imported.model,
      learnt.dataset,
      pipeline,
      generatorRecipeFacts(pipeline, winner.exported, dataset),
    ),
    ...stoppedAgain(recorded.training),
  });
  const { output: trained } = await again.activities('gpu', 'train').trainModel(train);
  again.made.environment = trained.environment;
  again.same('tuned model', recorded.training.model, trained.model);

  const generator = await exportAgain(again, 'tuned ', trained.model, recorded.exported);
  const search = await searchAgain({ facts }, again, 'tuned ', generator, dataset, recorded.search);
  return { generator, search, trained };
}

/** Of the candidate as it came, or of what was tuned from it. */
type Which = '' | 'tuned ';

async function exportAgain(
  again: Again,
  which: Which,
  model: ArtifactRef,
  recorded: ExportedGenerator,
): Promise<ArtifactRef> {
  const id = stepOf(which, 'generator');
  const { output } = await again.activities('cpu', id).exportGenerator(again.call(id, { model }));
  again.same(`${which}generator`, recorded.generator, output.generator);
  return output.generator;
}

async function searchAgain(
  { facts: { pipeline, generation } }: Pick<RecordedGenerator, 'facts'>,
  again: Again,
  which: Which,
  generator: ArtifactRef,
  { dataset }: DatasetSummary,
  recorded: PromptSearch,
): Promise<PromptSearch> {
  const id = stepOf(which, 'prompt');
  const input = searchInput(pipeline, generator, dataset, generation.guidelines);
  // Whatever ended it: after as many tokens it ends at the same place.
  const { stoppedBy, tokens } = recorded;
  const search = stoppedBy === null ? input.search : { ...input.search, budgetTokens: tokens };
  const { output } = await again.activities('cpu', id).searchPrompts(again.call(id, { ...input, search }));
  again.same(`${which}prompt`, recorded.prompt, output.prompt);
  return output;
}

function stepOf(which: Which, name: string): string {
  return `${which.trim()}${which === '' ? '' : '-'}${name}`;
}

/** What the steps that make a model are given: the same for the run that releases it and for one that makes it again. */
import type {
  DatasetSummary,
  PrepareDataInput,
  PreparePicturesInput,
  PreparePromptsInput,
} from '../activities/contract/data.ts';
import type { TimeLimits } from '../activities/contract/measures.ts';
import type { EvaluateModelInput } from '../activities/contract/validation.ts';
import type {
  ExportClassifierInput,
  ExportedClassifier,
  TrainedModel,
  TrainImageInput,
  TrainLanguageInput,
  TrainModelInput,
  TrainTextInput,
} from '../activities/contract/training.ts';
import type {
  ChooseCandidateInput,
  DataSubset,
  HalveCandidatesInput,
  RungResult,
  SubsetDataInput,
} from '../activities/contract/prototype.ts';
import type {
  CandidateOutcome,
  CandidateSource,
  ExportedEncoder,
  ExportEncoderInput,
} from '../activities/contract/selection.ts';
import type { ExportedGenerator } from '../activities/contract/generation.ts';
import type { PackageGeneratorInput, PackageModelInput } from '../activities/contract/deployment.ts';
import type { SearchPromptsInput } from '../activities/contract/prompting.ts';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import type {
  Classification,
  ImageClassification,
  ImageRetrieval,
  Pipeline,
  TextClassification,
  TextGeneration,
} from '../pipelines/definition.ts';
import type { HardwareClass } from '../pipelines/hardware-class.ts';
import type { BehaviourSpec } from '../pipelines/definition/behaviour.ts';
import { gradientsAsked } from '../pipelines/attack.ts';
import { withSettings } from '../pipelines/change.ts';
import { meanWithin, type SlotPrice } from '../pipelines/inference-cost.ts';
import { completed, type OpenSetting, type RecipeFacts } from '../pipelines/recipe.ts';
import { nthSeed, rungLimits, searchRungLimits, trialSetting } from './rungs.ts';
import type { Winner } from './stages/select.ts';

/** What is asked of the tuned model is checked with the data; from which share on it is enough is the gates'. */
export function dataInput(
  files: PrepareDataInput['files'],
  { data, behaviour }: Pick<TextClassification, 'data' | 'behaviour'>,
): PrepareDataInput {
  return { files, data, ...tablesAsked(behaviour) };
}

/** The same of pictures. */
export function picturesInput(
  files: PreparePicturesInput['files'],
  { task, data, behaviour }: Pick<ImageClassification | ImageRetrieval, 'task' | 'data' | 'behaviour'>,
): PreparePicturesInput {
  const finds = behaviour !== undefined && task === 'image-retrieval' ? { finds: true as const } : {};
  return { files, data, ...tablesAsked(behaviour), ...finds };
}

/** The same of prompts; `guidelines`: whose checks the tables name. */
export function promptsInput(
  files: PreparePromptsInput['files'],
  { data, behaviour }: Pick<TextGeneration, 'data' | 'behaviour'>,
  guidelines: ArtifactRef,
): PreparePromptsInput {
  return { files, data, ...(behaviour === undefined ? {} : { ...tablesAsked(behaviour), guidelines }) };
}

function tablesAsked(behaviour: BehaviourSpec | undefined): Pick<PrepareDataInput, 'behaviour'> {
  if (behaviour === undefined) return {};
  const tables = Object.entries(behaviour).map(([name, { kind, file }]) => [name, { kind, file }] as const);
  return { behaviour: Object.fromEntries(tables) };
}

export function encoderInput(
  { layers, pooling = 'mean' }: Pick<Winner['candidate'], 'layers' | 'pooling'>,
  model: ArtifactRef,
  definition: Classification,
): ExportEncoderInput {
  if (definition.task === 'image-classification') {
    const attacked = gradientsAsked(definition.gates) ? { attacked: true as const } : {};
    return { task: definition.task, model, frozen: definition.training.method === 'head', ...attacked };
  }
  const { selection } = definition;
  return { model, layers: layers ?? null, pooling, ...lengthRead(selection) };
}

/**
 * Where a model may be timed, candidate or tuned; a definition that leaves it open says nothing. No reproduction asks for it: it
 * compares bytes, and takes the times from the record.
 */
export function measuredOn({ selection: { hardware } }: Pick<Pipeline, 'selection'>): {
  readonly hardware?: HardwareClass;
} {
  return hardware === undefined ? {} : { hardware };
}

/**
 * What a candidate's times are held to, where the definition says so: above it a time of a busy machine is taken again. `price`: of a
 * slot, where a limit of cost asks; what a generator's answer costs is reckoned later, under its best prompt.
 */
export function candidateTimes(
  { selection }: Pick<Pipeline, 'selection'>,
  price: SlotPrice | null = null,
): { readonly timeLimits?: TimeLimits } {
  if ('maxFirstTokenMs' in selection || 'maxMsPerToken' in selection) {
    return timeLimits({ firstTokenMs: selection.maxFirstTokenMs, tokenMs: selection.maxMsPerToken });
  }
  return timeLimits({
    p95Ms: 'maxLatencyP95Ms' in selection ? selection.maxLatencyP95Ms : undefined,
    meanMs: meanWithin(selection.maxCostPer1000, price),
  });
}

/** What the gates that are on hold the chosen model's times to. */
export function judgedTimes({ gates }: Pick<Pipeline, 'gates'>): { readonly timeLimits?: TimeLimits } {
  const mostOf = (gate: { readonly max: number; readonly severity: string } | undefined): number | undefined =>
    gate === undefined || gate.severity === 'off' ? undefined : gate.max;
  return 'firstTokenP95Ms' in gates
    ? timeLimits({ firstTokenMs: mostOf(gates.firstTokenP95Ms), tokenMs: mostOf(gates.tokenMs) })
    : timeLimits({ p95Ms: mostOf(gates.latencyP95Ms) });
}

/** Those that there are; nothing where there are none. */
function timeLimits(limits: { readonly [Name in keyof TimeLimits]: number | undefined }): {
  readonly timeLimits?: TimeLimits;
} {
  const set = Object.entries(limits).filter(([, most]) => most !== undefined);
  return set.length === 0 ? {} : { timeLimits: Object.fromEntries(set) };
}

/** What the numbers that a definition leaves open depend on: the rows that are trained on in the end, however few a part has. */
export function recipeFacts(
  { task, method }: { readonly task: Pipeline['task']; readonly method: RecipeFacts['method'] },
  { parameters, modelType }: Pick<ExportedEncoder, 'parameters' | 'modelType'>,
  { rows, wholeRows = rows, labels }: Pick<DatasetSummary, 'rows' | 'wholeRows' | 'labels'>,
): RecipeFacts {
  const input = task === 'text-classification' ? 'text' : 'image';
  return { input, method, family: modelType, parameters, labels: labels.length, trainRows: wholeRows.train };
}

/** Of a language model: the good answers there are, of a part as many as its share lets expect of the whole. */
export function generatorRecipeFacts(
  { training: { method } }: Pick<TextGeneration, 'training'>,
  { parameters }: Pick<ExportedGenerator, 'parameters'>,
  { rows, wholeRows = rows, completions = 0 }: Pick<DatasetSummary, 'rows' | 'wholeRows' | 'completions'>,
): RecipeFacts {
  const trainRows = rows.train === 0 ? completions : Math.round((completions * wholeRows.train) / rows.train);
  return { input: 'answer', method, parameters, trainRows };
}

/** Where it trains is no part of what it trains, nor is how its settings were found. */
export function trainInput(
  { candidate: { pooling = 'mean' }, exported }: Pick<Winner, 'candidate' | 'exported'>,
  weights: ArtifactRef,
  data: DatasetSummary,
  definition: Classification,
): TrainTextInput | TrainImageInput {
  const { dataset, labels } = data;
  const facts = recipeFacts({ task: definition.task, method: definition.training.method }, exported, data);
  if (definition.task === 'image-classification') {
    const { launcher: _, search: __, augmentation, ...training } = definition.training;
    return { task: definition.task, weights, dataset, labels, augmentation, training: completed(training, facts) };
  }
  const { selection, training: asked } = definition;
  const { launcher: _, search: __, ...training } = asked;
  return {
    weights,
    dataset,
    labels,
    ...severalLabels(definition),
    pooling,
    ...lengthRead(selection),
    training: completed(training, facts),
  };
}

/** Where longer texts are read in windows, a step is told how; of cutting them nothing is said. */
function lengthRead({
  maxLength,
  windows,
}: TextClassification['selection']): Pick<TrainTextInput, 'maxLength' | 'windows'> {
  return { maxLength, ...(windows === undefined ? {} : { windows }) };
}

/** Where a row may have several labels, a step is told; of one label nothing is said. */
export function severalLabels({ data }: Pick<Classification, 'data'>): { readonly multiLabel?: true } {
  return 'multiLabel' in data && data.multiLabel !== undefined ? { multiLabel: true } : {};
}

/** Of a training that its budget ended: where it ended, not when. */
export function stoppedAgain({
  stoppedByBudget,
}: Pick<TrainedModel, 'stoppedByBudget'>): Pick<TrainModelInput, 'stopAfterEpochs'> {
  return stoppedByBudget === undefined ? {} : { stopAfterEpochs: stoppedByBudget };
}

/** The task, where a step is to be told: of texts nothing is said. */
export function taskNamed({ task }: Classification): Pick<ExportClassifierInput, 'task'> {
  return task === 'image-classification' ? { task } : {};
}

/** The rows that judge the end stay out of the choice. */
export function rungInput(
  { selection, prototype: trial }: Pick<Classification, 'selection' | 'prototype'>,
  {
    dataset,
    rows,
    labelCounts = {},
  }: Pick<DatasetSummary, 'dataset' | 'rows'> & Partial<Pick<DatasetSummary, 'labelCounts'>>,
  share: number,
): SubsetDataInput {
  const labels = Object.values(labelCounts).filter(({ train }) => train > 0).length;
  const setting =
    trial === undefined ? selection.prototype : trialSetting(selection.prototype, share, rows.train, labels);
  return { dataset, rows: rungLimits(setting, share, rows.train), seed: selection.seed };
}

/** A first rung of a prototype that has fewer rows than `leastRows` is a point of the curve, and judges nobody. */
export function halveInput(
  { selection, prototype: trial }: Pick<Classification, 'selection' | 'prototype'>,
  results: readonly RungResult[],
  rung: number,
): HalveCandidatesInput {
  return { results, rung, ...(trial === undefined ? {} : { leastRows: selection.prototype.leastRows }) };
}

/** The whole of a run that is a prototype. */
export function trialInput(
  { dataset }: DatasetSummary,
  { trainRows, measuredRows: most, seed }: NonNullable<Pipeline['prototype']>,
): SubsetDataInput {
  return { dataset, rows: { train: { most: trainRows }, validation: { most }, test: { most } }, seed };
}

/** One candidate on a rung's part of the data: as it would be trained on all, but for the seed, and the epochs where they are named. */
export function prototypeInput(
  {
    pipeline,
    input,
  }: { readonly pipeline: Classification; readonly input: { readonly candidates: readonly CandidateSource[] } },
  outcomes: readonly CandidateOutcome[],
  id: string,
  part: DatasetSummary,
  nth = 1,
): TrainTextInput | TrainImageInput {
  const candidate = input.candidates.find((one) => one.id === id);
  const exported = outcomes.find((one) => one.id === id)?.exported;
  if (candidate === undefined || exported === undefined) throw new Error(`${id} was shortlisted without weights`);
  const whole = trainInput({ candidate, exported }, exported.weights, part, pipeline);
  const { epochs = whole.training.epochs } = pipeline.selection.prototype;
  return { ...whole, training: { ...whole.training, epochs, seed: nthSeed(whole.training.seed, nth) } };
}

/** Of a search for settings. */
export function searchRungInput(
  { selection }: Pick<Classification, 'selection'>,
  { dataset, rows }: Pick<DatasetSummary, 'dataset' | 'rows'>,
  share: number,
): SubsetDataInput {
  return { dataset, rows: searchRungLimits(share, rows.train), seed: selection.seed };
}

/** The winner on a rung's part of the data, at the settings of a trial. */
export function trialTrainingInput(
  winner: Pick<Winner, 'candidate' | 'exported'>,
  part: DatasetSummary,
  definition: Classification,
  settings: Readonly<Partial<Record<OpenSetting | 'seed', number>>>,
): TrainTextInput | TrainImageInput {
  const named = Object.entries(settings).map(([setting, value]) => [`training.${setting}`, value] as const);
  return trainInput(winner, winner.exported.weights, part, withSettings(definition, Object.fromEntries(named)));
}

export function chooseInput(
  {
    selection: { prototype, tolerance, seed },
    training,
    task,
  }: Pick<Classification, 'selection' | 'training' | 'task'>,
  {
    dataset,
    outcomes,
    ...found
  }: Pick<ChooseCandidateInput, 'selection' | 'results' | 'left' | 'stopped'> & {
    readonly dataset: DatasetSummary;
    readonly outcomes: readonly CandidateOutcome[];
  },
): ChooseCandidateInput {
  // Of epochs the rows alone decide, not whose they are.
  const { epochs } = completed(training, recipeFacts({ task, method: training.method }, { parameters: 0 }, dataset));
  return {
    ...found,
    measured: outcomes.map(({ id, profile }) => ({ id, ...(profile === undefined ? {} : { profile }) })),
    fullRows: (dataset.wholeRows ?? dataset.rows).train,
    epochsFactor: epochs / (prototype.epochs ?? epochs),
    tolerance,
    seed,
  };
}

/** A language model has no head and no classes: what is said of them in general does not count. */
export function languageTrainInput(
  weights: ArtifactRef,
  dataset: ArtifactRef,
  { training: asked }: Pick<TextGeneration, 'training'>,
  facts: RecipeFacts,
): TrainLanguageInput {
  const { launcher: _, maxLength, packing, onlyAdherent: __, ...own } = asked;
  const training = { ...completed(own, facts), classWeights: false };
  return { task: 'causal-lm', weights, dataset, maxLength, packing, training };
}

/** Tokens that a row of a language model's training may have; null where rows are packed, of which nothing is cut. */
export function longestRow({ training }: Pick<TextGeneration, 'training'>): number | null {
  return training.packing ? null : training.maxLength;
}

export function evaluateInput(
  encoder: ArtifactRef,
  { probe }: Pick<Winner['probe'], 'probe'>,
  { classifier, parityMaxAbs }: Pick<ExportedClassifier, 'classifier' | 'parityMaxAbs'>,
  { dataset }: Pick<DatasetSummary, 'dataset'>,
  { training, intendedUse: { hardware } }: Pick<Classification, 'training' | 'intendedUse'>,
): EvaluateModelInput {
  return {
    classifier,
    dataset,
    baseline: { encoder, probe },
    exportParityMaxAbs: parityMaxAbs,
    seed: training.seed,
    ...declaredDevice(hardware),
  };
}

/** The definition's own table of what is done to test pictures, where it names one. */
export function ownCorruptions(corruptions: ArtifactRef | undefined): Pick<EvaluateModelInput, 'corruptions'> {
  return corruptions === undefined ? {} : { corruptions };
}

/** What serves, where the definition says. An accelerator's memory is not among it: models are served on the processor. */
export function declaredDevice(
  hardware: TextGeneration['intendedUse']['hardware'],
): Pick<EvaluateModelInput, 'device'> {
  if (hardware === undefined) return {};
  const { accelerator: _, ...device } = hardware;
  return { device };
}

export function packageInput(
  { pipeline, definition }: { readonly pipeline: Classification } & Pick<RunFacts, 'definition'>,
  { resolved, imported }: Pick<Winner, 'resolved' | 'imported'>,
  made: Pick<
    PackageModelInput,
    'classifier' | 'trained' | 'dataset' | 'evaluation' | 'gates' | 'privacy' | 'selection' | 'dossier'
  >,
): PackageModelInput {
  return { model: pipeline.deploy.model, pipeline, definition, ...made, base: resolved, baseModel: imported };
}

/** The same question to a candidate and to what was tuned from it. */
export function searchInput(
  { selection, generation }: Pick<TextGeneration, 'selection' | 'generation'>,
  generator: ArtifactRef,
  dataset: ArtifactRef,
  guidelines: ArtifactRef,
  stopAt?: string,
): SearchPromptsInput {
  const search = { search: selection.prompts, generation, seed: selection.seed };
  return { generator, dataset, guidelines, ...search, ...(stopAt === undefined ? {} : { stopAt }) };
}

export function packageGeneratorInput(
  { pipeline, definition }: Pick<PackageGeneratorInput, 'pipeline' | 'definition'>,
  { resolved, imported }: Pick<Winner, 'resolved' | 'imported'>,
  made: Omit<PackageGeneratorInput, 'model' | 'pipeline' | 'definition' | 'base' | 'baseModel'>,
): PackageGeneratorInput {
  return { model: pipeline.deploy.model, pipeline, definition, ...made, base: resolved, baseModel: imported };
}

/** The small part in the whole's place; the whole's size is kept for what is said of it. */
export function partOf(whole: DatasetSummary, { completions = 0, ...part }: DataSubset): DatasetSummary {
  const answered = whole.completions === undefined ? {} : { completions };
  return { ...whole, ...part, ...answered, wholeRows: whole.rows };
}

/** What the bundle's dossier tells besides how the model was made. */
export function dossierInput({
  privacy,
  selection,
  dossier,
}: Partial<Pick<RunFacts, 'privacy' | 'selection' | 'dossier'>>): Pick<
  PackageModelInput,
  'privacy' | 'selection' | 'dossier'
> {
  return {
    ...(privacy === undefined ? {} : { privacy }),
    ...(selection === undefined ? {} : { selection }),
    ...(dossier === undefined ? {} : { dossier }),
  };
}

/** What the steps that make a model and its index are given: the same for the run that releases them and for one that makes them again. */
import type { DatasetSummary } from '../activities/contract/data.ts';
import type { PackageRetrieverInput } from '../activities/contract/deployment.ts';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { BuildIndexInput, EvaluateRetrievalInput, IndexedModel } from '../activities/contract/retrieval.ts';
import type {
  CandidateOutcome,
  ExportedEncoder,
  ExportImageEncoderInput,
  RankCandidatesInput,
} from '../activities/contract/selection.ts';
import type { ExportClassifierInput, TrainImageInput } from '../activities/contract/training.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import type { ImageRetrieval } from '../pipelines/definition.ts';
import { gradientsAsked } from '../pipelines/attack.ts';
import { completed } from '../pipelines/recipe.ts';
import { declaredDevice, recipeFacts } from './step-inputs.ts';
import type { Winner } from './stages/select.ts';

/** A backbone is trained, and its head exported with it, as a classifier of the labels. */
const TUNED_AS = 'image-classification';

export function backboneInput(model: ArtifactRef, { training, gates }: ImageRetrieval): ExportImageEncoderInput {
  const attacked = gradientsAsked(gates) ? { attacked: true as const } : {};
  return { task: TUNED_AS, model, frozen: training === null, ...attacked };
}

/**
 * Of an encoder that is indexed as it came, what a query's neighbours are worth is what is served. What is tuned moves: there
 * the probe is asked, which foretells a tuned classifier's figures.
 */
export function rankRetrieversInput(
  candidates: readonly CandidateOutcome[],
  { selection, training }: ImageRetrieval,
): RankCandidatesInput {
  return { candidates, selection, by: training === null ? 'neighbours' : 'tuned-probe' };
}

/** Where it trains is no part of what it trains. */
export function backboneTrainInput(
  exported: Pick<ExportedEncoder, 'weights' | 'parameters' | 'modelType'>,
  data: DatasetSummary,
  spec: NonNullable<ImageRetrieval['training']>,
): TrainImageInput {
  const { dataset, labels } = data;
  const { launcher: _, augmentation, ...asked } = spec;
  const training = completed(asked, recipeFacts({ task: TUNED_AS, method: spec.method }, exported, data));
  return { task: TUNED_AS, weights: exported.weights, dataset, labels, augmentation, training };
}

export function backboneExportInput(model: ArtifactRef, { dataset }: DatasetSummary): ExportClassifierInput {
  return { model, dataset, task: TUNED_AS };
}

export function indexInput(
  model: ArtifactRef,
  { dataset }: DatasetSummary,
  { selection, retrieval: { exactUpTo } }: ImageRetrieval,
): BuildIndexInput {
  return { model, dataset, seed: selection.seed, ...(exactUpTo === undefined ? {} : { exactUpTo }) };
}

/** `frozen`: the encoder that the model was tuned from; null where nothing was tuned. */
export function evaluateRetrievalInput(
  { embedder: model, index, parityMaxAbs }: Pick<IndexedModel, 'embedder' | 'index' | 'parityMaxAbs'>,
  frozen: ArtifactRef | null,
  { dataset, wholeRows }: Pick<DatasetSummary, 'dataset' | 'wholeRows'>,
  { retrieval: { k }, selection: { seed }, intendedUse }: ImageRetrieval,
): EvaluateRetrievalInput {
  return {
    index,
    model,
    ...(frozen === null ? {} : { frozen }),
    dataset,
    k,
    exportParityMaxAbs: parityMaxAbs,
    seed,
    ...declaredDevice(intendedUse.hardware),
    ...(wholeRows === undefined ? {} : { fullGallery: wholeRows.train }),
  };
}

export function packageRetrieverInput(
  { pipeline, definition }: { readonly pipeline: ImageRetrieval } & Pick<RunFacts, 'definition'>,
  { resolved, imported }: Pick<Winner, 'resolved' | 'imported'>,
  made: Omit<PackageRetrieverInput, 'model' | 'pipeline' | 'definition' | 'base' | 'baseModel'>,
): PackageRetrieverInput {
  return { model: pipeline.deploy.model, pipeline, definition, ...made, base: resolved, baseModel: imported };
}

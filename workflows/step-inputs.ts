/** What the steps that make a model are given: the same for the run that releases it and for one that makes it again. */
import type { DatasetSummary } from '../activities/contract/data.ts';
import type { EvaluateModelInput } from '../activities/contract/validation.ts';
import type { ExportedClassifier, TrainTextInput } from '../activities/contract/training.ts';
import type { ExportEncoderInput } from '../activities/contract/selection.ts';
import type { PackageModelInput } from '../activities/contract/deployment.ts';
import type { RunFacts } from '../activities/contract/evidence.ts';
import type { ArtifactRef } from '../artifacts/reference.ts';
import type { TextClassification } from '../pipelines/definition.ts';
import type { Winner } from './stages/select.ts';

export function encoderInput(
  { layers, pooling = 'mean' }: Pick<Winner['candidate'], 'layers' | 'pooling'>,
  model: ArtifactRef,
  { selection }: Pick<TextClassification, 'selection'>,
): ExportEncoderInput {
  return { model, layers: layers ?? null, pooling, maxLength: selection.maxLength };
}

/** Where it trains is no part of what it trains. */
export function trainInput(
  { candidate: { pooling = 'mean' } }: Pick<Winner, 'candidate'>,
  weights: ArtifactRef,
  { dataset, labels }: DatasetSummary,
  { selection, training: asked }: TextClassification,
): TrainTextInput {
  const { launcher: _, ...training } = asked;
  return { weights, dataset, labels, pooling, maxLength: selection.maxLength, training };
}

export function evaluateInput(
  encoder: ArtifactRef,
  { probe }: Winner['probe'],
  { classifier, parityMaxAbs }: ExportedClassifier,
  { dataset }: DatasetSummary,
  { training }: Pick<TextClassification, 'training'>,
): EvaluateModelInput {
  return { classifier, dataset, baseline: { encoder, probe }, exportParityMaxAbs: parityMaxAbs, seed: training.seed };
}

export function packageInput(
  { pipeline, definition }: Pick<RunFacts, 'pipeline' | 'definition'>,
  { resolved, imported }: Pick<Winner, 'resolved' | 'imported'>,
  made: Pick<
    PackageModelInput,
    'classifier' | 'trained' | 'dataset' | 'evaluation' | 'gates' | 'privacy' | 'selection' | 'dossier'
  >,
): PackageModelInput {
  return { model: pipeline.deploy.model, pipeline, definition, ...made, base: resolved, baseModel: imported };
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

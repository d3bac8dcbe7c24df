import type { DatasetSummary } from '../../activities/contract/data.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { IndexedModel } from '../../activities/contract/retrieval.ts';
import type { ExportedEncoder } from '../../activities/contract/selection.ts';
import type { TrainedModel } from '../../activities/contract/training.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import {
  backboneExportInput,
  backboneInput,
  backboneTrainInput,
  evaluateRetrievalInput,
  indexInput,
  packageRetrieverInput,
} from '../retrieval-inputs.ts';
import type { Winner } from '../stages/select.ts';
import { dossierInput, ownCorruptions, picturesInput, stoppedAgain } from '../step-inputs.ts';
import type { Again, Recorded } from './again.ts';

export interface RecordedRetriever extends Recorded<'image-retrieval'> {
  readonly facts: Recorded<'image-retrieval'>['facts'] &
    Required<Pick<RunFacts, 'retrieval'>> & {
      readonly exported: IndexedModel;
      /** Missing where nothing was tuned. */
      readonly training?: TrainedModel;
    };
  readonly winner: Pick<Winner, 'resolved' | 'imported' | 'exported'>;
}

export async function remakeRetriever(record: RecordedRetriever, again: Again): Promise<void> {
  const { facts, winner, dataFiles } = record;
  const { pipeline } = facts;
  const data = again.call('data', picturesInput(dataFiles, pipeline));
  const { output: prepared } = await again.activities('pictures', 'data').preparePictures(data);
  const dataset = await again.smallPart(prepared, pipeline);
  again.same('dataset', facts.data.dataset, dataset.dataset);

  const encode = again.call('encoder', backboneInput(winner.imported.model, pipeline));
  const { output: encoder } = await again.activities('cpu', 'encoder').exportEncoder(encode);
  again.same('encoder', winner.exported.encoder, encoder.encoder);

  const tuned = await tuneAgain(record, again, encoder, dataset);
  const embedder = tuned?.embedder ?? encoder.encoder;
  // What was measured of export and graph is a measurement, too: it is taken as it was.
  const { embedder: servedModel, index: servedIndex, ...indexed } = facts.exported;
  again.same('served model', servedModel, embedder);

  const build = again.call('index', indexInput(embedder, dataset, pipeline));
  const { output: built } = await again.activities('cpu', 'index').buildIndex(build);
  again.same('index', servedIndex, built.index);

  const remade = { embedder, index: built.index, parityMaxAbs: indexed.parityMaxAbs };
  const evaluate = again.call('evaluate', {
    ...evaluateRetrievalInput(remade, null, dataset, pipeline),
    ...ownCorruptions(facts.retrieval.corruptionTable),
  });
  const { output: evaluation } = await again.activities('cpu', 'evaluate').evaluateRetrieval(evaluate);
  again.same('what the test pictures find', facts.retrieval.reference, evaluation.reference);

  const made = {
    embedder,
    index: built.index,
    indexed,
    ...(tuned === null ? {} : { trained: tuned.trained }),
    dataset,
    evaluation: facts.retrieval,
    gates: facts.gates,
    ...dossierInput(facts),
  };
  const pack = again.call('package', packageRetrieverInput(facts, winner, made));
  const { output: packaged } = await again.activities('light', 'package').packageRetriever(pack);
  again.made.bundle = packaged.bundle;
  again.same('bundle', facts.bundle, packaged.bundle);
}

async function tuneAgain(
  { facts, winner }: RecordedRetriever,
  again: Again,
  encoder: ExportedEncoder,
  dataset: DatasetSummary,
): Promise<{ readonly trained: TrainedModel; readonly embedder: ArtifactRef } | null> {
  const { training: spec } = facts.pipeline;
  if (spec === null || facts.training === undefined) return null;
  again.same('base weights', winner.exported.weights, encoder.weights);
  const train = again.call('train', {
    ...backboneTrainInput(encoder, dataset, spec),
    ...stoppedAgain(facts.training),
  });
  const { output: trained } = await again.activities('gpu', 'train').trainModel(train);
  again.made.environment = trained.environment;
  again.same('tuned model', facts.training.model, trained.model);
  const export_ = again.call('export', backboneExportInput(trained.model, dataset));
  const { output } = await again.activities('cpu', 'export').exportClassifier(export_);
  return { trained, embedder: output.classifier };
}

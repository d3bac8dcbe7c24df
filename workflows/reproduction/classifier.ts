import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ExportedClassifier } from '../../activities/contract/training.ts';
import type { Winner } from '../stages/select.ts';
import type { Classification } from '../../pipelines/definition.ts';
import {
  dataInput,
  dossierInput,
  encoderInput,
  evaluateInput,
  ownCorruptions,
  packageInput,
  picturesInput,
  stoppedAgain,
  taskNamed,
  trainInput,
} from '../step-inputs.ts';
import type { Again, Recorded } from './again.ts';

export interface RecordedClassifier extends Recorded<Classification['task']> {
  readonly facts: Recorded<Classification['task']>['facts'] &
    Required<Pick<RunFacts, 'training' | 'evaluation'>> & { readonly exported: ExportedClassifier };
  readonly winner: Pick<Winner, 'candidate' | 'resolved' | 'imported' | 'exported' | 'probe'>;
}

export async function remakeClassifier({ facts, winner, dataFiles }: RecordedClassifier, again: Again): Promise<void> {
  const { pipeline } = facts;
  const { output: prepared } =
    pipeline.task === 'image-classification'
      ? await again
          .activities('pictures', 'data')
          .preparePictures(again.call('data', picturesInput(dataFiles, pipeline)))
      : await again.activities('light', 'data').prepareData(again.call('data', dataInput(dataFiles, pipeline)));
  const dataset = await again.smallPart(prepared, pipeline);
  again.same('dataset', facts.data.dataset, dataset.dataset);

  const encode = again.call('encoder', encoderInput(winner.candidate, winner.imported.model, pipeline));
  const { output: encoder } = await again.activities('cpu', 'encoder').exportEncoder(encode);
  again.same('encoder', winner.exported.encoder, encoder.encoder);
  again.same('base weights', winner.exported.weights, encoder.weights);

  const train = again.call('train', {
    ...trainInput(winner, encoder.weights, dataset, pipeline),
    ...stoppedAgain(facts.training),
  });
  const { output: trained } = await again.activities('gpu', 'train').trainModel(train);
  again.made.environment = trained.environment;
  again.same('tuned model', facts.training.model, trained.model);

  const { output: exported } = await again.activities('cpu', 'export').exportClassifier(
    again.call('export', {
      model: trained.model,
      ...taskNamed(pipeline),
      ...(facts.exported.temperature === undefined ? {} : { dataset: dataset.dataset }),
    }),
  );
  again.same('served model', facts.exported.classifier, exported.classifier);

  const evaluate = again.call('evaluate', {
    ...evaluateInput(encoder.encoder, winner.probe, exported, dataset, pipeline),
    ...ownCorruptions(facts.evaluation.diagnosis?.corruptionTable),
  });
  const { output: evaluation } = await again.activities('cpu', 'evaluate').evaluateModel(evaluate);
  again.same('answers to the test rows', facts.evaluation.reference, evaluation.reference);

  const made = {
    classifier: exported.classifier,
    trained,
    dataset,
    evaluation: facts.evaluation,
    gates: facts.gates,
    ...dossierInput(facts),
  };
  const pack = again.call('package', packageInput(facts, winner, made));
  const { output: packaged } = await again.activities('light', 'package').packageModel(pack);
  again.made.bundle = packaged.bundle;
  again.same('bundle', facts.bundle, packaged.bundle);
}

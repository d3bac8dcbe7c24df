import type { ArtifactRef } from '../../../artifacts/reference.ts';
import type { Run } from '../../run.ts';
import { backboneExportInput, backboneTrainInput, evaluateRetrievalInput, indexInput } from '../../retrieval-inputs.ts';
import { judgedTimes, measuredOn, ownCorruptions } from '../../step-inputs.ts';
import { trainStep } from '../../training.ts';
import { attacks } from '../attacks.ts';
import { judgeCustom } from '../custom-gates.ts';
import { judgedEvidence } from '../evidence.ts';
import { tableGates } from '../tune.ts';
import type { SelectedRetriever } from './select.ts';

/** The model whose embeddings are indexed, and how far its export is from what it was made from. */
interface Embedder {
  readonly model: ArtifactRef;
  /** What it was exported from. */
  readonly weights: ArtifactRef;
  readonly parityMaxAbs: number;
}

/** Tunes the backbone where the definition says so, indexes the gallery, and judges what test pictures find there. */
export async function tuneRetriever(run: Run, selected: SelectedRetriever): Promise<void> {
  const { dataset, winner } = selected;
  const definition = () => run.definition('image-retrieval');
  const tunes = definition().training !== null;
  const { model, weights, parityMaxAbs } = tunes ? await tuned(run, selected) : asItCame(run, selected);
  const built = await run.step('cpu', 'index', 'buildIndex', () => indexInput(model, dataset, definition()));
  const indexed = { ...built, embedder: model, parityMaxAbs };
  run.facts.exported = indexed;
  const evaluation = await run.step('timed', 'evaluate', 'evaluateRetrieval', () => ({
    ...evaluateRetrievalInput(indexed, tunes ? winner.exported.encoder : null, dataset, definition()),
    ...ownCorruptions(run.input.corruptions),
    ...measuredOn(definition()),
    ...judgedTimes(definition()),
  }));
  run.facts.retrieval = evaluation;
  const attacked = await attacks(run, { weights, served: model, index: built.index }, dataset.dataset);
  run.facts.gates = await run.step('light', 'gates', 'judgeRetrieval', () => ({
    measures: { ...evaluation.measures, ...attacked },
    gates: definition().gates,
    ...tableGates(definition(), evaluation.behaviour),
    ...judgeCustom(run, evaluation),
    ...judgedEvidence(run, evaluation),
  }));
}

/** As a classifier of the labels: what tells them apart brings pictures of one label together. */
async function tuned(run: Run, { dataset, winner }: SelectedRetriever): Promise<Embedder> {
  const stopAt = await run.budget.stopTrainingAt();
  const { output: trained } = await trainStep(run, 'train', () => {
    const { training } = run.definition('image-retrieval');
    if (training === null) throw new Error('a training began that the definition does not ask for');
    const input = backboneTrainInput(winner.exported, dataset, training);
    return stopAt === undefined ? input : { ...input, stopAt };
  });
  run.facts.training = trained;
  const { classifier, parityMaxAbs } = await run.step('cpu', 'export', 'exportClassifier', () =>
    backboneExportInput(trained.model, dataset),
  );
  return { model: classifier, weights: trained.model, parityMaxAbs };
}

function asItCame(run: Run, { winner: { exported } }: SelectedRetriever): Embedder {
  run.engine.close(['train', 'export'], 'skipped');
  return { model: exported.encoder, weights: exported.weights, parityMaxAbs: exported.parityMaxAbs };
}

import type { Evaluation, JudgeGatesInput } from '../../activities/contract/validation.ts';
import type { Pipeline } from '../../pipelines/definition.ts';
import type { Run } from '../run.ts';
import { evaluateInput, judgedTimes, measuredOn, ownCorruptions, taskNamed, trainInput } from '../step-inputs.ts';
import { trainStep } from '../training.ts';
import { attacks } from './attacks.ts';
import { judgeCustom } from './custom-gates.ts';
import { judgedEvidence } from './evidence.ts';
import type { Selected } from './select.ts';

/** Fine-tunes the winner, exports it and judges what onnxruntime measures. */
export async function tune(run: Run, { dataset, winner }: Selected): Promise<void> {
  const definition = () => run.classification();
  const stopAt = await run.budget.stopTrainingAt();
  const { output: trained } = await trainStep(run, 'train', () => ({
    ...trainInput(winner, winner.exported.weights, dataset, definition()),
    ...(stopAt === undefined ? {} : { stopAt }),
  }));
  run.facts.training = trained;
  const exported = await run.step('cpu', 'export', 'exportClassifier', () => ({
    model: trained.model,
    dataset: dataset.dataset,
    ...taskNamed(definition()),
  }));
  run.facts.exported = exported;
  const evaluation = await run.step('timed', 'evaluate', 'evaluateModel', () => ({
    ...evaluateInput(winner.exported.encoder, winner.probe, exported, dataset, definition()),
    ...ownCorruptions(run.input.corruptions),
    ...measuredOn(definition()),
    ...judgedTimes(definition()),
  }));
  run.facts.evaluation = evaluation;
  const attacked = await attacks(run, { weights: trained.model, served: exported.classifier }, dataset.dataset);
  run.facts.gates = await run.step('light', 'gates', 'judgeGates', () => ({
    measures: { ...evaluation.measures, ...attacked },
    gates: definition().gates,
    method: definition().training.method,
    ...tableGates(definition(), evaluation.behaviour),
    ...judgeCustom(run, evaluation),
    ...judgedEvidence(run, evaluation),
  }));
}

/** What the step that judges is told of the tables of behaviour tests; nothing where there are none. */
export function tableGates(
  { behaviour: gates }: Pick<Pipeline, 'behaviour'>,
  measured: Evaluation['behaviour'] = [],
): Pick<JudgeGatesInput, 'behaviour'> {
  return gates === undefined ? {} : { behaviour: { gates, measured } };
}

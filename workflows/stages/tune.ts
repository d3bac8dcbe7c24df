import type { TrainedModel } from '../../activities/contract/training.ts';
import type { AttackMeasures, Evaluation, JudgeGatesInput } from '../../activities/contract/validation.ts';
import { attackAsked } from '../../pipelines/attack.ts';
import type { Pipeline } from '../../pipelines/definition.ts';
import { StepLeftOut } from '../engine.ts';
import type { Run } from '../run.ts';
import { evaluateInput, taskNamed, trainInput } from '../step-inputs.ts';
import { trainStep } from '../training.ts';
import { judgeCustom } from './custom-gates.ts';
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
  const evaluation = await run.step('cpu', 'evaluate', 'evaluateModel', () =>
    evaluateInput(winner.exported.encoder, winner.probe, exported, dataset, definition()),
  );
  run.facts.evaluation = evaluation;
  const attack = await attacked(run, trained, dataset);
  run.facts.gates = await run.step('light', 'gates', 'judgeGates', () => ({
    measures: { ...evaluation.measures, ...attack?.measures },
    gates: definition().gates,
    method: definition().training.method,
    ...tableGates(definition(), evaluation.behaviour),
    ...judgeCustom(run, evaluation),
  }));
}

/** Where a gate wants it: an operator may have switched it off by now. */
async function attacked(
  run: Run,
  { model }: TrainedModel,
  { dataset }: Selected['dataset'],
): Promise<AttackMeasures | undefined> {
  if (run.pipeline.task !== 'image-classification' || !attackAsked(run.input.pipeline.gates)) return undefined;
  if (!attackAsked(run.pipeline.gates)) {
    run.engine.close(['attack'], 'skipped');
    return undefined;
  }
  try {
    run.facts.attack = await run.step('cpu', 'attack', 'attackClassifier', () => {
      const { attack, training } = run.definition('image-classification');
      return { model, dataset, attack, seed: training.seed, threads: training.threads };
    });
    return run.facts.attack;
  } catch (error) {
    // What was not measured fails its gate, unless that is off by now.
    if (error instanceof StepLeftOut) return undefined;
    throw error;
  }
}

/** What the step that judges is told of the tables of behaviour tests; nothing where there are none. */
export function tableGates(
  { behaviour: gates }: Pick<Pipeline, 'behaviour'>,
  measured: Evaluation['behaviour'] = [],
): Pick<JudgeGatesInput, 'behaviour'> {
  return gates === undefined ? {} : { behaviour: { gates, measured } };
}

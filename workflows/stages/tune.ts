import type { StepResult } from '../../activities/contract.ts';
import type { TrainedModel, TrainModelInput } from '../../activities/contract/training.ts';
import { trainOnOwnWorker } from '../own-worker.ts';
import type { Run } from '../run.ts';
import { evaluateInput, trainInput } from '../step-inputs.ts';
import type { Selected } from './select.ts';

/** Fine-tunes the winner, exports it and judges what onnxruntime measures. */
export async function tune(run: Run, { dataset, winner }: Selected): Promise<void> {
  const definition = () => run.definition('text-classification');
  const trained = await train(run, () => trainInput(winner, winner.exported.weights, dataset, definition()));
  run.facts.training = trained;
  const exported = await run.step('cpu', 'export', 'exportClassifier', () => ({
    model: trained.model,
    dataset: dataset.dataset,
  }));
  run.facts.exported = exported;
  const evaluation = await run.step('cpu', 'evaluate', 'evaluateModel', () =>
    evaluateInput(winner.exported.encoder, winner.probe, exported, dataset, definition()),
  );
  run.facts.evaluation = evaluation;
  run.facts.gates = await run.step('light', 'gates', 'judgeGates', () => ({
    measures: evaluation.measures,
    gates: definition().gates,
    method: definition().training.method,
  }));
}

/** On the workers that train for everybody, or on one of its own: that decides nothing about the result. */
export async function train(run: Run, input: () => TrainModelInput): Promise<TrainedModel> {
  const body = (): Promise<StepResult<TrainedModel>> => {
    const { launcher } = run.pipeline.training;
    const call = run.call('train', input());
    return launcher === undefined
      ? run.activities('gpu', 'train').trainModel(call)
      : trainOnOwnWorker(run, launcher, call);
  };
  return (await run.engine.step('train', body, run.parking())).output;
}

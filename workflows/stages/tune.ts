import type { Run } from '../run.ts';
import type { Selected } from './select.ts';

/** Fine-tunes the winner, exports it and judges what onnxruntime measures. */
export async function tune(run: Run, { dataset, winner }: Selected): Promise<void> {
  const trained = await run.step('gpu', 'train', 'trainModel', () => ({
    weights: winner.exported.weights,
    dataset: dataset.dataset,
    labels: dataset.labels,
    pooling: winner.candidate.pooling,
    maxLength: run.pipeline.selection.maxLength,
    training: run.pipeline.training,
  }));
  run.facts.training = trained;
  const exported = await run.step('cpu', 'export', 'exportClassifier', () => ({ model: trained.model }));
  run.facts.exported = exported;
  const evaluation = await run.step('cpu', 'evaluate', 'evaluateModel', () => ({
    classifier: exported.classifier,
    dataset: dataset.dataset,
    baseline: { encoder: winner.exported.encoder, probe: winner.probe.probe },
    exportParityMaxAbs: exported.parityMaxAbs,
    seed: run.pipeline.training.seed,
  }));
  run.facts.evaluation = evaluation;
  run.facts.gates = await run.step('light', 'gates', 'judgeGates', () => ({
    measures: evaluation.measures,
    gates: run.pipeline.gates,
    method: run.pipeline.training.method,
  }));
}

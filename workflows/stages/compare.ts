import type { Run } from '../run.ts';

/**
 * What is in production now, and how the new model does beside it on the same rows. The evidence names the bundle that
 * it was compared with: who approves later than another release sees that it is not the one that stands there by then.
 */
export async function compareWithProduction(run: Run): Promise<void> {
  const { pipeline } = run;
  const { model, channel } = pipeline.deploy;
  const { exported, evaluation, data } = run.facts;
  if (!exported || !evaluation || !data) throw new Error('the comparison began before the evaluation ended');
  const find = () =>
    run.activities('light', 'production').findProduction(run.call('production', { model, channel, pipeline }));
  const production = await run.engine.step('production', find, run.parking());
  run.facts.production = production;
  if (production === null || production.made === null) return run.engine.close(['compare'], 'skipped');
  const { bundle, made } = production;
  run.facts.comparison = await run.step('cpu', 'compare', 'compareModels', () => ({
    production: { bundle, classifier: made.classifier, dataset: made.dataset },
    candidate: { classifier: exported.classifier, evaluation: evaluation.details },
    dataset: data.dataset,
    gate: pipeline.gates.gainOverProduction,
    seed: pipeline.training.seed,
  }));
}

import type { ProductionModel } from '../../activities/contract/validation.ts';
import type { Run } from '../run.ts';
import type { Selected } from './select.ts';

/**
 * What is in production now, and how the new model does beside it on the same rows. The evidence names the bundle that
 * it was compared with: who approves later than another release sees that it is not the one that stands there by then.
 */
export async function compareWithProduction(
  run: Run,
  compare: (production: ProductionModel) => Promise<void>,
): Promise<void> {
  const { pipeline } = run;
  const { model, channel } = pipeline.deploy;
  const find = () =>
    run.activities('light', 'production').findProduction(run.call('production', { model, channel, pipeline }));
  const production = await run.engine.step('production', find, run.parking());
  run.facts.production = production;
  if (production === null || production.made === null) return run.engine.close(['compare'], 'skipped');
  await compare(production);
}

/** Both classifiers on the same test rows. */
export async function compareClassifier(run: Run, _: Selected, { bundle, made }: ProductionModel): Promise<void> {
  const { exported, evaluation, data } = run.facts;
  if (!exported || !('classifier' in exported) || !evaluation || !data || made === null) {
    throw new Error('the comparison began before the evaluation ended');
  }
  run.facts.comparison = await run.step('cpu', 'compare', 'compareModels', () => ({
    production: { bundle, classifier: made.classifier, dataset: made.dataset },
    candidate: { classifier: exported.classifier, evaluation: evaluation.details },
    dataset: data.dataset,
    gate: run.classification().gates.gainOverProduction,
    macroF1Gate: run.classification().gates.macroF1OverProduction,
    seed: run.classification().training.seed,
  }));
}

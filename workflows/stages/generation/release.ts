import type { PackagedModel } from '../../../activities/contract/deployment.ts';
import type { ProductionModel } from '../../../activities/contract/validation.ts';
import { dossierInput, packageGeneratorInput } from '../../step-inputs.ts';
import type { Run } from '../../run.ts';
import type { SelectedGenerator } from './select.ts';

/** The bundle of a generator, its prompt and its guidelines. No setting that may change is read from here on. */
export function packageGenerator(run: Run, { dataset, winner }: SelectedGenerator): Promise<PackagedModel> {
  const pipeline = run.definition('text-generation');
  const { generation, gates, training, exported: chosen } = run.facts;
  const { evaluation, memorisation } = generation ?? {};
  if (!chosen || !('generator' in chosen) || !evaluation || !gates)
    throw new Error('release began before tuning ended');
  const made = {
    chosen,
    // A training whose model was not chosen has left nothing in the bundle.
    ...(chosen.road === 'tuned' && training !== undefined ? { trained: training } : {}),
    ...(memorisation === undefined ? {} : { memorisation }),
    dataset,
    evaluation,
    gates,
    ...dossierInput({ ...run.facts, ...run.input }),
  };
  const { definition } = run.input;
  return run.step('light', 'package', 'packageGenerator', () =>
    packageGeneratorInput({ pipeline, definition }, winner, made),
  );
}

/** Both answer the same test prompts, and the same checks judge them. */
export async function compareGenerator(
  run: Run,
  { dataset, guidelines }: SelectedGenerator,
  { bundle, made }: ProductionModel,
): Promise<void> {
  const { generation, exported: chosen } = run.facts;
  const evaluation = generation?.evaluation;
  if (!chosen || !('generator' in chosen) || !evaluation || made === null)
    throw new Error('the comparison began before the evaluation ended');
  run.facts.generationComparison = await run.step('cpu', 'compare', 'compareGenerators', () => {
    const { gates, selection } = run.definition('text-generation');
    return {
      production: { bundle, generator: made.classifier, dataset: made.dataset },
      candidate: { generator: chosen.generator, evaluation: evaluation.details },
      dataset: dataset.dataset,
      guidelines,
      gate: gates.gainOverProduction,
      seed: selection.seed,
    };
  });
}

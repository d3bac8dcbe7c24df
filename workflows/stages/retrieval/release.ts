import type { PackagedModel } from '../../../activities/contract/deployment.ts';
import type { ProductionModel } from '../../../activities/contract/validation.ts';
import { packageRetrieverInput } from '../../retrieval-inputs.ts';
import type { Run } from '../../run.ts';
import { dossierInput } from '../../step-inputs.ts';
import type { SelectedRetriever } from './select.ts';

/** The bundle of a model and its index. No setting that may change is read from here on: the definition stands. */
export function packageRetriever(run: Run, { dataset, winner }: SelectedRetriever): Promise<PackagedModel> {
  const { definition } = run.input;
  const { exported, training, retrieval, gates } = run.facts;
  if (!exported || !('embedder' in exported) || !retrieval || !gates)
    throw new Error('release began before tuning ended');
  const { embedder, index, ...indexed } = exported;
  const made = {
    embedder,
    index,
    indexed,
    ...(training === undefined ? {} : { trained: training }),
    dataset,
    evaluation: retrieval,
    gates,
    ...dossierInput({ ...run.facts, ...run.input }),
  };
  return run.step('light', 'package', 'packageRetriever', () =>
    packageRetrieverInput({ pipeline: run.definition('image-retrieval'), definition }, winner, made),
  );
}

/** Both models embed the same gallery and the same test pictures. */
export async function compareRetriever(
  run: Run,
  { dataset }: SelectedRetriever,
  { bundle, made }: ProductionModel,
): Promise<void> {
  const { exported, retrieval } = run.facts;
  if (!exported || !('embedder' in exported) || !retrieval || made === null)
    throw new Error('the comparison began before the evaluation ended');
  run.facts.retrievalComparison = await run.step('cpu', 'compare', 'compareRetrievers', () => {
    const { gates, selection } = run.definition('image-retrieval');
    return {
      production: { bundle, model: made.classifier, dataset: made.dataset },
      candidate: { model: exported.embedder, evaluation: retrieval.details },
      dataset: dataset.dataset,
      gate: gates.gainOverProduction,
      seed: selection.seed,
    };
  });
}

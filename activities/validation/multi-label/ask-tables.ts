/** The tables of behaviour tests, asked of a model of several labels a text: what is compared is the set of labels that apply. */
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import { labelsAbove } from '../../../inference/labels-above.ts';
import type { TextModel } from '../../../inference/text-model.ts';
import type { BehaviourResult } from '../../contract/validation.ts';
import { loadBehaviour } from '../../data/behaviour.ts';
import type { StepContext } from '../../step.ts';
import { askBehaviour } from '../behaviour-tests.ts';

/** One result a table; `[]` where the dataset has none. */
export async function askTables(
  {
    model,
    labels,
    thresholds,
  }: {
    readonly model: Pick<TextModel, 'runAll'>;
    readonly labels: readonly string[];
    readonly thresholds: readonly number[];
  },
  dataset: ArtifactRef,
  { store, signal, progress }: Pick<StepContext, 'store' | 'signal' | 'progress'>,
): Promise<readonly BehaviourResult[]> {
  return askBehaviour(model, labels, await loadBehaviour(store, dataset, signal), {
    signal,
    decide: (probabilities) => labelsAbove(probabilities, thresholds),
    onProgress: (done, total) => progress({ phase: 'behaviour tests', done, total }),
  });
}

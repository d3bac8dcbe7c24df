import type { PackagedModel } from '../../activities/contract/deployment.ts';
import { dossierInput, packageInput } from '../step-inputs.ts';
import type { Run } from '../run.ts';
import type { Selected } from './select.ts';

/** The bundle of a tuned classifier. No setting that may change is read from here on: the definition stands. */
export function packageClassifier(run: Run, { dataset, winner }: Selected): Promise<PackagedModel> {
  const { definition } = run.input;
  const { exported, training, evaluation, gates } = run.facts;
  if (!exported || !('classifier' in exported) || !training || !evaluation || !gates)
    throw new Error('release began before tuning ended');
  const made = { classifier: exported.classifier, trained: training, dataset, evaluation, gates };
  const told = dossierInput({ ...run.facts, ...run.input });
  return run.step('light', 'package', 'packageModel', () =>
    packageInput({ pipeline: run.classification(), definition }, winner, { ...made, ...told }),
  );
}

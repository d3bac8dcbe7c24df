import type { PackageModelInput, RunFacts } from '../activities/contract.ts';
import type { Winner } from './stages/select.ts';

/** What the bundle is made of: the same for the run that releases it and for one that makes it again. */
export function packageInput(
  { pipeline, definition }: Pick<RunFacts, 'pipeline' | 'definition'>,
  { resolved, imported }: Pick<Winner, 'resolved' | 'imported'>,
  made: Pick<PackageModelInput, 'classifier' | 'trained' | 'dataset' | 'evaluation' | 'gates'>,
): PackageModelInput {
  return { model: pipeline.deploy.model, pipeline, definition, ...made, base: resolved, baseModel: imported };
}

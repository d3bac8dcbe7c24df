/** A model's folder through the two steps that take it in, by a candidate that asks for the conversion or does not. */
import type { ImportedModel } from '../../activities/contract/selection.ts';
import { importModel } from '../../activities/selection/import-model.ts';
import { resolveModel } from '../../activities/selection/resolve-model.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { Candidate } from '../../pipelines/definition.ts';
import { runStep } from './step.ts';

const intendedUse = { commercial: true, domain: 'support', publish: false, hosted: true, modify: true };

export async function importFolder(
  folder: string,
  services: ActivityServices,
  convert?: Candidate['convert'],
): Promise<ImportedModel> {
  const tree = await services.store.putTree(folder, 'model');
  const candidate = { id: 'tiny', model: './model', pooling: 'mean', optional: false, tree } as const;
  const asked = { ...candidate, ...(convert === undefined ? {} : { convert }) };
  const resolved = await runStep(resolveModel, { candidate: asked, intendedUse }, services);
  return runStep(importModel, { resolved }, services);
}

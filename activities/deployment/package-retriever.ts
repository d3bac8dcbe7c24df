/** The deployment bundle of a model that finds pictures, with its index. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { PackagedModel, PackageRetrieverInput } from '../contract/deployment.ts';
import type { StepDefinition } from '../step.ts';

export const packageRetriever: StepDefinition<PackageRetrieverInput, PackagedModel> = {
  type: 'deployment.package-retriever',
  version: 1,
  run: () => Promise.reject(new EspalierError('BadConfig', 'an index of pictures is not packaged for serving yet')),
};

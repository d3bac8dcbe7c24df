/** Where an organisation publishes its licence policy, so that what runs and what serves is judged by it as it is now. */
import type { ArtifactRef } from './reference.ts';

export interface PublishedPolicy {
  readonly version: 1;
  readonly policy: ArtifactRef;
  readonly by: string;
  readonly at: string;
}

/** For one pipeline, whose definition may name its own; undefined: for all. */
export function policyPointerKey(pipeline: string | undefined): string {
  const root = 'registry/licence-policy';
  return pipeline === undefined ? `${root}/organisation` : `${root}/pipelines/${pipeline}`;
}

/** The licence policy as it is now: it may have changed since the run began. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { policyPointerKey, type PublishedPolicy } from '../../artifacts/licence-policy.ts';
import { policyPath, readPolicyFile } from '../../pipelines/licence/policy-file.ts';
import { parsePolicy, type LicencePolicy } from '../../pipelines/licence/policy.ts';
import type { ActivityServices } from '../step.ts';

export interface PolicyQuestion {
  readonly pipeline: string;
  /** The definition names a policy of its own, which wins over the organisation's. */
  readonly own: boolean;
  /** As it was when the run began. */
  readonly snapshot?: ArtifactRef | undefined;
}

export interface CurrentPolicy {
  readonly policy: LicencePolicy | undefined;
  readonly ref: ArtifactRef | undefined;
  /** Where it was found, for people. */
  readonly from: string;
}

/**
 * What was published for the pipeline; else, unless its definition names its own, the worker's ESPALIER_LICENCE_POLICY or
 * what was published for all; else what the run began with. Throws BadConfig for a policy that cannot be read: nothing is
 * decided by half of one.
 */
export async function currentPolicy(
  { pipeline, own, snapshot }: PolicyQuestion,
  services: Pick<ActivityServices, 'store' | 'pointers'>,
): Promise<CurrentPolicy> {
  const ofPipeline = await published(policyPointerKey(pipeline), services, `published for ${pipeline}`);
  if (ofPipeline !== undefined) return ofPipeline;
  if (!own) {
    const path = policyPath(undefined, process.cwd());
    if (path !== undefined) {
      const text = readPolicyFile(path);
      const ref = await services.store.putBytes(text, { name: 'licence-policy.yaml', mediaType: 'application/yaml' });
      return { policy: parsePolicy(text, path), ref, from: 'the worker’s ESPALIER_LICENCE_POLICY' };
    }
    const ofAll = await published(policyPointerKey(undefined), services, 'published for all pipelines');
    if (ofAll !== undefined) return ofAll;
  }
  if (snapshot === undefined) return { policy: undefined, ref: undefined, from: 'no policy file' };
  return read(snapshot, services, 'as the run began with it');
}

async function published(
  key: string,
  services: Pick<ActivityServices, 'store' | 'pointers'>,
  from: string,
): Promise<CurrentPolicy | undefined> {
  const found = await services.pointers.read<PublishedPolicy>(key);
  return found && read(found.value.policy, services, `${from} by ${found.value.by} at ${found.value.at}`);
}

async function read(
  ref: ArtifactRef,
  { store }: Pick<ActivityServices, 'store'>,
  from: string,
): Promise<CurrentPolicy> {
  return { policy: parsePolicy((await store.getBytes(ref)).toString('utf8'), ref.name), ref, from };
}

/** Publishing the organisation's licence policy: from then on releases and served models are judged by it. */
import { policyPointerKey, type PublishedPolicy } from '../artifacts/licence-policy.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { Pointers } from '../artifacts/pointers.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { parsePolicy } from '../pipelines/licence/policy.ts';

/**
 * For one pipeline, or for all whose definition names none of its own.
 * @throws EspalierError BadConfig for a policy with mistakes, Conflict when somebody else published at the same moment
 */
export async function publishPolicy(
  { store, pointers }: { readonly store: ArtifactStore; readonly pointers: Pointers },
  policy: { readonly text: string; readonly name: string; readonly by: string; readonly pipeline?: string | undefined },
): Promise<PublishedPolicy> {
  const { text, name, by, pipeline } = policy;
  parsePolicy(text, name);
  const key = policyPointerKey(pipeline);
  const ref = await store.putBytes(text, { name, mediaType: 'application/yaml' });
  const published: PublishedPolicy = { version: 1, policy: ref, by, at: new Date().toISOString() };
  const before = await pointers.read(key);
  if (await pointers.replace(key, published, before?.version)) return published;
  throw new EspalierError('Conflict', 'somebody else published a policy at this moment', {
    where: key,
    fix: 'look at what they published, and publish again if it is still needed',
  });
}

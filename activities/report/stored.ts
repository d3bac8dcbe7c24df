/** How much of the store a run's artifacts are: every blob once, however many trees hold it. */
import { EspalierError } from '../../artifacts/errors.ts';
import { isArtifactRef, TREE_MEDIA_TYPE, type ArtifactRef } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';

export interface Stored {
  readonly artifacts: number;
  readonly bytes: number;
  /** Artifacts that are in the store no more: they are not counted. */
  readonly gone: number;
}

/** Of all artifacts that `facts` names. Reads manifests only. Throws what the store throws when it cannot be reached. */
export async function measureStored(facts: unknown, store: ArtifactStore): Promise<Stored> {
  const refs = new Map(artifactsIn(facts).map((ref) => [ref.digest, ref]));
  const blobs = new Map<string, number>();
  let gone = 0;
  for (const ref of refs.values()) {
    blobs.set(ref.digest, ref.size);
    if (ref.mediaType !== TREE_MEDIA_TYPE) continue;
    try {
      for (const { digest, size } of (await store.tree(ref)).entries) blobs.set(digest, size);
    } catch (error) {
      if (!(error instanceof EspalierError && error.kind === 'NotFound')) throw error;
      gone += 1;
    }
  }
  return { artifacts: refs.size - gone, bytes: [...blobs.values()].reduce((sum, size) => sum + size, 0), gone };
}

function artifactsIn(value: unknown): ArtifactRef[] {
  if (isArtifactRef(value)) return [value];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(artifactsIn);
}

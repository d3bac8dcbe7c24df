/** Which checkpoints are kept, and which stored bytes no kept one needs. Pure. */
import { EspalierError } from '../../artifacts/errors.ts';
import { TREE_MEDIA_TYPE, type ArtifactRef, type Digest, type TreeManifest } from '../../artifacts/reference.ts';
import type { CheckpointPointer, SavedCheckpoint } from './checkpoints.ts';

export interface RetentionPolicy {
  /** At least 1. */
  readonly keepLast: number;
  /** Besides the last: those with the lowest validation loss. */
  readonly keepBest: number;
}

/** The checkpoints to keep, newest first, of all there are, newest first. */
export function retain(
  checkpoints: readonly SavedCheckpoint[],
  { keepLast, keepBest }: RetentionPolicy,
): SavedCheckpoint[] {
  const best = checkpoints
    .filter((checkpoint) => checkpoint.validationLoss != null)
    .toSorted((a, b) => (a.validationLoss ?? 0) - (b.validationLoss ?? 0))
    .slice(0, keepBest);
  return checkpoints.filter((checkpoint, index) => index < keepLast || best.includes(checkpoint));
}

/** Trees that some training may go on from: what a collection of garbage must take as roots. */
export function reachableCheckpoints(pointers: readonly CheckpointPointer[]): readonly Digest[] {
  return [...new Set(pointers.flatMap((pointer) => pointer.checkpoints.map(({ tree }) => tree.digest)))];
}

export interface Garbage {
  /** Every checkpoint pointer there is. */
  readonly pointers: readonly CheckpointPointer[];
  /** Everything else that anybody holds: step records, bundles, releases. */
  readonly roots: readonly (ArtifactRef | Digest)[];
  /** Manifests of all trees among pointers, roots and superseded checkpoints. */
  readonly trees: ReadonlyMap<Digest, TreeManifest>;
  /**
   * When a blob was stored, or found by an upload that then did not send it again: an upload that runs now, whose pointer
   * moves only later, counts on the blobs it found.
   */
  readonly touchedAtMs: (blob: Digest) => number | undefined;
  readonly nowMs: number;
  /** Longer than any upload takes. */
  readonly graceMs: number;
}

/**
 * Blobs of superseded checkpoints that may be deleted: nothing reaches them, and neither their checkpoint nor they
 * themselves were of use within the grace. A tree whose manifest is not given could hold anything: throws NotFound
 * rather than guess. Only what was a checkpoint once is ever named.
 */
export function deletableBlobs({ pointers, roots, trees, touchedAtMs, nowMs, graceMs }: Garbage): readonly Digest[] {
  const blobsOf = (tree: Digest): readonly Digest[] => {
    const manifest = trees.get(tree);
    if (manifest !== undefined) return [tree, ...manifest.entries.map((entry) => entry.digest)];
    const fix = 'nothing was deleted: read every manifest first';
    throw new EspalierError('NotFound', `the manifest of ${tree} is not known`, { where: tree, fix });
  };
  const isTree = (root: ArtifactRef | Digest) =>
    typeof root === 'string' ? trees.has(root) : root.mediaType === TREE_MEDIA_TYPE;
  const digestOf = (root: ArtifactRef | Digest) => (typeof root === 'string' ? root : root.digest);
  const reachable = new Set<Digest>([
    ...reachableCheckpoints(pointers).flatMap(blobsOf),
    ...roots.flatMap((root) => (isTree(root) ? blobsOf(digestOf(root)) : [digestOf(root)])),
    ...pointers.flatMap((pointer) => (pointer.logs ?? []).map(({ log }) => log.digest)),
  ]);
  const superseded = pointers.flatMap((pointer) => pointer.superseded ?? []);
  const recent = superseded.filter(({ at }) => nowMs - Date.parse(at) < graceMs);
  for (const { tree } of recent) for (const blob of blobsOf(tree)) reachable.add(blob);
  const candidates = new Set(superseded.filter((one) => !recent.includes(one)).flatMap(({ tree }) => blobsOf(tree)));
  return [...candidates].filter((blob) => {
    const touched = touchedAtMs(blob);
    return !reachable.has(blob) && touched !== undefined && nowMs - touched >= graceMs;
  });
}

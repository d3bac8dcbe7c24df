/** References to content: the only form in which data travels through Temporal. No I/O here. */

export type Digest = `sha256:${string}`;

/** A file or a tree in the store. `digest` alone is its identity; the rest is for people and for checks on reading. */
export interface ArtifactRef {
  readonly digest: Digest;
  readonly mediaType: string;
  /** Bytes of the blob with this digest (for a tree: of its manifest). */
  readonly size: number;
  /** A name for people; not part of the identity. */
  readonly name: string;
}

export const TREE_MEDIA_TYPE = 'application/vnd.espalier.tree+json';

export interface TreeEntry {
  /** Relative, '/'-separated, no '.', '..' or empty segment. */
  readonly path: string;
  readonly digest: Digest;
  readonly size: number;
  readonly mode: '644' | '755';
}

/** A directory: entries sorted by path (by UTF-16 code units). The digest of its canonical JSON is the tree's identity. */
export interface TreeManifest {
  readonly version: 1;
  readonly entries: readonly TreeEntry[];
}

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(value: unknown): value is Digest {
  return typeof value === 'string' && DIGEST.test(value);
}

export function isArtifactRef(value: unknown): value is ArtifactRef {
  if (typeof value !== 'object' || value === null) return false;
  const ref = value as Record<string, unknown>;
  return (
    isDigest(ref['digest']) &&
    typeof ref['mediaType'] === 'string' &&
    typeof ref['size'] === 'number' &&
    typeof ref['name'] === 'string'
  );
}

/** The digest without its algorithm, as keys and paths hold it: 64 hex digits. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** A tree's file as a reference of its own; what kind of file it is, a tree does not say. */
export function entryRef({ path, digest, size }: TreeEntry): ArtifactRef {
  return { digest, size, mediaType: 'application/octet-stream', name: path };
}

/** The first 12 hex digits: enough for people, never for a decision. */
export function shortDigest(digest: string): string {
  return digest.replace(/^sha256:/, '').slice(0, 12);
}

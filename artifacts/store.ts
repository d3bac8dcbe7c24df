/** STUB replaced by the store's author. */
import type { ArtifactRef, Digest, TreeManifest } from './reference.ts';
export interface PutOptions {
  readonly name: string;
  readonly mediaType: string;
  readonly signal?: AbortSignal;
}
export declare class ArtifactStore {
  putBytes(bytes: Uint8Array | string, options: PutOptions): Promise<ArtifactRef>;
  /** Canonical JSON, media type application/json. */
  putJson(value: unknown, name: string): Promise<ArtifactRef>;
  putFile(path: string, options: PutOptions): Promise<ArtifactRef>;
  putTree(
    directory: string,
    name: string,
    options?: { signal?: AbortSignal; onProgress?: (doneBytes: number, totalBytes: number) => void },
  ): Promise<ArtifactRef>;
  /** Tree made of refs already in the store. */
  putManifest(entries: readonly { path: string; ref: ArtifactRef }[], name: string): Promise<ArtifactRef>;
  has(digest: Digest): Promise<boolean>;
  getBytes(ref: ArtifactRef | Digest): Promise<Buffer>;
  getJson<T>(ref: ArtifactRef | Digest): Promise<T>;
  tree(ref: ArtifactRef | Digest): Promise<TreeManifest>;
  /** A verified, read-only local copy in the cache: its path. */
  file(ref: ArtifactRef | Digest, signal?: AbortSignal): Promise<string>;
  /** One file of a tree, as a verified local path. Throws NotFound. */
  fileInTree(tree: ArtifactRef | Digest, path: string, signal?: AbortSignal): Promise<string>;
  /** Materialises a tree into an empty directory, verified. */
  checkout(
    tree: ArtifactRef | Digest,
    directory: string,
    options?: { signal?: AbortSignal; onProgress?: (doneBytes: number, totalBytes: number) => void },
  ): Promise<void>;
}

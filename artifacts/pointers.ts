/** STUB replaced by the store's author. */
export interface Pointer<T> {
  readonly value: T;
  /** The version to hand back to `replace` (an ETag). */
  readonly version: string;
}
export declare class Pointers {
  read<T>(key: string): Promise<Pointer<T> | undefined>;
  /** false: somebody else was first. */
  create<T>(key: string, value: T): Promise<boolean>;
  /** false: it moved in between. `version` undefined = must not exist yet. */
  replace<T>(key: string, value: T, version: string | undefined): Promise<boolean>;
  list(prefix: string): Promise<readonly string[]>;
}

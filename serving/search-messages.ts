/** What a searcher and its threads tell each other. */
import type { ErrorRecord } from '../artifacts/errors.ts';
import type { Match } from '../inference/retrieval/embedding-index.ts';
import { INDEX_FILE, VECTORS_FILE, type IndexFiles, type ParsedIndex } from '../inference/retrieval/index-files.ts';
import type { Ready } from './crew.ts';

/** The first thread reads the files; its vectors lie in memory that the others read, too. */
export type SearchOptions = { readonly files: IndexFiles } | Parsed;
export interface Parsed {
  readonly parsed: ParsedIndex;
}

/** A picture's embedding, and how many of the nearest entries are wanted. */
export interface Query {
  readonly embedding: Float32Array;
  readonly k: number;
}

export type ToSearchThread = Query | 'release' | 'crash';
export type FromSearchThread = Ready<Parsed> | Found;
export type Found =
  | { readonly type: 'found'; readonly matches: readonly Match[] }
  | { readonly type: 'failed'; readonly error: ErrorRecord };

/** What is handed over whole, not copied. */
export function indexBuffers(files: IndexFiles): ArrayBuffer[] {
  return [files[INDEX_FILE], files[VECTORS_FILE]].map(({ buffer }) => buffer as ArrayBuffer);
}

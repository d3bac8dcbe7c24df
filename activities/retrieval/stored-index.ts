/** An index whose vectors stay in their file: what is asked of all of them takes the memory of a block, of which each pass makes use once. */
import { join } from 'node:path';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import {
  readIndexHeader,
  requireUnitLength,
  VECTORS_FILE,
  type IndexHeader,
} from '../../inference/retrieval/index-files.ts';
import { rowsOfFile } from '../selection/embedded-rows.ts';
import type { SearchedGallery } from './gallery.ts';

export interface StoredIndex extends SearchedGallery {
  readonly header: IndexHeader;
}

/**
 * Of the folder that an index was written to. One with a graph is in memory besides, as where it is served, since its graph is made of
 * the vectors. Throws BadModel for files that are no index.
 */
export async function openIndex(folder: string, signal: AbortSignal): Promise<StoredIndex> {
  const header = await readIndexHeader(folder);
  const { ids, labels, classes, dimension } = header;
  const rows = rowsOfFile(join(folder, VECTORS_FILE), Int32Array.from(classes), { dimension, signal });
  let first = 0;
  for await (const block of rows.blocks()) {
    requireUnitLength(block.embeddings, dimension, folder, first);
    first += block.classes.length;
  }
  const graph = header.graph === null ? null : await EmbeddingIndex.load(folder, signal);
  return { header, ids, labels, dimension, rows, graph };
}

/** What pictures are asked of: entries by row, their vectors of length 1 wherever they lie. */
import type { EmbeddingIndex, GalleryBlock, Match } from '../../inference/retrieval/embedding-index.ts';
import { toUnitLength, type Neighbour } from '../../inference/retrieval/nearest.ts';
import { rowsInFile, rowsInMemory, type EmbeddedRows } from '../selection/embedded-rows.ts';

export interface Gallery {
  readonly ids: readonly string[];
  readonly dimension: number;
  /** Their classes index into the labels. */
  readonly rows: EmbeddedRows;
}

/** A gallery that is searched, as a server would. */
export interface SearchedGallery extends Gallery {
  readonly labels: readonly string[];
  /** Null where search is exact. */
  readonly graph: Pick<EmbeddingIndex, 'search'> | null;
}

export interface GalleryRows extends Omit<GalleryBlock, 'classes'> {
  readonly classes: Int32Array;
}

export function galleryInMemory({
  ids,
  classes,
  embeddings,
  labels,
}: GalleryRows & { readonly labels: readonly string[] }): SearchedGallery {
  const dimension = embeddings.length / ids.length;
  const rows = rowsInMemory({ embeddings: toUnitLength(embeddings, dimension), classes }, dimension);
  return { ids, dimension, rows, labels, graph: null };
}

/** The vectors of rows of any length, written to `path` as they come, a block of them in memory. */
export async function galleryInFile(
  path: string,
  blocks: AsyncIterable<GalleryRows>,
  { dimension, signal }: { readonly dimension: number; readonly signal: AbortSignal },
): Promise<Gallery> {
  const ids: string[] = [];
  async function* vectors() {
    for await (const block of blocks) {
      ids.push(...block.ids);
      yield { classes: block.classes, embeddings: toUnitLength(block.embeddings, dimension) };
    }
  }
  const rows = await rowsInFile(path, vectors(), { dimension, signal });
  return { ids, dimension, rows };
}

export function matchOf({ ids, rows, labels }: SearchedGallery, { row, similarity }: Neighbour): Match {
  return { id: ids[row]!, label: labels[rows.classes[row]!]!, similarity };
}

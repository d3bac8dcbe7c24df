/** An index made of rows that come some at a time: its vectors go through files, and of each picture an id and a class are in memory. */
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AboutGallery } from '../../inference/retrieval/embedding-index.ts';
import {
  encodeIndexHeader,
  INDEX_FILE,
  orderedHeader,
  requireUnitLength,
  VECTORS_FILE,
  type IndexHeader,
} from '../../inference/retrieval/index-files.ts';
import { writeNumbers } from '../selection/embedded-rows.ts';
import { galleryInFile, type GalleryRows } from './gallery.ts';

/** Of vectors that are put in order at a time: 1 MB. Written as the machine has them: all that the runtime exists for are little-endian. */
const BLOCK_VALUES = 2 ** 18;

/**
 * Writes it into `folder`, in the order of ids, whatever the blocks': the bytes of `EmbeddingIndex.of(…).files()`, searched exactly. Throws
 * BadData for an id that stands twice, BadModel for embeddings that are no index's.
 */
export async function writeIndex(
  folder: string,
  about: AboutGallery,
  blocks: AsyncIterable<GalleryRows>,
  signal: AbortSignal,
): Promise<IndexHeader> {
  const { dimension } = about;
  const unordered = join(folder, 'unordered.f32');
  const { ids, rows } = await galleryInFile(unordered, blocks, { dimension, signal });
  const { header, order } = orderedHeader(about, ids, rows.classes);
  async function* ordered(): AsyncGenerator<Float32Array> {
    const rowsABlock = Math.max(1, Math.floor(BLOCK_VALUES / dimension));
    for (let start = 0; start < order.length; start += rowsABlock) {
      const { embeddings } = await rows.pick([...order.subarray(start, start + rowsABlock)]);
      requireUnitLength(embeddings, dimension, 'gallery', start);
      yield embeddings;
    }
  }
  await writeNumbers(join(folder, VECTORS_FILE), ordered(), signal);
  await rm(unordered);
  await writeFile(join(folder, INDEX_FILE), encodeIndexHeader(header));
  return header;
}

/** What test pictures should find in the whole gallery, from parts of a prototype's. */
import type { ForetoldFindings, NotForetold } from '../contract/retrieval.ts';
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import type { StepContext } from '../step.ts';
import { sampleIndices, seededRandom } from '../validation/random.ts';
import type { Gallery } from './gallery.ts';
import { foretellGallery, type RankedQuery } from './larger-gallery.ts';
import { rankGallery } from './query-figures.ts';
import { similarityRows } from './similarities.ts';

/** Entries that all rankings together hold, of 13 bytes each: 200 queries of 10,000 pictures. Of more, queries are drawn. */
const HELD_ENTRIES = 2_000_000;

export async function foretellFindings(
  gallery: Gallery,
  { ids, classes, embeddings }: Pick<AnsweredPictures, 'ids' | 'classes' | 'embeddings'>,
  { k, seed, fullRows }: { readonly k: number; readonly seed: number; readonly fullRows: number },
  { signal, progress }: Pick<StepContext, 'signal' | 'progress'>,
): Promise<Omit<ForetoldFindings, 'secondsAPicture' | 'search'> | Omit<NotForetold, 'secondsAPicture' | 'search'>> {
  progress({ phase: 'the whole gallery' });
  const most = Math.max(1, Math.floor(HELD_ENTRIES / gallery.ids.length));
  const asking = sampleIndices(ids.length, Math.min(most, ids.length), seededRandom(seed));
  const { dimension } = gallery;
  const vectors = new Float32Array(asking.length * dimension);
  for (const [at, query] of asking.entries()) {
    vectors.set(embeddings.subarray(query * dimension, (query + 1) * dimension), at * dimension);
  }
  const queries: RankedQuery[] = [];
  for await (const similarities of similarityRows(gallery, { rows: asking.length, embeddings: vectors }, signal)) {
    const query = asking[queries.length]!;
    const label = classes[query]!;
    queries.push({ ...rankGallery(gallery, similarities, label, ids[query]!), label });
  }
  return foretellGallery({ classes: gallery.rows.classes, queries }, { k, fullRows, seed, signal });
}

/** What one ranking of the gallery is worth to each query. */
import type { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { averagePrecision, recallAt, type Ranking } from './metrics.ts';

/** By query; NaN where the gallery has nothing of its label. */
export interface QueryFigures {
  readonly recallAtK: Float64Array;
  readonly averagePrecision: Float64Array;
}

export interface QueryRanking extends Ranking {
  readonly relevant: Uint8Array;
}

/** The gallery by similarity, without the picture that asks. */
export function rankGallery(
  { header: { ids, classes } }: Pick<EmbeddingIndex, 'header'>,
  similarities: Float64Array,
  label: number,
  except: string,
): QueryRanking {
  const order = Uint32Array.from(ids.keys())
    .filter((row) => ids[row] !== except)
    .sort((one, other) => similarities[other]! - similarities[one]!);
  return {
    scores: Float64Array.from(order, (row) => similarities[row]!),
    relevant: Uint8Array.from(order, (row) => Number(classes[row] === label)),
  };
}

/** Of every query, ranked by what `similaritiesOf` says of it and every entry in the index's order. */
export async function figuresOf(
  index: Pick<EmbeddingIndex, 'header'>,
  queries: Pick<AnsweredPictures, 'ids' | 'classes'>,
  similaritiesOf: (query: number) => Float64Array,
  { k, signal }: { readonly k: number; readonly signal: AbortSignal },
): Promise<QueryFigures> {
  const pause = timeSlice(signal);
  const rows = queries.ids.length;
  const figures = { recallAtK: new Float64Array(rows), averagePrecision: new Float64Array(rows) };
  for (const [query, id] of queries.ids.entries()) {
    const ranking = rankGallery(index, similaritiesOf(query), queries.classes[query]!, id);
    figures.recallAtK[query] = recallAt(ranking, k);
    figures.averagePrecision[query] = averagePrecision(ranking);
    await pause();
  }
  return figures;
}

/** The similarity of each query's embedding with every entry. */
export function embeddedSimilarities(index: EmbeddingIndex, { embeddings }: Pick<AnsweredPictures, 'embeddings'>) {
  const { dimension } = index.header;
  return (query: number): Float64Array =>
    index.similarities(embeddings.subarray(query * dimension, (query + 1) * dimension));
}

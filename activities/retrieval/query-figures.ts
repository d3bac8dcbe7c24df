/** What one ranking of the gallery is worth to each query. */
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import { timeSlice } from '../validation/time-slice.ts';
import type { Gallery } from './gallery.ts';
import { averagePrecision, recallAt, type Ranking } from './metrics.ts';
import { similarityRows } from './similarities.ts';

/** By query; NaN where the gallery has nothing of its label. */
export interface QueryFigures {
  readonly recallAtK: Float64Array;
  readonly averagePrecision: Float64Array;
}

export interface QueryRanking extends Ranking {
  readonly scores: Float64Array;
  readonly relevant: Uint8Array;
  /** Rows of the gallery, nearest first. */
  readonly order: Uint32Array;
}

/** The gallery by similarity, without the picture that asks. */
export function rankGallery(
  { ids, rows: { classes } }: Pick<Gallery, 'ids' | 'rows'>,
  similarities: Float64Array,
  label: number,
  except: string,
): QueryRanking {
  // By loops: `from` and `filter` of so many make lists of them first.
  const others = new Uint32Array(ids.length);
  let count = 0;
  for (let row = 0; row < ids.length; row++) if (ids[row] !== except) others[count++] = row;
  const order = others.subarray(0, count).sort((one, other) => similarities[other]! - similarities[one]!);
  const [scores, relevant] = [new Float64Array(count), new Uint8Array(count)];
  for (const [place, row] of order.entries()) {
    scores[place] = similarities[row]!;
    relevant[place] = Number(classes[row] === label);
  }
  return { scores, relevant, order };
}

/** Of every query, ranked exactly, whatever order the gallery is in. Throws BadModel for a query that does not fit. */
export async function figuresOf(
  gallery: Gallery,
  { ids, classes, embeddings }: Pick<AnsweredPictures, 'ids' | 'classes' | 'embeddings'>,
  { k, signal }: { readonly k: number; readonly signal: AbortSignal },
): Promise<QueryFigures> {
  const pause = timeSlice(signal);
  const rows = ids.length;
  const figures = { recallAtK: new Float64Array(rows), averagePrecision: new Float64Array(rows) };
  let query = 0;
  for await (const similarities of similarityRows(gallery, { rows, embeddings }, signal)) {
    const ranking = rankGallery(gallery, similarities, classes[query]!, ids[query]!);
    figures.recallAtK[query] = recallAt(ranking, k);
    figures.averagePrecision[query] = averagePrecision(ranking);
    query += 1;
    await pause();
  }
  return figures;
}

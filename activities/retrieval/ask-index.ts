/** Every query asks the index, as a server would, and ranks the whole gallery beside it. */
import { definedOnly } from '../../artifacts/defined-only.ts';
import type { Match } from '../../inference/retrieval/embedding-index.ts';
import { nearestOf } from '../../inference/retrieval/nearest.ts';
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import type { StepContext } from '../step.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { averagePrecision, precisionAt, recallAt, type Ranking } from './metrics.ts';
import { matchOf, type SearchedGallery } from './gallery.ts';
import { rankGallery, type QueryFigures } from './query-figures.ts';
import { similarityRows } from './similarities.ts';

export interface Asked extends QueryFigures {
  readonly precisionAtK: Float64Array;
  /** Places of the queries of whose label the gallery has something; the figures of others are NaN. */
  readonly answered: readonly number[];
  /** What each finds, itself left out. */
  readonly found: readonly (readonly Match[])[];
}

/** Recall@k and precision@k of what search gives, by the graph where there is one; average precision of the exact ranking. */
export async function askIndex(
  gallery: SearchedGallery,
  queries: AnsweredPictures,
  k: number,
  { signal, progress }: Pick<StepContext, 'signal' | 'progress'>,
): Promise<Asked> {
  const rows = queries.ids.length;
  const none = (): Float64Array => new Float64Array(rows).fill(Number.NaN);
  const figures = { recallAtK: none(), precisionAtK: none(), averagePrecision: none() };
  const answered: number[] = [];
  const found: (readonly Match[])[] = [];
  const pause = timeSlice(signal);
  const { dimension, labels, graph } = gallery;
  const rowOf = rowsOfIds(gallery.ids, new Set(queries.ids));
  let query = 0;
  for await (const similarities of similarityRows(gallery, { rows, embeddings: queries.embeddings }, signal)) {
    const [id, label] = [queries.ids[query]!, queries.classes[query]!];
    const embedding = queries.embeddings.subarray(query * dimension, (query + 1) * dimension);
    const matches =
      graph === null
        ? nearestOf(similarities, { k, ...definedOnly({ except: rowOf.get(id) }) }).map((near) =>
            matchOf(gallery, near),
          )
        : await graph.search(embedding, { k, except: id, signal });
    found.push(matches);
    const exact = rankGallery(gallery, similarities, label, id);
    if (exact.relevant.includes(1)) {
      answered.push(query);
      // Of a ranking that is whole, ties that reach over k are counted fairly; what a graph leaves out it has not found.
      const given = graph === null ? exact : rankingOf(matches, labels[label]!);
      // A graph that gives nothing relevant gives a ranking without any: that is a 0, for the gallery has some.
      figures.recallAtK[query] = recallAt(given, k) || 0;
      figures.precisionAtK[query] = precisionAt(given, k);
      figures.averagePrecision[query] = averagePrecision(exact);
    }
    query += 1;
    await pause();
    progress({ phase: 'asking', done: query, total: rows });
  }
  return { ...figures, answered, found };
}

function rowsOfIds(ids: readonly string[], wanted: ReadonlySet<string>): ReadonlyMap<string, number> {
  const rows = new Map<string, number>();
  for (const [row, id] of ids.entries()) if (wanted.has(id)) rows.set(id, row);
  return rows;
}

function rankingOf(matches: readonly Match[], label: string): Ranking {
  return {
    scores: matches.map(({ similarity }) => similarity),
    relevant: matches.map((match) => Number(match.label === label)),
  };
}

/** Steps that make an index of pictures and measure what it finds. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { Score } from './measures.ts';

export interface BuildIndexInput {
  /** An exported encoder or classifier of pictures: its embeddings are used, frozen or tuned. */
  readonly model: ArtifactRef;
  /** The gallery is its train split; its validation split is what a graph is tried on. */
  readonly dataset: ArtifactRef;
  readonly seed: number;
  /** Multiplications a query (rows × dimension) up to which search is exact; `EXACT_UP_TO` when missing. */
  readonly exactUpTo?: number;
}
export interface BuiltIndex {
  /** Tree: `index.json` and `vectors.f32` (inference/retrieval/index-files.ts). */
  readonly index: ArtifactRef;
  readonly rows: number;
  readonly dimension: number;
  readonly sizeBytes: number;
  readonly search: 'exact' | 'graph';
  /** null where the gallery is small enough for exact search. */
  readonly graph: GraphTrial | null;
}
/** What a graph overlooks, measured before it may answer. */
export interface GraphTrial {
  /** Mean share, over queries, of the k truly nearest that it finds. */
  readonly recall: Score;
  readonly k: number;
  /** The least that the interval's lower end must be. */
  readonly bound: number;
  /** false: search is exact all the same. */
  readonly accepted: boolean;
}

export interface EvaluateRetrievalInput {
  readonly index: ArtifactRef;
  /** The one that the index was built with. */
  readonly model: ArtifactRef;
  /** Queries are its test split; relevant to a query is what has its label. */
  readonly dataset: ArtifactRef;
  /** Neighbours that are looked at. */
  readonly k: number;
  readonly seed: number;
}
export interface RetrievalEvaluation {
  readonly k: number;
  /** Share of queries with something relevant among the first k, of what search really gives: by the graph, where there is one. */
  readonly recallAtK: Score;
  /** Mean share of the first k that is relevant; likewise. */
  readonly precisionAtK: Score;
  /** mAP over the whole gallery, ranked exactly. */
  readonly meanAveragePrecision: Score;
  /** The same of the pictures' pixels, which know nothing. */
  readonly pixels: { readonly recallAtK: Score; readonly meanAveragePrecision: Score };
  /** mAP less that of pixels, on the same queries. */
  readonly gainOverPixels: Score;
  /** Left out: the gallery has nothing of their label. */
  readonly queriesWithoutRelevant: number;
  /** In the gallery themselves (by the digest of their bytes), where they are no answer to themselves: a leak. */
  readonly queriesInGallery: number;
}

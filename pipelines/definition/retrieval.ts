/** What only a pipeline that finds pictures says. */
import { z } from 'zod';
import { RETRIEVAL_GATE_TABLE, type RetrievalGateName } from '../gates/retrieval.ts';
import { atLeast, atMost } from './gates.ts';
import { BackboneTrainingSchema, ImageSelectionSchema } from './images.ts';

/** Nothing is tried on growing parts of the data: what a part's classifier gets right says little of what its neighbours are worth. */
export const RetrievalSelectionSchema = ImageSelectionSchema.omit({ prototype: true });

/** null: the embeddings of the encoder as it came are indexed. Else the backbone is tuned as a classifier of the labels first. */
export const RetrievalTrainingSchema = BackboneTrainingSchema.nullable().default(null);

export const RetrievalSettingsSchema = z.strictObject({
  /** Neighbours that are looked at: what is measured is what the first k are worth. 10: about a page of them. */
  k: z.int().min(1).max(100).default(10),
  /**
   * Multiplications a query (pictures × dimension) up to which the index is searched exactly; above it by a graph (HNSW), where
   * that was shown to overlook next to nothing. 50,000 pictures of 512 when left out: some 26 ms of a core.
   */
  exactUpTo: z.int().min(0).optional(),
});
export type RetrievalSettings = z.output<typeof RetrievalSettingsSchema>;

type Shape = {
  [Name in RetrievalGateName]: (typeof RETRIEVAL_GATE_TABLE)[Name]['direction'] extends 'min'
    ? ReturnType<typeof atLeast>
    : ReturnType<typeof atMost>;
};

/** One entry a gate of the table (docs/images.md). `min`/`max` bound the measure; `off` records it only. */
export const RetrievalGatesSchema = z.strictObject(
  Object.fromEntries(
    Object.entries(RETRIEVAL_GATE_TABLE).map(([name, row]) => [
      name,
      row.direction === 'min' ? atLeast(row) : atMost(row),
    ]),
  ) as Shape,
);
export type RetrievalGatesSpec = z.output<typeof RetrievalGatesSchema>;

/** What another model would find for the same queries in the same gallery: each embeds both, and ranks exactly. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { checkout } from '../checkout.ts';
import { embedPictures } from '../selection/embed-pictures.ts';
import type { StepContext } from '../step.ts';
import { graphDigest } from './build-index.ts';
import { embeddedSimilarities, figuresOf, type QueryFigures } from './query-figures.ts';

export interface ModelFigures extends QueryFigures {
  /** Of the queries, in the dataset's order. */
  readonly ids: readonly string[];
}

interface AskedOfModel {
  readonly dataset: ArtifactRef;
  readonly labels: readonly string[];
  readonly k: number;
  /** Ids of the test pictures that ask. */
  readonly queries: readonly string[];
}

/** `name` is its folder below the step's own. */
export async function figuresOfModel(
  name: string,
  model: ArtifactRef,
  { dataset, labels, k, queries: asking }: AskedOfModel,
  context: StepContext,
): Promise<ModelFigures> {
  const { store, signal } = context;
  const loaded = await ImageModel.load(await checkout(context, model, name));
  try {
    const gallery = await embedPictures(loaded, { dataset, split: 'train', labels }, context);
    const wanted = new Set(asking);
    const isWanted = (id: string): boolean => wanted.has(id);
    const queries = await embedPictures(loaded, { dataset, split: 'test', labels, isWanted }, context);
    const { dimension } = loaded.config;
    const digest = await graphDigest(store, model);
    const index = await EmbeddingIndex.of({ ...gallery, model: digest, dimension, labels }, null, signal);
    const figures = await figuresOf(index, queries, embeddedSimilarities(index, queries), { k, signal });
    return { ids: queries.ids, ...figures };
  } finally {
    await loaded.release();
  }
}

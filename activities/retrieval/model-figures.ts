/** What another model would find for the same queries in the same gallery: each embeds both, and ranks exactly. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { checkout } from '../checkout.ts';
import { embedPictures, pictureBlocks } from '../selection/embed-pictures.ts';
import { countPictures } from '../data/images/pictures.ts';
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
    const { dimension } = loaded.config;
    const about = { model: await graphDigest(store, model), dimension, labels };
    const rows = await countPictures(store, dataset, 'train', signal);
    const gallery = pictureBlocks(loaded, { dataset, split: 'train', labels }, context);
    const index = await EmbeddingIndex.gather({ ...about, rows }, gallery);
    const wanted = new Set(asking);
    const isWanted = (id: string): boolean => wanted.has(id);
    const queries = await embedPictures(loaded, { dataset, split: 'test', labels, isWanted }, context);
    const figures = await figuresOf(index, queries, embeddedSimilarities(index, queries), { k, signal });
    return { ids: queries.ids, ...figures };
  } finally {
    await loaded.release();
  }
}

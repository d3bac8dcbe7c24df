/** What another model would find for the same queries in the same gallery: each embeds both, and ranks exactly. The gallery's vectors lie in a file. */
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { checkout } from '../checkout.ts';
import { embedPictures, pictureBlocks } from '../selection/embed-pictures.ts';
import type { StepContext } from '../step.ts';
import { galleryInFile, type Gallery } from './gallery.ts';
import { figuresOf, type QueryFigures } from './query-figures.ts';

export interface ModelFigures extends QueryFigures {
  /** Of the queries, in the dataset's order. */
  readonly ids: readonly string[];
  readonly gallery: Gallery;
  /** Of the queries, as the model gives them. */
  readonly embeddings: Float32Array;
}

interface AskedOfModel {
  readonly dataset: ArtifactRef;
  readonly labels: readonly string[];
  readonly k: number;
  /** Ids of the test pictures that ask. */
  readonly queries: readonly string[];
}

/** `name` is its folder below the step's own, and its gallery's file. */
export async function figuresOfModel(
  name: string,
  model: ArtifactRef,
  { dataset, labels, k, queries: asking }: AskedOfModel,
  context: StepContext,
): Promise<ModelFigures> {
  const { workDir, signal } = context;
  const loaded = await ImageModel.load(await checkout(context, model, name));
  try {
    const { dimension } = loaded.config;
    const gallery = await galleryInFile(
      join(workDir, `${name}-gallery.f32`),
      pictureBlocks(loaded, { dataset, split: 'train', labels }, context),
      { dimension, signal },
    );
    const wanted = new Set(asking);
    const isWanted = (id: string): boolean => wanted.has(id);
    const queries = await embedPictures(loaded, { dataset, split: 'test', labels, isWanted }, context);
    const figures = await figuresOf(gallery, queries, { k, signal });
    return { ids: queries.ids, embeddings: queries.embeddings, gallery, ...figures };
  } finally {
    await loaded.release();
  }
}

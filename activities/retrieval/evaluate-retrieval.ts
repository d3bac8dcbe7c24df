/** Step `retrieval.evaluate`: pictures of the test split ask the index; what has their label is relevant. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { similarityOf } from '../../inference/retrieval/nearest.ts';
import type { EvaluateRetrievalInput, RetrievalEvaluation } from '../contract/retrieval.ts';
import { loadLabels } from '../data/dataset.ts';
import { loadPictureRows } from '../data/images/pictures.ts';
import { embedPictures, type AnsweredPictures } from '../selection/embed-pictures.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { timeSlice } from '../validation/time-slice.ts';
import { graphDigest } from './build-index.ts';
import { averagePrecision, precisionAt, recallAt, type Ranking } from './metrics.ts';
import { centredPixels, loadPixels, PIXEL_DIMENSION } from './pixels.ts';
import { gainScore, meanScore } from './scores.ts';

/** Throws BadModel where the index is another model's, BadData where it was built of other pictures than the train split's. */
export const evaluateRetrieval: StepDefinition<EvaluateRetrievalInput, RetrievalEvaluation> = {
  type: 'retrieval.evaluate',
  version: 1,
  async run(input, context) {
    const { k, seed } = input;
    const { signal } = context;
    const index = await loadIndex(input, context);
    const queries = await embedQueries(input, context);
    const pixels = await pixelSimilarities(input, index, context);
    const figures: QueryFigures[] = [];
    let queriesInGallery = 0;
    const known = new Set(index.header.ids);
    const pause = timeSlice(signal);
    const { dimension, labels } = index.header;
    for (const [query, id] of queries.ids.entries()) {
      const label = labels[queries.classes[query]!]!;
      if (known.has(id)) queriesInGallery++;
      const embedding = queries.embeddings.subarray(query * dimension, (query + 1) * dimension);
      const rankingOf = (similarities: Float64Array) => rank(index, similarities, queries.classes[query]!, id);
      const exact = rankingOf(index.similarities(embedding));
      if (!exact.relevant.includes(1)) continue;
      const given = index.header.graph === null ? exact : await asked(index, embedding, { label, id, k }, signal);
      figures.push({ given, exact, pixels: rankingOf(pixels(query)) });
      await pause();
      context.progress({ phase: 'asking', done: query + 1, total: queries.ids.length });
    }
    const options = { seed, signal };
    const precisions = figures.map(({ exact }) => averagePrecision(exact));
    const pixelPrecisions = figures.map((figure) => averagePrecision(figure.pixels));
    // A graph that gives nothing relevant gives a ranking without any: that is a 0, for the gallery has some.
    const recalls = (of: 'given' | 'pixels') => figures.map((figure) => recallAt(figure[of], k) || 0);
    return {
      k,
      recallAtK: await meanScore(recalls('given'), options),
      precisionAtK: await meanScore(
        figures.map(({ given }) => precisionAt(given, k)),
        options,
      ),
      meanAveragePrecision: await meanScore(precisions, options),
      pixels: {
        recallAtK: await meanScore(recalls('pixels'), options),
        meanAveragePrecision: await meanScore(pixelPrecisions, options),
      },
      gainOverPixels: await gainScore(precisions, pixelPrecisions, options),
      queriesWithoutRelevant: queries.ids.length - figures.length,
      queriesInGallery,
    };
  },
};

interface QueryRanking extends Ranking {
  readonly relevant: Uint8Array;
}
interface QueryFigures {
  /** What search gives: k entries of a graph, the whole gallery of an exact one. */
  readonly given: Ranking;
  readonly exact: Ranking;
  readonly pixels: Ranking;
}

async function loadIndex(
  { index: tree, model, dataset }: EvaluateRetrievalInput,
  { store, signal, workDir }: StepContext,
): Promise<EmbeddingIndex> {
  const folder = join(workDir, 'index');
  await mkdir(folder);
  await store.checkout(tree, folder, { signal });
  const index = await EmbeddingIndex.load(folder, signal);
  const { header } = index;
  const [graph, labels, rows] = await Promise.all([
    graphDigest(store, model),
    loadLabels(store, dataset),
    loadPictureRows(store, dataset, 'train', signal),
  ]);
  if (header.model !== graph) {
    throw new EspalierError('BadModel', `the index was built with the model ${header.model}, not with ${graph}`, {
      where: 'index.json',
      fix: 'build the index with the model that is evaluated',
    });
  }
  const sorted = rows.map(({ id }) => id).sort();
  const differs = header.ids.length !== sorted.length || sorted.some((id, row) => header.ids[row] !== id);
  if (differs || header.labels.join('\n') !== labels.join('\n')) {
    throw new EspalierError('BadData', 'the index was built of other pictures than the train split of this dataset', {
      where: 'index.json',
      fix: 'build the index of the dataset that it is evaluated on',
    });
  }
  return index;
}

async function embedQueries(
  { model, dataset }: EvaluateRetrievalInput,
  context: StepContext,
): Promise<AnsweredPictures> {
  const { store, signal, workDir } = context;
  const folder = join(workDir, 'model');
  await mkdir(folder);
  await store.checkout(model, folder, { signal });
  const loaded = await ImageModel.load(folder);
  try {
    const labels = await loadLabels(store, dataset);
    return await embedPictures(loaded, { dataset, split: 'test', labels }, context);
  } finally {
    await loaded.release();
  }
}

/** Of the n-th query with every entry, in the index's order. */
async function pixelSimilarities(
  { dataset }: EvaluateRetrievalInput,
  index: EmbeddingIndex,
  context: StepContext,
): Promise<(query: number) => Float64Array> {
  const rows = await loadPictureRows(context.store, dataset, 'train', context.signal);
  const rowOf = new Map(rows.map(({ id }, row) => [id, row]));
  const { gallery, queries } = centredPixels(
    await loadPixels(dataset, 'train', context),
    await loadPixels(dataset, 'test', context),
  );
  return (query) => {
    const asking = queries.subarray(query * PIXEL_DIMENSION, (query + 1) * PIXEL_DIMENSION);
    return Float64Array.from(index.header.ids, (id) => similarityOf(gallery, rowOf.get(id)!, asking));
  };
}

/** The gallery by similarity, without the picture that asks. */
function rank(index: EmbeddingIndex, similarities: Float64Array, label: number, except: string): QueryRanking {
  const { ids, classes } = index.header;
  const order = Uint32Array.from(ids.keys())
    .filter((row) => ids[row] !== except)
    .sort((one, other) => similarities[other]! - similarities[one]!);
  return {
    scores: Float64Array.from(order, (row) => similarities[row]!),
    relevant: Uint8Array.from(order, (row) => Number(classes[row] === label)),
  };
}

async function asked(
  index: EmbeddingIndex,
  embedding: Float32Array,
  { label, id, k }: { readonly label: string; readonly id: string; readonly k: number },
  signal: AbortSignal,
): Promise<Ranking> {
  const found = await index.search(embedding, { k, except: id, signal });
  return {
    scores: found.map(({ similarity }) => similarity),
    relevant: found.map((match) => Number(match.label === label)),
  };
}

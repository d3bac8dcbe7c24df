/** Step `retrieval.build-index`: the gallery's embeddings as an index, searched by a graph only where that was shown to do. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef, Digest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import { GRAPH_SETTINGS } from '../../inference/retrieval/graph.ts';
import {
  encodeIndexHeader,
  INDEX_FILE,
  indexLimitProblem,
  vectorBytes,
  type IndexHeader,
} from '../../inference/retrieval/index-files.ts';
import { checkout } from '../checkout.ts';
import type { BuildIndexInput, BuiltIndex, GraphTrial } from '../contract/retrieval.ts';
import { loadLabels } from '../data/dataset.ts';
import { countPictures } from '../data/images/pictures.ts';
import { pictureBlocks } from '../selection/embed-pictures.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { EXACT_UP_TO, trialStride, tryGraph } from './graph-trial.ts';
import { writeIndex } from './index-folder.ts';
import { openIndex } from './stored-index.ts';

/** Throws BadData where there is no gallery, more of it than an index holds, or a picture twice, BadModel for an embedding that is not finite. */
export const buildIndex: StepDefinition<BuildIndexInput, BuiltIndex> = {
  type: 'retrieval.build-index',
  version: 2,
  async run(input, context) {
    const { store, signal, workDir } = context;
    const folder = join(workDir, 'index');
    await mkdir(folder);
    const { header, queries } = await embedGallery(folder, input, context);
    const { dimension, ids } = header;
    const rows = ids.length;
    let trial: GraphTrial | null = null;
    if (rows * dimension > (input.exactUpTo ?? EXACT_UP_TO)) {
      context.progress({ phase: 'building the graph' });
      const graph = await (await EmbeddingIndex.load(folder, signal)).withGraph(GRAPH_SETTINGS, signal);
      context.progress({ phase: 'comparing the graph with exact search' });
      trial = await tryGraph(await openIndex(folder, signal), graph, await queries(), { seed: input.seed, signal });
    }
    const isGraph = trial?.accepted === true;
    const head = encodeIndexHeader({ ...header, graph: isGraph ? GRAPH_SETTINGS : null });
    await writeFile(join(folder, INDEX_FILE), head);
    return {
      index: await store.putTree(folder, 'index', { signal }),
      rows,
      dimension,
      sizeBytes: head.length + vectorBytes(header),
      search: isGraph ? 'graph' : 'exact',
      graph: trial,
    };
  },
};

interface EmbeddedGallery {
  readonly header: IndexHeader;
  /** Some of the validation split, with the same model; embedded only when asked for. */
  readonly queries: () => Promise<Float32Array>;
}

/** Writes the index, searched exactly, into `indexFolder`. */
async function embedGallery(
  indexFolder: string,
  { model, dataset }: BuildIndexInput,
  context: StepContext,
): Promise<EmbeddedGallery> {
  const { store, signal } = context;
  const [labels, rows] = await Promise.all([
    loadLabels(store, dataset),
    countPictures(store, dataset, 'train', signal),
  ]);
  if (rows === 0) {
    throw new EspalierError('BadData', 'the train split, which is to be the gallery, has no pictures', {
      where: 'train.jsonl',
      fix: 'give the train split pictures: what is found is found among them',
    });
  }
  const folder = await checkout(context, model, 'model');
  const digest = await graphDigest(store, model);
  const loaded = await ImageModel.load(folder);
  try {
    const { dimension } = loaded.config;
    // Before the pictures are embedded, which takes hours for so many.
    requireRoom(rows, dimension);
    const pictures = pictureBlocks(loaded, { dataset, split: 'train', labels }, context);
    const header = await writeIndex(indexFolder, { model: digest, dimension, labels }, pictures, signal);
    return { header, queries: () => embedQueries(folder, { dataset, labels }, context) };
  } finally {
    await loaded.release();
  }
}

/** All of them pass, in the batches of all; those that try the graph are kept. */
async function embedQueries(
  folder: string,
  { dataset, labels }: { readonly dataset: ArtifactRef; readonly labels: readonly string[] },
  context: StepContext,
): Promise<Float32Array> {
  const split = 'validation';
  const stride = trialStride(await countPictures(context.store, dataset, split, context.signal));
  const loaded = await ImageModel.load(folder);
  try {
    const { dimension } = loaded.config;
    const kept: number[] = [];
    let row = 0;
    for await (const { embeddings } of pictureBlocks(loaded, { dataset, split, labels }, context)) {
      for (let start = 0; start < embeddings.length; start += dimension) {
        if (row++ % stride === 0) kept.push(...embeddings.subarray(start, start + dimension));
      }
    }
    return Float32Array.from(kept);
  } finally {
    await loaded.release();
  }
}

/** Throws BadData. */
function requireRoom(rows: number, dimension: number): void {
  const problem = indexLimitProblem(rows, dimension);
  if (problem === undefined) return;
  throw new EspalierError('BadData', `the train split is too large a gallery for an index in memory: ${problem}`, {
    where: 'train.jsonl',
    fix: 'give the train split fewer pictures, or use a candidate whose embeddings have fewer numbers',
  });
}

/** The digest of the `model.onnx` of an exported model. */
export async function graphDigest(store: ArtifactStore, model: ArtifactRef): Promise<Digest> {
  const { entries } = await store.tree(model);
  const graph = entries.find(({ path }) => path === 'model.onnx');
  if (graph !== undefined) return graph.digest;
  throw new EspalierError('BadModel', 'the model has no model.onnx', {
    where: model.digest,
    fix: 'use the folder that the export step wrote',
  });
}

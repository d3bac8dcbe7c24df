/** What packaging takes, for a tiny model of pictures and an index of its own. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { PackageRetrieverInput } from '../../activities/contract/deployment.ts';
import type { Score } from '../../activities/contract/measures.ts';
import { labelShares } from '../../activities/retrieval/reference.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { ReferenceStatistics } from '../../artifacts/bundle.ts';
import { digestBytes } from '../../artifacts/digest.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ImageClassifierConfig } from '../../inference/config.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { EmbeddingIndex } from '../../inference/retrieval/embedding-index.ts';
import type { GraphSettings } from '../../inference/retrieval/graph.ts';
import { ImageRetrievalSchema } from '../../pipelines/definition.ts';
import { RETRIEVAL_GATE_NAMES } from '../../pipelines/gates/retrieval.ts';
import { packageInput, testPictures } from './bundle.ts';
import { COLOURS, tinyPictureClassifier } from './tiny-pictures.ts';

export const FINDER = 'tiny-finder';
/** Neighbours that are looked at where nobody says. */
export const K = 4;

export interface RetrieverOptions {
  /** As it came (an encoder), or tuned as a classifier of the colours. */
  readonly tuned?: boolean;
  readonly graph?: GraphSettings;
  /** Ids of the gallery's pictures begin with it. */
  readonly named?: string;
  /** Neighbours that were looked at. */
  readonly k?: number;
  readonly recordText?: boolean;
}

export interface MadeRetriever {
  readonly input: PackageRetrieverInput;
  /** What is searched, for comparison. */
  readonly index: EmbeddingIndex;
}

/** The gallery and the queries are the pictures of `testPictures`, by place; the reference is what each really finds. */
export async function madeRetriever(
  services: ActivityServices,
  { tuned = false, graph, named = '', k = K }: RetrieverOptions = {},
): Promise<MadeRetriever> {
  const { store } = services;
  const folder = await tinyPictureClassifier();
  const classified = await packageInput(services, { folder });
  const model = await readFile(join(folder, 'model.onnx'));
  const { labels: _, ...config } = JSON.parse(
    await readFile(join(folder, 'classifier.json'), 'utf8'),
  ) as ImageClassifierConfig;
  const tree = async (name: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<ArtifactRef> => {
    const mediaType = 'application/octet-stream';
    const written = Object.entries(files).map(async ([path, bytes]) => ({
      path,
      ref: await store.putBytes(bytes, { name: path, mediaType }),
    }));
    return store.putManifest(await Promise.all(written), name);
  };
  const embedder = tuned
    ? classified.classifier
    : await tree('encoder', { 'model.onnx': model, 'encoder.json': JSON.stringify({ ...config, kind: 'encoder' }) });
  const pictures = await testPictures();
  const loaded = await ImageModel.load(folder);
  const { embeddings } = await loaded.runAll(pictures);
  await loaded.release();
  const { dimension } = config;
  const index = await EmbeddingIndex.of(
    {
      model: digestBytes(model),
      dimension,
      labels: COLOURS,
      ids: pictures.map((__, row) => `${named}${String(row).padStart(2, '0')}`),
      classes: pictures.map((__, row) => row % 3),
      embeddings,
    },
    graph ?? null,
  );
  const shares = await Promise.all(
    pictures.map(async (__, row) =>
      labelShares(await index.search(embeddings.subarray(row * dimension, (row + 1) * dimension), { k }), COLOURS),
    ),
  );
  const reference: ReferenceStatistics = {
    version: 1,
    rows: pictures.length,
    dimension,
    labels: COLOURS,
    embeddings: 'embeddings.f32',
    probabilities: 'probabilities.f32',
    textLengths: pictures.map(() => 0),
  };
  const pipeline = ImageRetrievalSchema.parse({
    name: 'finding',
    task: 'image-retrieval',
    data: { files: ['./pictures'], licence: 'CC0-1.0', source: 'drawn for the tests' },
    intendedUse: { commercial: true, domain: 'tests' },
    candidates: [{ id: 'tiny', model: './tiny' }],
    approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
    deploy: { model: FINDER },
    ...(tuned ? { training: {} } : {}),
  });
  const files = index.files();
  const score = (value: number): Score => ({ value, interval: null, rows: pictures.length });
  const measures = Object.fromEntries(RETRIEVAL_GATE_NAMES.map((name) => [name, score(0.9)])) as Record<
    (typeof RETRIEVAL_GATE_NAMES)[number],
    Score
  >;
  const figures = { recallAtK: score(0.5), meanAveragePrecision: score(0.4) };
  const { dataset, base, baseModel, trained, evaluation } = classified;
  return {
    index,
    input: {
      model: FINDER,
      pipeline,
      definition: await store.putJson(pipeline, 'pipeline'),
      embedder,
      index: await tree('index', files),
      indexed: {
        rows: pictures.length,
        dimension,
        sizeBytes: Object.values(files).reduce((sum, { length }) => sum + length, 0),
        search: graph === undefined ? 'exact' : 'graph',
        graph: graph === undefined ? null : { recall: score(1), k: 10, bound: 0.9, accepted: true },
        parityMaxAbs: 0,
      },
      ...(tuned ? { trained } : {}),
      dataset: { ...dataset, labels: COLOURS },
      evaluation: {
        k,
        measures,
        pixels: figures,
        frozen: tuned ? figures : null,
        perLabel: COLOURS.map((label) => ({ label, queries: 8, recallAtK: 1, averagePrecision: 0.9 })),
        misses: [],
        corruptions: [],
        queriesWithoutRelevant: 0,
        queriesInGallery: 0,
        latency: evaluation.latency,
        hardware: evaluation.hardware,
        details: evaluation.details,
        reference: await tree('reference', {
          'reference.json': JSON.stringify(reference),
          'embeddings.f32': bytesOf(embeddings),
          'probabilities.f32': bytesOf(Float32Array.from(shares.flatMap((row) => [...row]))),
        }),
      },
      gates: {
        verdict: 'pass',
        gates: RETRIEVAL_GATE_NAMES.map((name) => ({
          name,
          verdict: 'pass',
          measured: 0.9,
          score: measures[name],
          threshold: 0.8,
          direction: 'min',
          reason: 'enough',
        })),
      },
      base,
      baseModel,
    },
  };
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

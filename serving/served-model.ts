/** A verified release's model, loaded and warm: what a request finds when it comes. */
import type { BundleTerms } from '../artifacts/bundle-terms.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { ClassifierConfig, ImageClassifierConfig, ImageEncoderConfig } from '../inference/config.ts';
import type { GeneratorConfig } from '../inference/generation/config.ts';
import type { ServedGeneration } from '../inference/generation/served-prompt.ts';
import { PICTURE_LIMITS, plainPicture } from '../inference/image/decode.ts';
import { GeneratorPool } from './generator-pool.ts';
import { MAX_BATCH, ModelPool, type PoolOptions } from './pool.ts';
import type { ModelRow } from './pool-messages.ts';
import type { Release } from './release.ts';
import { Retriever } from './retriever.ts';
import type { VerifiedGenerator, VerifiedModel, VerifiedRetriever } from './verified-model.ts';

interface ServedBundle {
  readonly release: Release;
  readonly folder: string;
  /** What its licences ask of whoever serves it; null where the bundle does not say. */
  readonly terms: BundleTerms | null;
}
export interface ServedClassifier extends ServedBundle {
  readonly kind: 'classifier';
  readonly config: ClassifierConfig | ImageClassifierConfig;
  readonly pool: ModelPool;
}
export interface ServedGenerator extends ServedBundle {
  readonly kind: 'generator';
  readonly config: GeneratorConfig;
  /** How it answers a conversation where the request does not say. */
  readonly generation: ServedGeneration;
  readonly pool: GeneratorPool;
}
export interface ServedRetriever extends ServedBundle {
  readonly kind: 'retriever';
  readonly config: ImageEncoderConfig | ImageClassifierConfig;
  /** Neighbours an answer where a request does not say, and those that the prediction log counts. */
  readonly neighbours: number;
  readonly pool: Retriever;
}
export type ServedModel = ServedClassifier | ServedGenerator | ServedRetriever;

type Loaded<Served extends ServedModel> = Omit<Served, keyof ServedBundle>;

export interface LoadOptions extends Pick<PoolOptions, 'workers' | 'onBatch' | 'onRestart' | 'signal'> {
  /** Largest width × height of a picture. */
  readonly maxPixels: number;
}

const WARM_UP_MS = 60_000;
/** A ResNet-50 takes some 60 ms a picture: half a second until the next batch. */
const PICTURE_BATCH = 8;

/**
 * Throws BadModel for files that cannot be loaded, or that answer a plain row with numbers that are none; the signal's reason once
 * what was begun has ended.
 */
export async function loadModel(
  verified: VerifiedModel | VerifiedGenerator | VerifiedRetriever,
  { maxPixels, ...options }: LoadOptions,
): Promise<Loaded<ServedClassifier> | Loaded<ServedGenerator> | Loaded<ServedRetriever>> {
  if (verified.kind === 'generator') {
    const { kind, config, generation } = verified;
    return { kind, config, generation, pool: await warm(await GeneratorPool.start(verified, options), generates) };
  }
  const ofPictures = { ...options, maxBatch: PICTURE_BATCH, limits: { ...PICTURE_LIMITS, maxPixels } };
  if (verified.kind === 'retriever') {
    const { kind, config, neighbours } = verified;
    const started = await Retriever.start(verified, ofPictures);
    return { kind, config, neighbours, pool: await warm(started, (it) => finds(it, options.workers)) };
  }
  const { kind, config } = verified;
  const isOfPictures = config.input === 'image';
  const started = await ModelPool.start(verified, {
    ...(isOfPictures ? ofPictures : { ...options, ...textBatch(config) }),
    dimension: config.dimension,
    classes: config.labels.length,
  });
  const row = isOfPictures ? await plainPicture() : 'warm-up';
  return { kind, config, pool: await warm(started, (it) => classifies(it, row, options.workers)) };
}

/** Rows in a batch, of a model that reads a long text in windows: what each of them may cost is what that many short ones do. */
function textBatch(config: ClassifierConfig | ImageClassifierConfig): { readonly maxBatch?: number } {
  if (config.input === 'image' || config.windows === undefined) return {};
  return { maxBatch: Math.max(1, Math.floor(MAX_BATCH / config.windows.most)) };
}

/** The first run of a session allocates: it happens before anyone waits. A pool that fails it is unloaded. */
async function warm<Pool extends { drain(): Promise<void> }>(
  pool: Pool,
  run: (pool: Pool) => Promise<void>,
): Promise<Pool> {
  try {
    await run(pool);
    return pool;
  } catch (error) {
    await pool.drain();
    throw error;
  }
}

/** Throws BadModel when a plain text or picture is answered with numbers that are none. */
async function classifies(pool: ModelPool, row: ModelRow, workers: number): Promise<void> {
  const output = await pool.run(Array.from({ length: workers }, () => row));
  if (![...output.probabilities, ...output.embeddings].every(Number.isFinite)) {
    throw new EspalierError('BadModel', 'the model answers a plain row with numbers that are not finite');
  }
}

/** Throws what the generator does with a plain text. */
async function generates(pool: GeneratorPool): Promise<void> {
  const order = { prompt: 'warm-up', options: { maxNewTokens: 2 } };
  const pieces = pool.generate(order, AbortSignal.timeout(WARM_UP_MS));
  while ((await pieces.next()).done !== true);
}

/** Throws BadModel when a plain picture has an embedding that cannot be looked up. */
async function finds(retriever: Retriever, workers: number): Promise<void> {
  const picture = await plainPicture();
  const { matches } = await retriever.find(
    Array.from({ length: workers }, () => picture),
    1,
  );
  if (!matches.every(([nearest]) => nearest !== undefined && Number.isFinite(nearest.similarity))) {
    throw new EspalierError('BadModel', 'a plain picture finds nothing in the index');
  }
}

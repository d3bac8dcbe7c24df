/**
 * The formats that deployment writes and serving reads. No I/O.
 *
 * A bundle is a tree in the Open Inference Protocol model-repository layout:
 *   <model>/config.pbtxt           Triton's configuration (platform onnxruntime_onnx)
 *   <model>/model-settings.json    MLServer's
 *   <model>/1/model.onnx, classifier.json, encoder.json, or generator.json and prompt.json; of what reads texts tokenizer.json
 *   index/{index.json,vectors.f32}  retrieval.json    where the model finds pictures: what lies near in its index
 *   MODEL_CARD.md  DOSSIER.md  NOTICE  TERMS.md  LICENSES/{terms.json,…}  bom.cdx.json  provenance.json  reference/{reference.json,embeddings.f32,probabilities.f32}
 *
 * Approvals are not inside: they approve the bundle's digest, so they stand in the release record that points to it, and
 * in the signed tree (signed-release.ts) that is the same bundle with its attestations and `model.sig`.
 */
import type { Vote } from './votes.ts';
import { hexOf, type ArtifactRef, type Digest } from './reference.ts';

/** `registry/<model>/channels/<channel>`: what is served under this name. Replaced only by compare-and-swap. */
export interface ChannelPointer {
  readonly version: 1;
  readonly model: string;
  readonly channel: string;
  readonly bundle: ArtifactRef;
  readonly release: ArtifactRef;
  /** Counts the channel's moves, also those that were taken back. */
  readonly revision: number;
  readonly updatedAt: string;
  /** The release that this move took back, because it could not be served: what stood before stands again. */
  readonly undid?: ArtifactRef;
}

/** In a pointer's place where the release that was taken back was the first: the channel serves nothing, and says why. */
export interface WithdrawnChannel extends Omit<ChannelPointer, 'bundle' | 'release' | 'undid'> {
  readonly withdrawn: string;
  readonly undid: ArtifactRef;
}

/** Why a bundle may be served: the server checks every link of this before it loads a byte of the model. */
export interface ReleaseRecord {
  readonly version: 1;
  readonly model: string;
  readonly channel: string;
  readonly runId: string;
  readonly bundle: Digest;
  /** The same bundle with its attestations and signature; without it nothing is served. */
  readonly signed?: ArtifactRef;
  /** What the channel served before: where a rollback goes. */
  readonly previousBundle: Digest | null;
  /** The same as the pointer had it: what a refused release gives way to. */
  readonly previous?: Pick<ChannelPointer, 'bundle' | 'release'> | null;
  /** The release of the move before, also of one taken back: from release to release, the channel's whole history. */
  readonly after?: ArtifactRef | null;
  /** The release evidence pack; its `facts.json` names the same bundle digest. */
  readonly evidence: ArtifactRef;
  readonly approvals: readonly (Vote & {
    readonly approval: string;
    /** The vote as it was signed; without it no vote counts. */
    readonly statement?: Digest | undefined;
  })[];
  readonly monitor: unknown;
  readonly recordText: boolean;
  readonly runInput: ArtifactRef;
}

/** `reference/reference.json`: what the two float32 files hold. */
export interface ReferenceStatistics {
  readonly version: 1;
  readonly rows: number;
  readonly dimension: number;
  readonly labels: readonly string[];
  /** Of several labels a row: from which probability on each applies. Missing: the most probable one does. */
  readonly thresholds?: readonly number[];
  /** Row-major [rows, dimension] and [rows, labels.length], little-endian float32. */
  readonly embeddings: 'embeddings.f32';
  readonly probabilities: 'probabilities.f32';
  /** Which test rows these are, ascending, where they are a sample; missing where they are all. */
  readonly places?: readonly number[];
  /** Mean text length in characters and its distribution (one number a row); of pictures 0, they have none. */
  readonly textLengths: readonly number[];
}

/** The same file of a generator, one number a test answer; it has nothing beside it, since a generator has no embeddings. */
export interface GeneratorReference {
  readonly version: 1;
  readonly kind: 'generator';
  readonly rows: number;
  readonly promptTokens: readonly number[];
  readonly answerTokens: readonly number[];
  readonly adherent: readonly boolean[];
}

/** One line of a prediction log (JSON Lines). Written and read through artifacts/predictions.ts. */
export interface PredictionRecord {
  readonly id: string;
  readonly at: string;
  readonly bundle: Digest;
  /** Of a model that finds pictures: the one that most of what is found has; where a text may have several, the JSON of their list. */
  readonly label: string;
  /** Class probabilities, in the bundle's label order; of a model that finds pictures each label's share of what is found. */
  readonly probabilities: readonly number[];
  /** Base64 of little-endian float32 [dimension]. */
  readonly embedding: string;
  /** Of both texts, where it is asked two; of a picture 0: it has none. */
  readonly textLength: number;
  /** Only where the pipeline allows it; `pair` where it is asked two. */
  readonly text?: string;
  readonly pair?: string;
  /** Of the picture's file as it was sent. The file itself is never kept: it may show anybody. */
  readonly picture?: Digest;
}

/** The same of a generation: figures; the texts only where the pipeline allows it. */
export interface GenerationRecord {
  readonly id: string;
  readonly at: string;
  readonly bundle: Digest;
  readonly promptTokens: number;
  readonly tokens: number;
  readonly finish: 'end' | 'stop' | 'length';
  readonly firstTokenMs: number;
  readonly totalMs: number;
  /** Characters of the answer. */
  readonly textLength: number;
  /** The conversation as it was sent, without the bundle's own prompt. */
  readonly prompt?: string;
  readonly text?: string;
}

/**
 * `predictions/<model>/<bundle hex>/<yyyy-mm-dd>/<time>-<server>`: one log, written once. Keys sort by the time of
 * their last row. The lines themselves are a blob, so that they are verified on reading like everything else.
 */
export interface PredictionLog {
  readonly version: 1;
  readonly rows: number;
  /** `at` of the first and the last row. */
  readonly from: string;
  readonly to: string;
  readonly lines: ArtifactRef;
}

/** The files of `<model>/1/` without which nothing can be served, by what the model is; the config file comes last. */
export const MODEL_FILES = {
  classifier: ['model.onnx', 'classifier.json'],
  generator: ['model.onnx', 'tokenizer.json', 'generator.json'],
} as const;
/** `retriever`: a model whose embeddings are looked up in the index beside it. */
export type ModelKind = keyof typeof MODEL_FILES | 'retriever';

/** The folder of a retriever's index in the bundle: the tree that was evaluated, file by file. */
export const INDEX_FOLDER = 'index/';
/** Which files that are (inference/retrieval/index-files.ts), in the bundle. */
export const INDEX_FILES = ['index/index.json', 'index/vectors.f32'] as const;

/** `retrieval.json` of a retriever's bundle: how it is asked where a request does not say. */
export interface RetrievalSettings {
  readonly version: 1;
  /** Neighbours an answer: as many as were looked at when it was measured. */
  readonly neighbours: number;
}
export const RETRIEVAL_FILE = 'retrieval.json';
/** More is no search any more but an export of the gallery. */
export const MOST_NEIGHBOURS = 100;

/** A retriever's model has one of them: as it came, or tuned. */
export const RETRIEVER_CONFIGS = ['encoder.json', 'classifier.json'] as const;

/** A classifier of texts needs one, too; one of pictures has none. */
export const TOKENIZER_FILE = 'tokenizer.json';

/** A generator's own instructions: system text and examples; there where prompt search found any. */
export const PROMPT_FILE = 'prompt.json';

/** What the files of a bundle make; undefined where no config of a model is among them. */
export function modelKindOf(model: string, paths: readonly string[]): ModelKind | undefined {
  // A tuned model that is looked up in an index has a classifier's config. A model's own folder is no index, whatever its name.
  const indexed = paths.some((path) => path.startsWith(INDEX_FOLDER) && !path.startsWith(`${model}/`));
  if (indexed) return 'retriever';
  const kinds = Object.keys(MODEL_FILES) as (keyof typeof MODEL_FILES)[];
  return kinds.find((kind) => paths.includes(`${model}/1/${MODEL_FILES[kind].at(-1) ?? ''}`));
}

/** The files of a bundle without which nothing can be served, that are not there. */
export function missingModelFiles(model: string, paths: readonly string[]): readonly string[] {
  const kind = modelKindOf(model, paths) ?? 'classifier';
  const lacks = (names: readonly string[]): readonly string[] => names.filter((name) => !paths.includes(name));
  if (kind !== 'retriever') return lacks(MODEL_FILES[kind].map((name) => `${model}/1/${name}`));
  const config = RETRIEVER_CONFIGS.map((name) => `${model}/1/${name}`).some((name) => paths.includes(name));
  const missing = lacks([`${model}/1/model.onnx`, ...INDEX_FILES, RETRIEVAL_FILE]);
  return config ? missing : [...missing, `${model}/1/${RETRIEVER_CONFIGS[0]}`];
}

export function channelKey(model: string, channel: string): string {
  return `registry/${model}/channels/${channel}`;
}

/** What `channelKey` was made of; undefined for any other key. */
export function parseChannelKey(key: string): { readonly model: string; readonly channel: string } | undefined {
  const [, model, channel] = /^registry\/([^/]+)\/channels\/([^/]+)$/.exec(key) ?? [];
  return model === undefined || channel === undefined ? undefined : { model, channel };
}

export function predictionPrefix(model: string, bundle: Digest): string {
  return `predictions/${model}/${hexOf(bundle)}/`;
}

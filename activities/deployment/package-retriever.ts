/** The deployment bundle (artifacts/bundle.ts) of a model that finds pictures, with its index, from artifacts already in the store. */
import {
  INDEX_FILES,
  INDEX_FOLDER,
  MOST_NEIGHBOURS,
  RETRIEVAL_FILE,
  type RetrievalSettings,
} from '../../artifacts/bundle.ts';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef, Digest, TreeEntry, TreeManifest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import {
  ofPictures,
  parseModelConfig,
  type ImageClassifierConfig,
  type ImageEncoderConfig,
} from '../../inference/config.ts';
import { parseIndexHeader, vectorBytes } from '../../inference/retrieval/index-files.ts';
import type { PackagedModel, PackageRetrieverInput } from '../contract/deployment.ts';
import type { StepDefinition } from '../step.ts';
import { labelFile, mlserverSettings, pretty, tritonConfig } from './bundle-files.ts';
import { bundleTree, type BundleDocument } from './bundle-tree.ts';
import { embedded, embeddingsOf, retrieverBom, retrieverCard, retrieverProvenance } from './retriever-card.ts';

/**
 * Throws BadModel for a tree that is no model of pictures, or an index that was built with another one; BadConfig where the dossier
 * must be complete and is not. Neither the model's bytes nor the vectors are read or sent again.
 */
export const packageRetriever: StepDefinition<PackageRetrieverInput, PackagedModel> = {
  type: 'deployment.package-retriever',
  version: 4,
  async run(given, { store, progress }) {
    progress({ phase: 'packaging' });
    // The order in which somebody wrote a definition's settings is no part of the step's key: nor may it be of the bytes.
    const input = JSON.parse(canonicalJson(given)) as PackageRetrieverInput;
    const { embedder, index: indexRef, indexed, evaluation, trained: training } = input;
    const [served, index, dataset, base] = await Promise.all([
      store.tree(embedder),
      store.tree(indexRef),
      store.tree(input.dataset.dataset),
      store.tree(input.baseModel.model),
    ]);
    const config = await embedderConfig(store, served, embedder);
    await requireIndex(store, index, { input, served, config });
    return bundleTree(store, input, {
      served,
      index,
      base,
      tuned: training !== undefined,
      holds: embeddingsOf(input),
      changed: embedded(input),
      facts: {
        retrieval: evaluation,
        exported: { embedder, index: indexRef, ...indexed },
        ...definedOnly({ training }),
      },
      card: (languages, terms) => retrieverCard(input, languages, terms),
      bom: retrieverBom(input, { served, dataset, base, index }),
      provenance: retrieverProvenance(input, { dataset, served, index }),
      documents: documentsOf(input, config),
    });
  },
};

function documentsOf(
  { model, evaluation }: PackageRetrieverInput,
  config: ImageEncoderConfig | ImageClassifierConfig,
): readonly BundleDocument[] {
  const settings: RetrievalSettings = { version: 1, neighbours: evaluation.k };
  return [
    { path: RETRIEVAL_FILE, mediaType: 'application/json', text: pretty(settings) },
    { path: `${model}/config.pbtxt`, mediaType: 'text/plain', text: tritonConfig(model, config) },
    { path: `${model}/model-settings.json`, mediaType: 'application/json', text: mlserverSettings(model, config) },
    ...(config.kind === 'classifier'
      ? [{ path: `${model}/labels.txt`, mediaType: 'text/plain', text: labelFile(config.labels) }]
      : []),
  ];
}

async function embedderConfig(
  store: ArtifactStore,
  tree: TreeManifest,
  { digest }: ArtifactRef,
): Promise<ImageEncoderConfig | ImageClassifierConfig> {
  for (const name of ['classifier.json', 'encoder.json'] as const) {
    const entry = fileOf(tree, name);
    if (entry === undefined) continue;
    const text = (await store.getBytes(entry.digest)).toString('utf8');
    return ofPictures(parseModelConfig(name, text, digest), digest);
  }
  throw bad('the exported model has neither encoder.json nor classifier.json', digest, 'export the model again');
}

/** It must be the model's own, and what was measured. */
async function requireIndex(
  store: ArtifactStore,
  index: TreeManifest,
  of: {
    readonly input: PackageRetrieverInput;
    readonly served: TreeManifest;
    readonly config: ImageEncoderConfig | ImageClassifierConfig;
  },
): Promise<void> {
  const { embedder, index: ref, indexed, evaluation, dataset } = of.input;
  const wrong = (message: string): EspalierError =>
    bad(message, ref.digest, 'build the index again, with the model that is packaged');
  const paths = index.entries.map(({ path }) => `${INDEX_FOLDER}${path}`);
  const other = paths.filter((path) => !INDEX_FILES.some((name) => name === path));
  const [header, vectors] = INDEX_FILES.map((path) => fileOf(index, path.slice(INDEX_FOLDER.length)));
  if (header === undefined || vectors === undefined || other.length > 0) {
    throw wrong(`an index is ${INDEX_FILES.join(' and ')}, but this one is ${paths.join(', ')}`);
  }
  const parsed = parseIndexHeader(await store.getBytes(header.digest), ref.digest);
  const graph = fileOf(of.served, 'model.onnx');
  if (graph === undefined) throw bad('the exported model lacks model.onnx', embedder.digest, 'export the model again');
  const differences: readonly (readonly [what: string, is: unknown, wanted: unknown])[] = [
    ['was built with', parsed.model, graph.digest],
    ['has vectors of', parsed.dimension, of.config.dimension],
    ['has vectors of', parsed.dimension, indexed.dimension],
    ['has rows:', parsed.ids.length, indexed.rows],
    ['is searched by', parsed.graph === null ? 'exact' : 'graph', indexed.search],
    ['has vectors in bytes:', vectors.size, vectorBytes(parsed)],
    ['has labels', canonicalJson(parsed.labels), canonicalJson(dataset.labels)],
  ];
  for (const [what, is, wanted] of differences) {
    if (is !== wanted) throw wrong(`the index ${what} ${String(is)}, not ${String(wanted)}`);
  }
  if (evaluation.k < 1 || evaluation.k > MOST_NEIGHBOURS) {
    throw wrong(`it was measured on the first ${evaluation.k} found: a server gives 1 to ${MOST_NEIGHBOURS}`);
  }
}

function fileOf({ entries }: TreeManifest, name: string): TreeEntry | undefined {
  return entries.find(({ path }) => path === name);
}

function bad(message: string, where: Digest, fix: string): EspalierError {
  return new EspalierError('BadModel', message, { where, fix });
}

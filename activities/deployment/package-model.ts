/** The deployment bundle (artifacts/bundle.ts) of a classifier, from artifacts already in the store. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { MODEL_FILES, TOKENIZER_FILE } from '../../artifacts/bundle.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef, TreeManifest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import { parseModelConfig, type ClassifierConfig, type ImageClassifierConfig } from '../../inference/config.ts';
import type { PackagedModel, PackageModelInput } from '../contract/deployment.ts';
import type { StepDefinition } from '../step.ts';
import { labelFile, mlserverSettings, provenance, tritonConfig } from './bundle-files.ts';
import { bundleTree } from './bundle-tree.ts';
import { classifierBom } from './ml-bom.ts';
import { modelCard } from './model-card.ts';

/** Of texts or of pictures: the classifier's own config says which. Throws BadModel for a tree that is none. */
export const packageModel: StepDefinition<PackageModelInput, PackagedModel> = {
  type: 'deployment.package',
  version: 6,
  async run(given, { store, progress }) {
    progress({ phase: 'packaging' });
    // The order in which somebody wrote a definition's settings is no part of the step's key: nor may it be of the bytes.
    const input = JSON.parse(canonicalJson(given)) as PackageModelInput;
    const { model, trained: training, evaluation } = input;
    const served = await store.tree(input.classifier);
    const dataset = await store.tree(input.dataset.dataset);
    const base = await store.tree(input.baseModel.model);
    const config = await classifierConfig(store, served, input.classifier);
    const takes = config.input ?? 'text';
    return bundleTree(store, input, {
      served,
      base,
      tuned: true,
      facts: { training, evaluation },
      card: (languages, terms) => modelCard(input, takes, languages, terms),
      bom: classifierBom(input, takes, { served, dataset, base }),
      provenance: provenance(input, { dataset, classifier: served }),
      documents: [
        { path: `${model}/config.pbtxt`, mediaType: 'text/plain', text: tritonConfig(model, config) },
        { path: `${model}/labels.txt`, mediaType: 'text/plain', text: labelFile(config.labels) },
        { path: `${model}/model-settings.json`, mediaType: 'application/json', text: mlserverSettings(model, config) },
      ],
    });
  },
};

async function classifierConfig(
  store: ArtifactStore,
  tree: TreeManifest,
  { digest }: ArtifactRef,
): Promise<ClassifierConfig | ImageClassifierConfig> {
  const bad = (message: string): EspalierError =>
    new EspalierError('BadModel', message, { where: digest, fix: 'export the tuned model again' });
  const missing = (names: readonly string[]): readonly string[] =>
    names.filter((name) => !tree.entries.some(({ path }) => path === name));
  const lacks = missing(MODEL_FILES.classifier);
  const entry = tree.entries.find(({ path }) => path === 'classifier.json');
  if (lacks.length > 0 || entry === undefined) throw bad(`the exported classifier lacks ${lacks.join(', ')}`);
  const text = (await store.getBytes(entry.digest)).toString('utf8');
  const config = parseModelConfig('classifier.json', text, digest);
  if (config.kind !== 'classifier') throw bad('the exported model is no classifier');
  if (config.input !== 'image' && missing([TOKENIZER_FILE]).length > 0) {
    throw bad(`the exported classifier takes texts and lacks ${TOKENIZER_FILE}`);
  }
  return config;
}

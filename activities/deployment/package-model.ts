/** The deployment bundle (artifacts/bundle.ts) from artifacts already in the store: no model byte is read or sent again. */
import { parse } from 'yaml';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { MODEL_FILES } from '../../artifacts/bundle.ts';
import { TERMS_FILE, TERMS_TEXT } from '../../artifacts/bundle-terms.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { entryRef, type ArtifactRef, type TreeEntry, type TreeManifest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type { ClassifierConfig } from '../../inference/config.ts';
import type { PackagedModel, PackageModelInput } from '../contract/deployment.ts';
import type { StepDefinition } from '../step.ts';
import {
  isLicenceFile,
  labelFile,
  licenceStatement,
  pretty,
  mlserverSettings,
  provenance,
  tritonConfig,
} from './bundle-files.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { readAnswers, requireComplete } from '../privacy/dossier/answers.ts';
import { dossierOf, type Dossier } from '../privacy/dossier/dossier.ts';
import { dossierMarkdown } from '../privacy/dossier/markdown.ts';
import { BOM_FILE, CARD_FILE } from '../../artifacts/break-glass.ts';
import { requireValidBom } from './bom-schema.ts';
import { PROTOTYPE_FILE } from '../../artifacts/prototype.ts';
import { classifierBom } from './ml-bom.ts';
import { BASE_FOLDER, bundleTerms, missingTexts, NOTICE_FILE } from './licence-duties.ts';
import { modelCard } from './model-card.ts';
import { prototypeText } from './prototype-text.ts';
import { noticeText, termsText } from './terms-files.ts';

export interface BundleEntry {
  readonly path: string;
  readonly ref: ArtifactRef;
}

export const packageModel: StepDefinition<PackageModelInput, PackagedModel> = {
  type: 'deployment.package',
  version: 5,
  async run(given, { store, progress }) {
    progress({ phase: 'packaging' });
    // The order in which somebody wrote a definition's settings is no part of the step's key: nor may it be of the bytes.
    const input = JSON.parse(canonicalJson(given)) as PackageModelInput;
    const { model } = input;
    const [classifier, dataset, base, reference] = await Promise.all(
      [input.classifier, input.dataset.dataset, input.baseModel.model, input.evaluation.reference].map((tree) =>
        store.tree(tree),
      ),
    );
    if (!classifier || !dataset || !base || !reference) throw new EspalierError('Internal', 'a tree is missing');
    const config = await classifierConfig(store, classifier, input.classifier);
    const licences = base.entries.filter(({ path }) => isLicenceFile(path));
    const card = input.base.card === null ? undefined : (await store.getBytes(input.base.card)).toString('utf8');
    const baseFiles = licences.map(({ path }) => path);
    const added = missingTexts(input.base, baseFiles);
    const texts = [...baseFiles.map((path) => `${BASE_FOLDER}${path}`), ...added.map(({ path }) => path)];
    const terms = bundleTerms(input, baseFiles);

    const dossier = await bundleDossier(input, store);
    const bom = classifierBom(input, { served: classifier, dataset, base });
    requireValidBom(bom, BOM_FILE);
    const documents: readonly (readonly [path: string, mediaType: string, text: string])[] = [
      [`${model}/config.pbtxt`, 'text/plain', tritonConfig(model, config)],
      [`${model}/labels.txt`, 'text/plain', labelFile(config.labels)],
      [`${model}/model-settings.json`, 'application/json', mlserverSettings(model, config)],
      [
        'LICENSES/README.md',
        'text/markdown',
        licenceStatement(
          input,
          texts.map((path) => path.replace(/^LICENSES\//, '')),
        ),
      ],
      [TERMS_FILE, 'application/json', pretty(terms)],
      ...added.map(({ path, text }) => [path, 'text/plain', text] as const),
      [NOTICE_FILE, 'text/plain', noticeText(input, await noticesIn(store, licences))],
      [TERMS_TEXT, 'text/markdown', termsText(model, terms, texts)],
      ['DOSSIER.md', 'text/markdown', dossierMarkdown(dossier, model)],
      [CARD_FILE, 'text/markdown', modelCard(input, languagesOf(card), terms)],
      ...(input.pipeline.prototype === undefined
        ? []
        : [[PROTOTYPE_FILE, 'text/markdown', prototypeText(input)] as const]),
      [BOM_FILE, 'application/vnd.cyclonedx+json', bom],
      ['provenance.json', 'application/json', provenance(input, { dataset, classifier })],
    ];
    const entries: BundleEntry[] = [
      ...(await Promise.all(
        documents.map(async ([path, mediaType, text]) => ({
          path,
          ref: await store.putBytes(text, { name: path, mediaType }),
        })),
      )),
      ...classifier.entries.map((entry) => placed(`${model}/1/`, entry)),
      ...licences.map((entry) => placed(BASE_FOLDER, entry)),
      ...(input.base.card === null ? [] : [{ path: 'LICENSES/BASE_MODEL_CARD.md', ref: input.base.card }]),
      ...reference.entries.map((entry) => placed('reference/', entry)),
    ];
    return { bundle: await store.putManifest(entries, `${model}-bundle`), duties: terms.duties };
  },
};

/** Throws BadConfig where it must be complete and is not. */
async function bundleDossier(input: PackageModelInput, store: ArtifactStore): Promise<Dossier> {
  const { pipeline, dataset: data, trained: training, evaluation, gates, base, privacy, selection } = input;
  const facts = {
    pipeline,
    data,
    training,
    evaluation,
    gates,
    base,
    bundled: true,
    ...definedOnly({ privacy, selection }),
  };
  const dossier = dossierOf(facts, await readAnswers(input.dossier, store));
  requireComplete(dossier);
  return dossier;
}

/** The base model's own notices, which have to stay readable in a model made of it. */
export async function noticesIn(
  store: ArtifactStore,
  files: readonly TreeEntry[],
): Promise<{ path: string; text: string }[]> {
  const named = files.filter(({ path }) => /(^|\/)(notice|copyright)([._-][^/]*)?$/i.test(path));
  return Promise.all(
    named.map(async ({ path, digest }) => ({ path, text: (await store.getBytes(digest)).toString('utf8') })),
  );
}

export function placed(folder: string, entry: TreeEntry): BundleEntry {
  return { path: `${folder}${entry.path}`, ref: entryRef(entry) };
}

async function classifierConfig(
  store: ArtifactStore,
  tree: TreeManifest,
  { digest }: ArtifactRef,
): Promise<ClassifierConfig> {
  const missing = MODEL_FILES.classifier.filter((name) => !tree.entries.some(({ path }) => path === name));
  const entry = tree.entries.find(({ path }) => path === 'classifier.json');
  if (missing.length > 0 || entry === undefined) {
    throw new EspalierError('BadModel', `the exported classifier lacks ${missing.join(', ')}`, {
      where: digest,
      fix: 'export the tuned model again',
    });
  }
  return store.getJson<ClassifierConfig>(entry.digest);
}

/** The base card's `language` front matter; a card is a stranger's text, so whatever it is not is left out. */
export function languagesOf(card: string | undefined): readonly string[] {
  const yaml = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card ?? '')?.[1];
  if (yaml === undefined) return [];
  try {
    const { language } = parse(yaml, { maxAliasCount: 0 }) as { language?: unknown };
    const all = Array.isArray(language) ? (language as unknown[]) : [language];
    return all.filter((tag): tag is string => typeof tag === 'string' && /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$/.test(tag));
  } catch {
    return [];
  }
}

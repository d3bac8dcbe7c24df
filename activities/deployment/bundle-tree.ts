/** What every bundle holds beside its model: papers, terms and licences, and the reference that drift is measured against. */
import { INDEX_FOLDER } from '../../artifacts/bundle.ts';
import { BOM_FILE, CARD_FILE } from '../../artifacts/break-glass.ts';
import { TERMS_FILE, TERMS_TEXT, type BundleTerms } from '../../artifacts/bundle-terms.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { PROTOTYPE_FILE } from '../../artifacts/prototype.ts';
import { entryRef, type ArtifactRef, type TreeEntry, type TreeManifest } from '../../artifacts/reference.ts';
import type { ArtifactStore } from '../../artifacts/store.ts';
import type {
  PackagedModel,
  PackageGeneratorInput,
  PackageModelInput,
  PackageRetrieverInput,
} from '../contract/deployment.ts';
import { readAnswers, requireComplete } from '../privacy/dossier/answers.ts';
import { dossierOf } from '../privacy/dossier/dossier.ts';
import { dossierMarkdown } from '../privacy/dossier/markdown.ts';
import type { DossierFacts } from '../privacy/dossier/record.ts';
import { requireValidBom } from './bom-schema.ts';
import { isLicenceFile, licenceStatement, pretty } from './bundle-files.ts';
import { languagesOf } from './card-languages.ts';
import { BASE_FOLDER, bundleTerms, missingTexts, NOTICE_FILE } from './licence-duties.ts';
import { prototypeText } from './prototype-text.ts';
import { noticeText, termsText } from './terms-files.ts';

type PackageInput = PackageModelInput | PackageGeneratorInput | PackageRetrieverInput;

export interface BundleDocument {
  readonly path: string;
  readonly mediaType: string;
  readonly text: string;
}

/** What a kind of model says of itself. */
export interface BundleParts {
  /** The files of `<model>/1/`. */
  readonly served: TreeManifest;
  /** The files of `index/`. */
  readonly index?: TreeManifest;
  readonly base: TreeManifest;
  /** Whether the weights have learnt from the data. */
  readonly tuned: boolean;
  /** For the statement of licences: what the bundle has of the data besides weights. */
  readonly holds?: string;
  /** For NOTICE: what was changed; the training's words when left out. */
  readonly changed?: string;
  /** For the dossier, beside what every model has. */
  readonly facts: Pick<DossierFacts, 'training' | 'evaluation' | 'generation' | 'retrieval' | 'exported'>;
  readonly card: (languages: readonly string[], terms: BundleTerms) => string;
  readonly bom: string;
  readonly provenance: string;
  /** Of this kind alone. */
  readonly documents: readonly BundleDocument[];
}

/**
 * Writes the papers and puts the tree together; the model's own bytes are neither read nor sent again. Throws BadConfig where
 * the dossier must be complete and is not.
 */
export async function bundleTree(
  store: ArtifactStore,
  input: PackageInput,
  parts: BundleParts,
): Promise<PackagedModel> {
  const { model } = input;
  const reference = await store.tree(input.evaluation.reference);
  const licences = parts.base.entries.filter(({ path }) => isLicenceFile(path));
  const baseFiles = licences.map(({ path }) => path);
  const terms = bundleTerms(input, baseFiles);
  const papers = [...(await papersOf(store, input, parts, { licences, baseFiles, terms })), ...parts.documents];
  const written = papers.map(async ({ path, mediaType, text }) => ({
    path,
    ref: await store.putBytes(text, { name: path, mediaType }),
  }));
  const entries = [
    ...(await Promise.all(written)),
    ...parts.served.entries.map((entry) => placed(`${model}/1/`, entry)),
    ...(parts.index?.entries ?? []).map((entry) => placed(INDEX_FOLDER, entry)),
    ...licences.map((entry) => placed(BASE_FOLDER, entry)),
    ...(input.base.card === null ? [] : [{ path: 'LICENSES/BASE_MODEL_CARD.md', ref: input.base.card }]),
    ...reference.entries.map((entry) => placed('reference/', entry)),
  ];
  return { bundle: await store.putManifest(entries, `${model}-bundle`), duties: terms.duties };
}

async function papersOf(
  store: ArtifactStore,
  input: PackageInput,
  parts: BundleParts,
  of: {
    readonly licences: readonly TreeEntry[];
    readonly baseFiles: readonly string[];
    readonly terms: BundleTerms;
  },
): Promise<BundleDocument[]> {
  const { model, base, pipeline } = input;
  requireValidBom(parts.bom, BOM_FILE);
  const added = missingTexts(base, of.baseFiles);
  const texts = [...of.baseFiles.map((path) => `${BASE_FOLDER}${path}`), ...added.map(({ path }) => path)];
  const below = texts.map((path) => path.replace(/^LICENSES\//, ''));
  const card = base.card === null ? undefined : (await store.getBytes(base.card)).toString('utf8');
  const dossier = await dossierText(store, input, parts.facts);
  const notice = noticeText(input, await noticesIn(store, of.licences), parts.changed);
  return [
    markdown('LICENSES/README.md', licenceStatement(input, below, parts.tuned, parts.holds)),
    json(TERMS_FILE, pretty(of.terms)),
    ...added.map(({ path, text }) => ({ path, mediaType: 'text/plain', text })),
    { path: NOTICE_FILE, mediaType: 'text/plain', text: notice },
    markdown(TERMS_TEXT, termsText(model, of.terms, texts)),
    markdown('DOSSIER.md', dossier),
    markdown(CARD_FILE, parts.card(languagesOf(card), of.terms)),
    ...(pipeline.prototype === undefined ? [] : [markdown(PROTOTYPE_FILE, prototypeText(input))]),
    { path: BOM_FILE, mediaType: 'application/vnd.cyclonedx+json', text: parts.bom },
    json('provenance.json', parts.provenance),
  ];
}

/** Throws BadConfig where it must be complete and is not. */
async function dossierText(store: ArtifactStore, input: PackageInput, kind: BundleParts['facts']): Promise<string> {
  const { pipeline, dataset: data, gates, base, privacy, selection } = input;
  const facts = { pipeline, data, gates, base, bundled: true, ...definedOnly({ privacy, selection }), ...kind };
  const dossier = dossierOf(facts, await readAnswers(input.dossier, store));
  requireComplete(dossier);
  return dossierMarkdown(dossier, input.model);
}

/** The base model's own notices, which have to stay readable in a model made of it. */
function noticesIn(store: ArtifactStore, files: readonly TreeEntry[]): Promise<{ path: string; text: string }[]> {
  const named = files.filter(({ path }) => /(^|\/)(notice|copyright)([._-][^/]*)?$/i.test(path));
  return Promise.all(
    named.map(async ({ path, digest }) => ({ path, text: (await store.getBytes(digest)).toString('utf8') })),
  );
}

function placed(folder: string, entry: TreeEntry): { readonly path: string; readonly ref: ArtifactRef } {
  return { path: `${folder}${entry.path}`, ref: entryRef(entry) };
}

function markdown(path: string, text: string): BundleDocument {
  return { path, mediaType: 'text/markdown', text };
}

function json(path: string, text: string): BundleDocument {
  return { path, mediaType: 'application/json', text };
}

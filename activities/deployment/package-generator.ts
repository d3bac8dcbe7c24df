/** The deployment bundle of a generator (artifacts/bundle.ts), from artifacts already in the store. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { TERMS_FILE, TERMS_TEXT } from '../../artifacts/bundle-terms.ts';
import { MODEL_FILES, PROMPT_FILE } from '../../artifacts/bundle.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { PackagedModel, PackageGeneratorInput } from '../contract/deployment.ts';
import { readAnswers, requireComplete } from '../privacy/dossier/answers.ts';
import { dossierOf } from '../privacy/dossier/dossier.ts';
import { dossierMarkdown } from '../privacy/dossier/markdown.ts';
import type { StepDefinition } from '../step.ts';
import { requireValidBom } from './bom-schema.ts';
import { isLicenceFile, licenceStatement, pretty } from './bundle-files.ts';
import { generatorBom, generatorCard, generatorProvenance, madeBy } from './generator-card.ts';
import { BASE_FOLDER, bundleTerms, missingTexts, NOTICE_FILE } from './licence-duties.ts';
import { languagesOf, noticesIn, placed, type BundleEntry } from './package-model.ts';
import { noticeText, termsText } from './terms-files.ts';

const BOM_FILE = 'bom.cdx.json';

/** Throws BadModel for a tree that is no served generator, BadConfig where the dossier must be complete and is not. */
export const packageGenerator: StepDefinition<PackageGeneratorInput, PackagedModel> = {
  type: 'deployment.package-generator',
  version: 2,
  async run(given, { store, progress }) {
    progress({ phase: 'packaging' });
    // The order in which somebody wrote a definition's settings is no part of the step's key: nor may it be of the bytes.
    const input = JSON.parse(canonicalJson(given)) as PackageGeneratorInput;
    const { model, chosen, evaluation } = input;
    const served = await store.tree(chosen.generator);
    const missing = [...MODEL_FILES.generator, PROMPT_FILE].filter(
      (name) => !served.entries.some(({ path }) => path === name),
    );
    if (missing.length > 0) {
      throw new EspalierError('BadModel', `the generator lacks ${missing.join(', ')}`, {
        where: chosen.generator.digest,
        fix: 'choose it again',
      });
    }
    const dataset = await store.tree(input.dataset.dataset);
    const base = await store.tree(input.baseModel.model);
    const reference = await store.tree(evaluation.reference);
    const licences = base.entries.filter(({ path }) => isLicenceFile(path));
    const card = input.base.card === null ? undefined : (await store.getBytes(input.base.card)).toString('utf8');
    const baseFiles = licences.map(({ path }) => path);
    const added = missingTexts(input.base, baseFiles);
    const texts = [...baseFiles.map((path) => `${BASE_FOLDER}${path}`), ...added.map(({ path }) => path)];
    const terms = bundleTerms(input, baseFiles);
    const { pipeline, dataset: data, trained: training, gates, privacy, selection, memorisation } = input;
    const generation = { evaluation, ...definedOnly({ memorisation }) };
    const facts = { pipeline, data, gates, base: input.base, bundled: true, generation, exported: chosen };
    const dossier = dossierOf(
      { ...facts, ...definedOnly({ training, privacy, selection }) },
      await readAnswers(input.dossier, store),
    );
    requireComplete(dossier);
    const bom = generatorBom(input, { served, dataset, base });
    requireValidBom(bom, BOM_FILE);
    const statement = licenceStatement(
      input,
      texts.map((path) => path.replace(/^LICENSES\//, '')),
      chosen.road === 'tuned',
    );
    const documents: readonly (readonly [path: string, mediaType: string, text: string])[] = [
      ['LICENSES/README.md', 'text/markdown', statement],
      [TERMS_FILE, 'application/json', pretty(terms)],
      ...added.map(({ path, text }) => [path, 'text/plain', text] as const),
      [NOTICE_FILE, 'text/plain', noticeText(input, await noticesIn(store, licences), madeBy(input))],
      [TERMS_TEXT, 'text/markdown', termsText(model, terms, texts)],
      ['DOSSIER.md', 'text/markdown', dossierMarkdown(dossier, model)],
      ['MODEL_CARD.md', 'text/markdown', generatorCard(input, languagesOf(card), terms)],
      [BOM_FILE, 'application/vnd.cyclonedx+json', bom],
      ['provenance.json', 'application/json', generatorProvenance(input, { dataset, served })],
    ];
    const written = documents.map(async ([path, mediaType, text]) => ({
      path,
      ref: await store.putBytes(text, { name: path, mediaType }),
    }));
    const entries: BundleEntry[] = [
      ...(await Promise.all(written)),
      ...served.entries.map((entry) => placed(`${model}/1/`, entry)),
      ...licences.map((entry) => placed(BASE_FOLDER, entry)),
      ...(input.base.card === null ? [] : [{ path: 'LICENSES/BASE_MODEL_CARD.md', ref: input.base.card }]),
      ...reference.entries.map((entry) => placed('reference/', entry)),
    ];
    return { bundle: await store.putManifest(entries, `${model}-bundle`), duties: terms.duties };
  },
};

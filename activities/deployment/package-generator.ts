/** The deployment bundle of a generator (artifacts/bundle.ts), from artifacts already in the store. */
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { MODEL_FILES, PROMPT_FILE } from '../../artifacts/bundle.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import type { PackagedModel, PackageGeneratorInput } from '../contract/deployment.ts';
import type { StepDefinition } from '../step.ts';
import { bundleTree } from './bundle-tree.ts';
import { generatorBom, generatorCard, generatorProvenance, madeBy } from './generator-card.ts';

/** Throws BadModel for a tree that is no served generator, BadConfig where the dossier must be complete and is not. */
export const packageGenerator: StepDefinition<PackageGeneratorInput, PackagedModel> = {
  type: 'deployment.package-generator',
  version: 3,
  async run(given, { store, progress }) {
    progress({ phase: 'packaging' });
    // The order in which somebody wrote a definition's settings is no part of the step's key: nor may it be of the bytes.
    const input = JSON.parse(canonicalJson(given)) as PackageGeneratorInput;
    const { chosen, evaluation, trained: training, memorisation } = input;
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
    return bundleTree(store, input, {
      served,
      base,
      tuned: chosen.road === 'tuned',
      changed: madeBy(input),
      facts: {
        generation: { evaluation, ...definedOnly({ memorisation }) },
        exported: chosen,
        ...definedOnly({ training }),
      },
      card: (languages, terms) => generatorCard(input, languages, terms),
      bom: generatorBom(input, { served, dataset, base }),
      provenance: generatorProvenance(input, { dataset, served }),
      documents: [],
    });
  },
};

import { doesNotMatch, equal, match, ok } from 'node:assert/strict';
import type { PackageGeneratorInput } from '../../activities/contract/deployment.ts';
import { packageGenerator } from '../../activities/deployment/package-generator.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { MODEL_FILES, PROMPT_FILE } from '../../artifacts/bundle.ts';
import { PROTOTYPE_FILE } from '../../artifacts/prototype.ts';
import type { TextGeneration } from '../../pipelines/definition.ts';
import { packageInput, withServices } from '../support/bundle.ts';
import { generatorFacts } from '../support/generator-facts.ts';
import { runStep } from '../support/step.ts';

describe('packaging a generator', () => {
  let services: ActivityServices;
  before(async () => {
    services = await withServices();
  });

  /** Its papers, by path. */
  async function papers(
    road: 'prompted' | 'rejected' | 'tuned',
    parts: Partial<TextGeneration> = {},
  ): Promise<(path: string) => Promise<string>> {
    const { store } = services;
    const { definition, dataset, base, baseModel, trained, evaluation } = await packageInput(services);
    const facts = generatorFacts(road);
    const { pipeline, exported, generation, gates, data, selection, privacy } = facts;
    ok(generation?.evaluation && gates && data && selection && privacy);
    const files = [...MODEL_FILES.generator, PROMPT_FILE].map(async (path) => ({
      path,
      ref: await store.putBytes(`${path} of the model`, { name: path, mediaType: 'application/json' }),
    }));
    const input: PackageGeneratorInput = {
      model: 'replies',
      pipeline: { ...pipeline, ...parts },
      definition,
      base,
      baseModel,
      gates,
      selection,
      privacy,
      chosen: { ...exported, generator: await store.putManifest(await Promise.all(files), 'generator') },
      ...(road === 'tuned' ? { trained } : {}),
      ...(generation.memorisation === undefined ? {} : { memorisation: generation.memorisation }),
      dataset: { ...data, dataset: dataset.dataset },
      evaluation: { ...generation.evaluation, reference: evaluation.reference },
    };
    const { bundle } = await runStep(packageGenerator, input, services);
    const { entries } = await store.tree(bundle);
    return async (path) => {
      const entry = entries.find((file) => file.path === path);
      ok(entry, path);
      return (await store.getBytes(entry.digest)).toString('utf8');
    };
  }
  const PAPERS = ['DOSSIER.md', 'LICENSES/README.md', 'MODEL_CARD.md', 'NOTICE', 'TERMS.md', 'bom.cdx.json'];

  it('says of a prototype that it is one, first in the card and in a file of its own', async () => {
    const text = await papers('prompted', { prototype: { trainRows: 100, measuredRows: 100, seed: 7 } });
    match(await text(PROTOTYPE_FILE), /small part of the data/);
    match(await text('MODEL_CARD.md'), /- prototype\n[\s\S]+\*\*This is a prototype/);
  });

  it('claims in no paper of a prompted one that anything was tuned or labelled', async () => {
    for (const road of ['prompted', 'rejected'] as const) {
      const text = await papers(road);
      for (const path of [...PAPERS, 'provenance.json']) {
        const paper = await text(path);
        doesNotMatch(
          paper,
          /fine-?tuned?|[Ll]ow-rank|tuned weights|Tuned (model|with)|\d labels|[Cc]lassifier|that it learnt|"supervised"|training_data|"training"|^datasets:/m,
          `${road} ${path}`,
        );
      }
      match(
        await text('NOTICE'),
        /It was changed: exported to ONNX, and given a prompt; its weights are as they came,/,
      );
      match(await text('LICENSES/README.md'), /The weights are those of the base model; the prompt was chosen on/);
      match(await text('DOSSIER.md'), /by heart was not measured/);
      match(await text('DOSSIER.md'), road === 'prompted' ? /Nothing was trained/ : /and not chosen/);
    }
  });

  it('says of a tuned one that it was, on what, and what it knows by heart', async () => {
    const text = await papers('tuned');
    match(await text('NOTICE'), /It was changed: fine-tuned \(lora\) on data from written for a test/);
    match(await text('LICENSES/README.md'), /The tuned weights derive .*\n\n.*[^]*training_data:/);
    match(await text('MODEL_CARD.md'), /base_model_relation: finetune[^]*## Training/);
    match(await text('bom.cdx.json'), /"supervised"/);
    match(await text('DOSSIER.md'), /Low\\?-rank adapters were tuned[^]*by heart: canaryExposure 2/);
    equal((JSON.parse(await text('provenance.json')) as { choice: { road: string } }).choice.road, 'tuned');
  });
});

/** MODEL_CARD.md and provenance.json of a generator: what it was made of, what it is told, and how it keeps its guidelines. Pure. */
import { stringify } from 'yaml';
import type { BundleTerms } from '../../artifacts/bundle-terms.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import type { TreeManifest } from '../../artifacts/reference.ts';
import type { PackageGeneratorInput } from '../contract/deployment.ts';
import { filesOf, pretty, provenanceLinks, trainingLinks } from './bundle-files.ts';
import { mlBom } from './ml-bom.ts';
import {
  baseModelId,
  baseModelLines,
  dataLines,
  datasetId,
  escapeMarkdown,
  gateTable,
  intendedUseLines,
  languageAndLicence,
  numberText,
  scoreText,
  table,
  termsOfUse,
} from './model-card.ts';
import { prototypeNotice } from './prototype-text.ts';

/** How it came from its base, in a few words. */
export function madeBy({ chosen, trained, pipeline }: PackageGeneratorInput): string {
  return chosen.road === 'tuned' && trained !== undefined
    ? `fine-tuned (${pipeline.training.method}) on data from ${pipeline.data.source}, and exported to ONNX`
    : 'exported to ONNX, and given a prompt; its weights are as they came';
}

export function generatorCard(input: PackageGeneratorInput, language: readonly string[], terms: BundleTerms): string {
  const { pipeline, base } = input;
  const front = stringify(
    {
      ...languageAndLicence(base, language),
      // On the hub it says what a model was trained on.
      ...(input.chosen.road === 'tuned' ? { datasets: [datasetId(pipeline)] } : {}),
      base_model: baseModelId(base.source),
      ...(input.chosen.road === 'tuned' ? { base_model_relation: 'finetune' } : {}),
      pipeline_tag: 'text-generation',
      library_name: 'onnx',
      tags: ['text-generation', 'espalier', ...(pipeline.prototype === undefined ? [] : ['prototype'])],
    },
    { lineWidth: 0 },
  );
  return `---\n${front}---\n\n${body(input, terms)}`;
}

function body(input: PackageGeneratorInput, terms: BundleTerms): string {
  const { model, pipeline, base, dataset, evaluation, gates, trained, chosen } = input;
  const sections: readonly (readonly [string, string])[] = [
    ['Intended use', intendedUseLines(pipeline.intendedUse)],
    ['Base model', [baseModelLines(base), `- What was done: ${escapeMarkdown(madeBy(input))}.`].join('\n')],
    ['Prompted or tuned', escapeMarkdown(chosen.reason)],
    ['Terms', termsOfUse(terms)],
    [
      'Data',
      [
        dataLines(pipeline.data),
        `- Prompts: ${dataset.rows.train} train, ${dataset.rows.validation} validation, ${dataset.rows.test} test`,
      ].join('\n'),
    ],
    ...(trained === undefined
      ? []
      : [
          [
            'Training',
            `Method ${pipeline.training.method}, ${trained.steps} steps, best epoch ${trained.bestEpoch}, seed ${pipeline.training.seed}; the loss is on answers alone.`,
          ] as const,
        ]),
    ['Measured on the test prompts', gateTable(gates)],
    [
      'Guideline by guideline',
      table(
        ['Guideline', 'Kind', 'Severity', 'Kept'],
        evaluation.checks.map(({ id, kind, severity, kept }) => [id, kind, severity, scoreText(kept)]),
      ),
    ],
    [
      'Speed',
      `First token: p50 ${numberText(evaluation.firstTokenMs.p50)} ms, p95 ${numberText(evaluation.firstTokenMs.p95)} ms; then ${numberText(evaluation.msPerToken.p50)} ms a token, one answer at a time on ${escapeMarkdown(evaluation.hardware.cpu)}.`,
    ],
    [
      'Lineage',
      [
        ['Pipeline definition', input.definition.digest],
        ['Dataset', dataset.dataset.digest],
        ['Base model files', input.baseModel.model.digest],
        ...(trained === undefined ? [] : [['Tuned model', trained.model.digest]]),
        ['Served generator', chosen.generator.digest],
      ]
        .map(([name, digest]) => `- ${name}: \`${digest}\``)
        .join('\n'),
    ],
    [
      'Files',
      `\`${model}/1/prompt.json\` is what it is told with every question, \`${model}/1/guidelines.json\` what it was judged by, \`bom.cdx.json\` what it was made of (CycloneDX 1.6).`,
    ],
  ];
  const shown = terms.builtWith.map((words) => `\n**${escapeMarkdown(words)}**\n`).join('');
  const trial = pipeline.prototype === undefined ? '' : `\n**${prototypeNotice(input)}**\n`;
  const title = `# ${model}\n${shown}${trial}\n${escapeMarkdown(pipeline.description || 'It answers within guidelines.')}\n`;
  return `${title}\n${sections.map(([name, text]) => `## ${name}\n\n${text}\n`).join('\n')}`;
}

export function generatorBom(
  input: PackageGeneratorInput,
  trees: { readonly served: TreeManifest; readonly dataset: TreeManifest; readonly base: TreeManifest },
): string {
  const { chosen, trained, evaluation, pipeline } = input;
  const [worst] = evaluation.checks.toSorted((a, b) => (a.kept.value ?? 0) - (b.kept.value ?? 0));
  return mlBom(input, trees, {
    served: chosen.generator,
    description: 'It answers within guidelines.',
    takes: 'text',
    notes: madeBy(input),
    architectureFamily: 'transformer decoder',
    outputs: 'text',
    learnt: chosen.road === 'tuned',
    measures: evaluation.measures,
    parts: evaluation.checks.map(({ id, kept }) => ({ type: 'guideline-kept', score: kept, part: `guideline ${id}` })),
    limitations: ['what it writes is made by a machine, and can be wrong while it keeps every guideline'],
    worst: worst === undefined ? '' : `; the guideline that it keeps least often is '${worst.id}'`,
    properties: {
      'espalier:road': chosen.road,
      'espalier:prompt': chosen.prompt.digest,
      ...definedOnly({ 'espalier:trained': trained?.model.digest }),
      ...(trained === undefined
        ? {}
        : Object.fromEntries(Object.entries(pipeline.training).map(([key, value]) => [`training:${key}`, value]))),
    },
  });
}

/** `provenance.json`: from the definition to the served bytes, every link by digest. No times, no run. */
export function generatorProvenance(
  input: PackageGeneratorInput,
  trees: { readonly dataset: TreeManifest; readonly served: TreeManifest },
): string {
  const { pipeline, chosen, trained } = input;
  return pretty({
    ...provenanceLinks(input, trees.dataset),
    choice: { road: chosen.road, reason: chosen.reason, prompt: chosen.prompt.digest },
    ...(trained === undefined ? {} : trainingLinks(pipeline, trained)),
    generator: { tree: chosen.generator.digest, files: filesOf(trees.served) },
  });
}

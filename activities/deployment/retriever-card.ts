/** MODEL_CARD.md, bill of materials and provenance.json of a model that finds pictures: what lies in its index, and how well it finds. Pure. */
import { stringify } from 'yaml';
import type { BundleTerms } from '../../artifacts/bundle-terms.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import type { TreeManifest } from '../../artifacts/reference.ts';
import type { PackageRetrieverInput } from '../contract/deployment.ts';
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

const DESCRIPTION = 'It finds pictures that look alike.';
/** The Hub's word for a model that turns a picture into numbers. */
const HUB_TASK = 'image-feature-extraction';

/** How it came from its base, in a few words. */
export function embedded({ trained, pipeline }: PackageRetrieverInput): string {
  return trained === undefined
    ? 'exported to ONNX, and given an index; its weights are as they came'
    : `fine-tuned (${pipeline.training?.method}) on data from ${pipeline.data.source}, exported to ONNX, and given an index`;
}

/** What its index has of the data. */
export function embeddingsOf({ indexed: { rows, dimension } }: PackageRetrieverInput): string {
  return `its index holds an embedding (${dimension} numbers), an id and a label of each of ${rows} pictures of the data below`;
}

export function retrieverCard(input: PackageRetrieverInput, language: readonly string[], terms: BundleTerms): string {
  const { model, pipeline, base, evaluation, trained } = input;
  const { recallAtK, meanAveragePrecision } = evaluation.measures;
  const metrics = [
    { type: `recall_at_${evaluation.k}`, name: `Recall@${evaluation.k}`, value: recallAtK.value },
    { type: 'map', name: 'mAP', value: meanAveragePrecision.value },
  ].filter(({ value }) => value !== null);
  const front = stringify(
    {
      ...languageAndLicence(base, language),
      // On the hub it says what a model was trained on.
      ...(trained === undefined ? {} : { datasets: [datasetId(pipeline)] }),
      base_model: baseModelId(base.source),
      ...(trained === undefined ? {} : { base_model_relation: 'finetune' }),
      pipeline_tag: HUB_TASK,
      library_name: 'onnx',
      tags: ['image-retrieval', 'espalier', ...(pipeline.prototype === undefined ? [] : ['prototype'])],
      'model-index': [
        {
          name: model,
          results: [
            {
              task: { type: HUB_TASK },
              dataset: { type: pipeline.name, name: `${pipeline.name} (test split)`, split: 'test' },
              metrics,
            },
          ],
        },
      ],
    },
    { lineWidth: 0 },
  );
  return `---\n${front}---\n\n${body(input, terms)}`;
}

function body(input: PackageRetrieverInput, terms: BundleTerms): string {
  const { model, pipeline, base, dataset, evaluation, gates, trained } = input;
  const sections: readonly (readonly [string, string])[] = [
    ['Intended use', intendedUseLines(pipeline.intendedUse)],
    ['Base model', [baseModelLines(base), `- What was done: ${escapeMarkdown(embedded(input))}.`].join('\n')],
    ['Terms', termsOfUse(terms)],
    [
      'Data',
      [
        dataLines(pipeline.data),
        `- Rows: ${dataset.rows.train} train (the gallery), ${dataset.rows.validation} validation, ${dataset.rows.test} test (the queries)`,
        `- Labels: ${dataset.labels.map(escapeMarkdown).join(', ')}`,
      ].join('\n'),
    ],
    ['Index', indexLines(input)],
    ...(trained === undefined
      ? []
      : [
          [
            'Training',
            `Method ${pipeline.training?.method}, ${trained.steps} steps, best epoch ${trained.bestEpoch}, seed ${pipeline.training?.seed}, as a classifier of the labels. Every setting is in \`provenance.json\`.`,
          ] as const,
        ]),
    ['Measured on the test split', `What has the label of the picture that asks is wanted.\n\n${gateTable(gates)}`],
    ['Beside it', besideTable(input)],
    [
      'Per label',
      table(
        ['Label', `Recall@${evaluation.k}`, 'Average precision', 'Queries'],
        evaluation.perLabel.map(({ label, recallAtK, averagePrecision, queries }) => [
          escapeMarkdown(label),
          numberText(recallAtK),
          numberText(averagePrecision),
          String(queries),
        ]),
      ),
    ],
    [
      'Speed',
      `One picture, from its file to its neighbours: p50 ${numberText(evaluation.latency.p50Ms)} ms, p95 ${numberText(evaluation.latency.p95Ms)} ms over ${evaluation.latency.runs} runs on ${escapeMarkdown(evaluation.hardware.cpu)} (${evaluation.hardware.cores} cores, ${escapeMarkdown(evaluation.hardware.runtime)}).`,
    ],
    [
      'Lineage',
      [
        ['Pipeline definition', input.definition.digest],
        ['Dataset', dataset.dataset.digest],
        ['Base model files', input.baseModel.model.digest],
        ...(trained === undefined ? [] : [['Tuned model', trained.model.digest]]),
        ['Served model', input.embedder.digest],
        ['Index', input.index.digest],
      ]
        .map(([name, digest]) => `- ${name}: \`${digest}\``)
        .join('\n'),
    ],
    [
      'Files',
      `\`index/\` is what is searched, \`retrieval.json\` how many are found where nobody says, \`bom.cdx.json\` what all was made of (CycloneDX 1.6). A released bundle also holds who approved it and how it was made (\`attestations/\`, in-toto) and the signature of all its files (\`model.sig\`, OpenSSF model signing).`,
    ],
  ];
  const shown = terms.builtWith.map((words) => `\n**${escapeMarkdown(words)}**\n`).join('');
  const trial = pipeline.prototype === undefined ? '' : `\n**${prototypeNotice(input)}**\n`;
  const title = `# ${model}\n${trial}${shown}\n${escapeMarkdown(pipeline.description || DESCRIPTION)}\n`;
  return `${title}\n${sections.map(([name, text]) => `## ${name}\n\n${text}\n`).join('\n')}`;
}

function indexLines({ indexed, evaluation, dataset }: PackageRetrieverInput): string {
  const { rows, dimension, sizeBytes, search, graph } = indexed;
  return [
    `- ${rows} pictures of ${dimension} numbers, ${numberText(sizeBytes / 1e6)} MB; compared by cosine`,
    search === 'exact' || graph === null
      ? '- Search is exact: every picture is compared with the query'
      : `- Searched by a graph (HNSW), built when the server starts: of the ${graph.k} truly nearest it finds ${scoreText(graph.recall)}`,
    '- Of a picture it holds its id (the first 16 hex digits of the SHA-256 of its file as the dataset has it, without metadata), its label and these numbers, not the picture. What of a picture could be made again from them was not measured.',
    `- Test pictures in it, with the same file in the dataset: ${evaluation.queriesInGallery} of ${dataset.rows.test}`,
  ].join('\n');
}

function besideTable({ evaluation: { k, measures, pixels, frozen } }: PackageRetrieverInput): string {
  return table(
    ['What is compared', `Recall@${k}`, 'mAP'],
    [
      ['This model', scoreText(measures.recallAtK), scoreText(measures.meanAveragePrecision)],
      ...(frozen === null
        ? []
        : [['The model before it was tuned', scoreText(frozen.recallAtK), scoreText(frozen.meanAveragePrecision)]]),
      ['The pictures’ pixels', scoreText(pixels.recallAtK), scoreText(pixels.meanAveragePrecision)],
    ],
  );
}

export function retrieverBom(
  input: PackageRetrieverInput,
  {
    index: tree,
    ...trees
  }: {
    readonly served: TreeManifest;
    readonly dataset: TreeManifest;
    readonly base: TreeManifest;
    readonly index: TreeManifest;
  },
): string {
  const { embedder, index, indexed, trained, evaluation, pipeline, dataset } = input;
  const { rows, dimension, search } = indexed;
  const [worst] = evaluation.perLabel
    .filter(({ averagePrecision }) => averagePrecision !== null)
    .toSorted((a, b) => (a.averagePrecision ?? 0) - (b.averagePrecision ?? 0));
  return mlBom(input, trees, {
    served: embedder,
    description: DESCRIPTION,
    takes: 'image',
    notes: embedded(input),
    architectureFamily: 'image backbone',
    outputs: 'ids, labels and cosine similarities of pictures in its gallery',
    gallery: {
      index,
      tree,
      properties: { dataset: dataset.dataset.digest, split: 'train', rows, dimension, search },
    },
    learnt: trained !== undefined,
    measures: evaluation.measures,
    parts: evaluation.perLabel.map(({ label, averagePrecision, queries }) => ({
      type: 'average-precision',
      score: { value: averagePrecision, interval: null, rows: queries },
      part: `label ${label}`,
    })),
    limitations: ['it finds something for every picture, also for one that its gallery has nothing like'],
    worst:
      worst === undefined
        ? ''
        : `; by label it serves '${worst.label}' worst (average precision ${worst.averagePrecision} on ${worst.queries} queries)`,
    properties: {
      index: index.digest,
      ...definedOnly({ trained: trained?.model.digest }),
      ...Object.fromEntries(
        Object.entries({ ...(trained === undefined ? {} : pipeline.training) }).map(([name, value]) => [
          `training:${name}`,
          value,
        ]),
      ),
    },
  });
}

/** `provenance.json`: from the definition to the served bytes, every link by digest. No times, no run. */
export function retrieverProvenance(
  input: PackageRetrieverInput,
  trees: { readonly dataset: TreeManifest; readonly served: TreeManifest; readonly index: TreeManifest },
): string {
  const { pipeline, embedder, index, indexed, trained } = input;
  const { rows, dimension, search, graph } = indexed;
  return pretty({
    ...provenanceLinks(input, trees.dataset),
    ...(trained === undefined ? {} : trainingLinks(pipeline, trained)),
    embedder: { tree: embedder.digest, files: filesOf(trees.served) },
    index: { tree: index.digest, files: filesOf(trees.index), of: 'train', rows, dimension, search, graph },
  });
}

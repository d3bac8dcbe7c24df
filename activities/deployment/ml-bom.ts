/**
 * `bom.cdx.json`: the bundle's bill of materials in CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json). Pure, and
 * without clock or chance, so that the same model has the same one again: its serial number is made of its content.
 */
import { INDEX_FOLDER } from '../../artifacts/bundle.ts';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { hexOf, shortDigest, type ArtifactRef, type TreeManifest } from '../../artifacts/reference.ts';
import type { LicenceDecision } from '../contract/review.ts';
import type { PackageModelInput, PackageRetrieverInput } from '../contract/deployment.ts';
import type { Score } from '../contract/measures.ts';
import { pretty } from './bundle-files.ts';
import { concludedLicence } from './concluded-licence.ts';
import { policyText } from '../privacy/policy-text.ts';
import { NAMES, OUT_OF_SCOPE } from './model-card.ts';

interface Trees {
  readonly served: TreeManifest;
  readonly dataset: TreeManifest;
  readonly base: TreeManifest;
}

/** What the document needs of any model. */
export type BomInput = Pick<
  PackageModelInput | PackageRetrieverInput,
  'model' | 'pipeline' | 'definition' | 'dataset' | 'gates' | 'base' | 'baseModel'
>;

/** What a kind of model says of itself. */
export interface BomAbout {
  readonly served: ArtifactRef;
  readonly description: string;
  readonly takes: 'text' | 'image';
  /** How it was made of its base. */
  readonly notes: string;
  readonly architectureFamily: string;
  readonly outputs: string;
  /** Data that are served with it: what it finds among. */
  readonly gallery?: BomGallery;
  /** Whether its weights have learnt from the data. */
  readonly learnt: boolean;
  readonly measures: Readonly<Record<string, Score>>;
  /** Measures of parts of the test split. */
  readonly parts: readonly { readonly type: string; readonly score: Score; readonly part: string }[];
  readonly limitations: readonly string[];
  readonly worst: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

export interface BomGallery {
  readonly index: ArtifactRef;
  readonly tree: TreeManifest;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** The tuned classifier of texts or pictures with its card, its base model as its ancestor, and the data that it was tuned on. */
export function classifierBom(input: PackageModelInput, takes: 'text' | 'image', trees: Trees): string {
  const { pipeline, classifier, trained, evaluation } = input;
  const [worst] = evaluation.perLabel.filter(({ f1 }) => f1 !== null).toSorted((a, b) => (a.f1 ?? 0) - (b.f1 ?? 0));
  return mlBom(input, trees, {
    served: classifier,
    description: NAMES[takes].classifier,
    takes,
    notes: `tuned: ${pipeline.training.method}`,
    architectureFamily: takes === 'image' ? 'image backbone with a linear head' : 'transformer encoder',
    outputs: evaluation.severalLabels === undefined ? 'class probabilities' : 'a probability for each label by itself',
    learnt: true,
    measures: evaluation.measures,
    parts: evaluation.perLabel.map(({ label, f1, support }) => ({
      type: 'f1',
      score: { value: f1, interval: null, rows: support },
      part: `label ${label}`,
    })),
    limitations: evaluation.edgeInputs
      .filter(({ ok }) => !ok)
      .map(({ name, detail }) => `edge input '${name}': ${detail}`),
    worst:
      worst === undefined
        ? ''
        : `; by label it serves '${worst.label}' worst (F1 ${worst.f1} on ${worst.support} rows)`,
    properties: {
      trained: trained.model.digest,
      ...prefixed('training', { ...pipeline.training }),
      ...prefixed('environment', { ...trained.environment }),
    },
  });
}

/** The model with its card, its base model as its ancestor, and the data that it was made with. */
export function mlBom(input: BomInput, trees: Trees, about: BomAbout): string {
  const bom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: {
      tools: { components: [{ type: 'application', name: 'espalier' }] },
      component: model(input, trees, about),
    },
    components: [
      dataset(input, trees.dataset),
      ...(about.gallery === undefined ? [] : [gallery(input, about.gallery)]),
    ],
    dependencies:
      about.gallery === undefined
        ? [{ ref: 'model', dependsOn: ['dataset'] }, { ref: 'dataset' }]
        : [
            { ref: 'model', dependsOn: about.learnt ? ['dataset', 'gallery'] : ['gallery'] },
            { ref: 'gallery', dependsOn: ['dataset'] },
            { ref: 'dataset' },
          ],
  };
  return pretty({ $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json', ...bom, serialNumber: serial(bom) });
}

/** A UUID of version 8 (RFC 9562: what it is made of is ours to say) from the document's digest. */
function serial(bom: unknown): string {
  const hex = hexOf(digestJson(bom));
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  const parts = [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `8${hex.slice(13, 16)}`,
    variant + hex.slice(17, 20),
    hex.slice(20, 32),
  ];
  return `urn:uuid:${parts.join('-')}`;
}

function model(input: BomInput, trees: Trees, about: BomAbout) {
  const { pipeline, base, definition } = input;
  return {
    type: 'machine-learning-model',
    'bom-ref': 'model',
    name: input.model,
    version: shortDigest(about.served.digest),
    description: pipeline.description || about.description,
    licenses: concluded(base.licence),
    components: files(trees.served, `${input.model}/1/`),
    pedigree: { ancestors: [baseModel(input, trees.base)], notes: about.notes },
    modelCard: modelCard(input, about),
    properties: properties({ tree: about.served.digest, definition: definition.digest, ...about.properties }),
  };
}

function modelCard(input: BomInput, about: BomAbout) {
  const { pipeline, gates } = input;
  const { intendedUse } = pipeline;
  const measured = Object.entries(about.measures);
  const confidences = [...new Set(measured.flatMap(([, { interval }]) => interval?.confidence ?? []))];
  return {
    modelParameters: {
      ...(about.learnt ? { approach: { type: 'supervised' } } : {}),
      task: pipeline.task,
      architectureFamily: about.architectureFamily,
      datasets: [{ ref: 'dataset' }, ...(about.gallery === undefined ? [] : [{ ref: 'gallery' }])],
      inputs: [{ format: about.takes }],
      outputs: [{ format: about.outputs }],
    },
    quantitativeAnalysis: {
      performanceMetrics: [
        ...measured.flatMap(([name, score]) => metric(name, score, 'test split')),
        ...about.parts.flatMap(({ type, score, part }) => metric(type, score, `test split, ${part}`)),
      ],
    },
    considerations: {
      users: [intendedUse.domain],
      useCases: [
        `${pipeline.task} for ${intendedUse.domain}, ${intendedUse.commercial ? 'commercial' : 'not commercial'}`,
      ],
      technicalLimitations: [OUT_OF_SCOPE, ...about.limitations],
      performanceTradeoffs: gates.gates.filter(({ verdict }) => verdict === 'warn').map(({ reason }) => reason),
      ethicalConsiderations: risks(input, about),
      fairnessAssessments: [fairness(about)],
    },
    properties: properties({ 'interval-confidence': confidences.join(', '), gates: gates.verdict }),
  };
}

/** What is on record about them; how much energy it took nobody measures here, so nothing is said of it. */
function risks({ pipeline, dataset: summary }: BomInput, { learnt, takes, gallery: found }: BomAbout) {
  const removed = summary.personalData;
  const done =
    removed === undefined
      ? 'found values were counted and shown to the reviewer'
      : `${removed.rowsDropped} rows were left out and ${removed.rowsRedacted} redacted before ${learnt ? 'anything was learnt' : 'a prompt was chosen on them'}`;
  const has =
    found === undefined
      ? learnt
        ? 'learnt'
        : 'may be shown in its prompt'
      : `${learnt ? 'learnt, and ' : ''}has the embeddings of in its index`;
  return [
    {
      name: `Personal data among the ${NAMES[takes].rows} that it ${has}`,
      mitigationStrategy:
        takes === 'image'
          ? `pictures are kept without metadata; faces, plates and writing in them are not looked for${found === undefined ? '' : '; what of a picture could be made again from its embedding was not measured'}`
          : `policy ${policyText(pipeline.data)}: ${done}; names and free descriptions have no form to be found by`,
    },
    {
      name: 'Decisions about people by its answers',
      mitigationStrategy: `out of scope unless a person reviews each; stated use: ${pipeline.intendedUse.domain}`,
    },
  ];
}

/** Rows are not labelled by groups of people: said, not guessed. */
function fairness({ worst: known }: BomAbout) {
  return {
    groupAtRisk: 'not assessed: the data do not say whom a row is from or about',
    harms: `errors may fall on some groups more than on others, which was not measured${known}`,
    mitigationStrategy: 'measure it by group before a use that concerns people',
  };
}

/** What was not measured is left out: the format has no word for it. */
function metric(type: string, { value, interval, rows }: Score, slice: string) {
  if (value === null) return [];
  const bounds = interval && {
    confidenceInterval: { lowerBound: String(interval.low), upperBound: String(interval.high) },
  };
  return [{ type, value: String(value), slice: `${slice}, ${rows} rows`, ...bounds }];
}

function baseModel({ base, baseModel: imported }: BomInput, tree: TreeManifest) {
  return {
    type: 'machine-learning-model',
    'bom-ref': 'base-model',
    name: base.source,
    version: base.revision,
    licenses: [...declared(base.licence.declared), ...concluded(base.licence)],
    components: files(tree, 'base/'),
    properties: properties({
      tree: imported.model.digest,
      parameters: imported.parameters,
      'licence-verdict': base.licence.verdict,
      'licence-policy': base.licence.policyDigest,
    }),
  };
}

function dataset({ pipeline, dataset: summary }: BomInput, tree: TreeManifest) {
  return {
    type: 'data',
    'bom-ref': 'dataset',
    name: `${pipeline.name} data`,
    version: shortDigest(summary.dataset.digest),
    licenses: declared(pipeline.data.licence),
    components: files(tree, 'dataset/'),
    data: [{ type: 'dataset', name: pipeline.data.source }],
    properties: properties({ tree: summary.dataset.digest, ...prefixed('rows', summary.rows) }),
  };
}

/** What is served of the data: embeddings, each with an id and a label. It is data under the data's own licence. */
function gallery({ pipeline }: BomInput, { index, tree, properties: said }: BomGallery) {
  return {
    type: 'data',
    'bom-ref': 'gallery',
    name: `${pipeline.name} gallery`,
    version: shortDigest(index.digest),
    description: 'Embeddings of the train split, each with the id and the label of its picture.',
    licenses: declared(pipeline.data.licence),
    components: files(tree, INDEX_FOLDER),
    data: [{ type: 'dataset', name: pipeline.data.source }],
    properties: properties({ tree: index.digest, ...said }),
  };
}

function files({ entries }: TreeManifest, folder: string) {
  return entries.map(({ path, digest }) => ({
    type: 'file',
    'bom-ref': `${folder}${path}`,
    name: `${folder}${path}`,
    hashes: [{ alg: 'SHA-256', content: hexOf(digest) }],
  }));
}

/** As its author wrote it: it may be no licence's id at all. */
function declared(name: string | null) {
  return name === null || name === '' ? [] : [{ license: { name, acknowledgement: 'declared' } }];
}

function concluded(decision: LicenceDecision) {
  const license = concludedLicence(decision);
  return license === null ? [] : [{ license: { ...license, acknowledgement: 'concluded' } }];
}

function properties(values: Readonly<Record<string, unknown>>) {
  return Object.entries(values).map(([name, value]) => ({
    name: `espalier:${name}`,
    value: typeof value === 'string' ? value : canonicalJson(value),
  }));
}

function prefixed(prefix: string, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(definedOnly(values)).map(([name, value]) => [`${prefix}:${name}`, value]));
}

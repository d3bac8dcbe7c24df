/** The bundle's small documents, each a pure function of the packaging input: same input, same bytes. */
import { stringify } from 'yaml';
import { canonicalJson } from '../../artifacts/canonical-json.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import type { TreeEntry, TreeManifest } from '../../artifacts/reference.ts';
import type { ClassifierConfig, ImageClassifierConfig, ImageEncoderConfig } from '../../inference/config.ts';
import type { PackageGeneratorInput, PackageModelInput, PackageRetrieverInput } from '../contract/deployment.ts';
import type { TrainedModel } from '../contract/training.ts';

/** Rows a batch in Triton: what our own server takes too. */
const MAX_BATCH = 32;

type Config = ClassifierConfig | ImageClassifierConfig | ImageEncoderConfig;

/** The graph's own inputs, without the batch: token ids of any number, or pixels of the one size that it was made for. */
function graphInputs(config: Config): readonly { name: string; datatype: 'INT64' | 'FP32'; shape: number[] }[] {
  if (config.input !== 'image') return config.inputs.map((name) => ({ name, datatype: 'INT64', shape: [-1] }));
  const { height, width } = config.processor.crop;
  return config.inputs.map((name) => ({ name, datatype: 'FP32', shape: [3, height, width] }));
}

/** The graph's own outputs, all of float32. */
function graphOutputs(config: Config): readonly { name: string; width: number }[] {
  const embedding = { name: 'embedding', width: config.dimension };
  if (config.kind === 'encoder') return [embedding];
  const width = config.labels.length;
  return [{ name: 'probabilities', width }, { name: 'logits', width }, embedding];
}

/** Triton's model configuration (protobuf text format); dimensions leave out the batch. */
export function tritonConfig(model: string, config: Config): string {
  const tensor = (name: string, type: string, dimensions: string, more = '') =>
    `  { name: "${name}" data_type: ${type} dims: [ ${dimensions} ]${more} }`;
  const inputs = graphInputs(config).map(({ name, datatype, shape }) =>
    tensor(name, `TYPE_${datatype}`, shape.join(', ')),
  );
  const outputs = graphOutputs(config).map(({ name, width }) =>
    tensor(name, 'TYPE_FP32', String(width), name === 'probabilities' ? ' label_filename: "labels.txt"' : ''),
  );
  return [
    `name: "${model}"`,
    'platform: "onnxruntime_onnx"',
    `max_batch_size: ${MAX_BATCH}`,
    `input [\n${inputs.join(',\n')}\n]`,
    `output [\n${outputs.join(',\n')}\n]`,
    'dynamic_batching { }',
    '',
  ].join('\n');
}

/** Triton's label file: one line a class. */
export function labelFile(labels: readonly string[]): string {
  return labels.map((label) => `${label.replaceAll(/\s+/g, ' ').trim()}\n`).join('');
}

/** MLServer's model settings, for its ONNX runtime (`mlserver-onnx`). */
export function mlserverSettings(model: string, config: Config): string {
  return pretty({
    name: model,
    implementation: 'mlserver_onnx.OnnxModel',
    platform: 'onnxruntime_onnx',
    inputs: graphInputs(config).map((input) => ({ ...input, shape: [-1, ...input.shape] })),
    outputs: graphOutputs(config).map(({ name, width }) => ({ name, datatype: 'FP32', shape: [-1, width] })),
    parameters: { uri: './1/model.onnx', version: '1' },
  });
}

/** Files that state terms, wherever in the base model they lie. */
export function isLicenceFile(path: string): boolean {
  return /(^|\/)(licen[cs]e|notice|copying|copyright|use[_-]?policy)([._-][^/]*)?$/i.test(path);
}

/** `LICENSES/README.md`: what was declared, by whom, and what was concluded; it claims nothing that nobody declared. */
export function licenceStatement(
  { base, pipeline }: Pick<PackageModelInput | PackageRetrieverInput, 'base' | 'pipeline'>,
  texts: readonly string[],
  /** Whether the weights have learnt from the data. */
  tuned = true,
  /** What the bundle has of the data besides. */
  also = tuned ? '' : 'the prompt was chosen on the data below, and may quote them',
): string {
  const { licence } = base;
  const derives = tuned
    ? `The tuned weights derive from the base model and the training data below;${also === '' ? '' : ` ${also};`} the terms of both apply.`
    : `The weights are those of the base model; ${also}. The terms of both apply.`;
  const facts = stringify({
    base_model: {
      source: base.source,
      revision: base.revision,
      declared_licence: licence.declared ?? 'none',
      spdx: licence.spdx ?? 'none',
      verdict_for_this_use: licence.verdict,
      reasons: licence.reasons,
      policy: licence.policyDigest,
      texts: texts.length === 0 ? 'the source ships no licence text' : texts,
    },
    [tuned ? 'training_data' : 'data']: { source: pipeline.data.source, declared_licence: pipeline.data.licence },
    intended_use: pipeline.intendedUse,
  });
  // Users' text stays inside an indented block: it cannot become markup.
  return `# Licences\n\n${derives}\n\n${facts
    .trimEnd()
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')}\n`;
}

/** `provenance.json`: from the definition to the served bytes, every link by digest. No times, no run: those are in the release record. */
export function provenance(
  { model, pipeline, definition, classifier, trained, dataset, evaluation, gates, base, baseModel }: PackageModelInput,
  trees: { readonly dataset: TreeManifest; readonly classifier: TreeManifest },
): string {
  return pretty({
    ...provenanceLinks({ model, pipeline, definition, dataset, evaluation, gates, base, baseModel }, trees.dataset),
    ...trainingLinks(pipeline, trained),
    classifier: { tree: classifier.digest, files: filesOf(trees.classifier) },
  });
}

type Links = Pick<
  PackageModelInput | PackageGeneratorInput | PackageRetrieverInput,
  'model' | 'pipeline' | 'definition' | 'dataset' | 'evaluation' | 'gates' | 'base' | 'baseModel'
>;

/** What every model's provenance names: the definition, the data, the base, and what was measured. */
export function provenanceLinks(
  { model, pipeline, definition, dataset, evaluation, gates, base, baseModel }: Links,
  datasetTree: TreeManifest,
): Record<string, unknown> {
  return {
    version: 1,
    model,
    pipeline: { name: pipeline.name, definition: definition.digest, task: pipeline.task },
    dataset: {
      digest: dataset.dataset.digest,
      files: filesOf(datasetTree),
      source: pipeline.data.source,
      licence: pipeline.data.licence,
      ...definedOnly({
        legalBasis: pipeline.data.legalBasis,
        consent: pipeline.data.consent,
        retention: pipeline.data.retention,
        described: dataset.described,
        personalData: dataset.personalData,
        contamination: dataset.contamination,
      }),
      rows: dataset.rows,
      dropped: dataset.dropped,
    },
    base: {
      candidate: base.candidateId,
      source: base.source,
      revision: base.revision,
      licence: base.licence,
      tree: baseModel.model.digest,
      quarantined: baseModel.quarantined,
      ...definedOnly({ converted: baseModel.converted }),
    },
    evaluation: {
      details: evaluation.details.digest,
      reference: evaluation.reference.digest,
      measures: evaluation.measures,
    },
    gates,
  };
}

/** Of a model that was tuned. */
export function trainingLinks(
  { training }: { readonly training: object | null },
  trained: TrainedModel,
): Record<string, unknown> {
  const { environment, steps, bestEpoch, model, history } = trained;
  return {
    training: { spec: training, environment, steps, bestEpoch },
    trained: { tree: model.digest, history: history.digest },
  };
}

export function filesOf({ entries }: TreeManifest): readonly Pick<TreeEntry, 'path' | 'digest' | 'size'>[] {
  return entries.map(({ path, digest, size }) => ({ path, digest, size }));
}

/** Canonical order, readable lines. */
export function pretty(value: unknown): string {
  return `${JSON.stringify(JSON.parse(canonicalJson(value)), null, 2)}\n`;
}

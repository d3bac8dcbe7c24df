/** What packaging takes, for a tiny real classifier in a real store. */
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { PackageModelInput } from '../../activities/contract/deployment.ts';
import type { Score } from '../../activities/contract/measures.ts';
import type { ActivityServices } from '../../activities/step.ts';
import type { ReferenceStatistics } from '../../artifacts/bundle.ts';
import type { ClassifierConfig, ImageClassifierConfig } from '../../inference/config.ts';
import type { ModelOutput } from '../../inference/graph-model.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { TextModel } from '../../inference/text-model.ts';
import { codePoints, textInput, type TextInput } from '../../inference/texts.ts';
import { TextClassificationSchema, type GateName, type TextClassification } from '../../pipelines/definition.ts';
import { TEST_KEY } from './signing.ts';
import { withStore, type TestStore } from './store.ts';
import { COLOURS, picture } from './tiny-pictures.ts';
import { writeTinyOnnx } from './tiny-onnx.ts';

export const MODEL = 'tiny-parity';
export const TEXTS = Array.from(
  { length: 24 },
  (_, row) => `a message about number ${row}${' and so on'.repeat(row % 4)}`,
);

let exported: Promise<string> | undefined;
/** The tiny classifier's folder, exported once a process. Do not write to it. */
export function tinyClassifier(): Promise<string> {
  exported ??= mkdtemp(join(tmpdir(), 'espalier-test-classifier-')).then(async (folder) => {
    await writeTinyOnnx(join(folder, 'model'), 'classifier');
    return join(folder, 'model');
  });
  return exported;
}

export async function withServices(): Promise<TestStore & ActivityServices> {
  return {
    ...(await withStore()),
    python: { executable: 'python', packages: 'none' },
    signer: TEST_KEY.signer,
    trusted: TEST_KEY.trusted,
  };
}

export function testPipeline(
  more: { readonly description?: string; readonly recordText?: boolean } = {},
): TextClassification {
  return TextClassificationSchema.parse({
    name: 'parity',
    description: more.description ?? 'Even or odd.',
    task: 'text-classification',
    data: { files: ['data.csv'], text: 'text', label: 'label', licence: 'CC0-1.0', source: 'written for the tests' },
    intendedUse: { commercial: true, domain: 'tests' },
    candidates: [{ id: 'tiny', model: './tiny' }],
    training: { epochs: 4, batchSize: 16, learningRate: 5e-5 },
    approvals: { review: { seats: [{ role: 'legal' }] }, release: { seats: [{ role: 'product-owner' }] } },
    deploy: { model: MODEL, recordText: more.recordText ?? false },
  });
}

/** The second text of a pair. */
export function secondOf(text: string): string {
  return `is it ${text.length}`;
}

export interface BundleOptions {
  /** Another exported classifier's folder, of texts or of the pictures of `testPictures`; the tiny one's when left out. */
  readonly folder?: string;
  readonly labels?: readonly string[];
  /** A model of pairs: each of `TEXTS` beside the one that `secondOf` gives. */
  readonly pairs?: boolean;
  /** A model of several labels a row: from which probability on each applies. */
  readonly thresholds?: readonly number[];
  readonly pipeline?: PackageModelInput['pipeline'];
  readonly base?: Partial<PackageModelInput['base']>;
  readonly baseFiles?: Readonly<Record<string, string>>;
  readonly card?: string | null;
}

/** Everything packaging takes, stored; the reference is what the model really answers to `TEXTS`. */
export async function packageInput(
  services: ActivityServices,
  options: BundleOptions = {},
): Promise<PackageModelInput> {
  const { store } = services;
  const pipeline = options.pipeline ?? testPipeline();
  const folder = options.folder ?? (await tinyClassifier());
  const config = JSON.parse(await readFile(join(folder, 'classifier.json'), 'utf8')) as
    | ClassifierConfig
    | ImageClassifierConfig;
  const labels = options.labels ?? config.labels;
  const tree = async (name: string, files: Readonly<Record<string, string | Uint8Array>>) =>
    store.putManifest(
      await Promise.all(
        Object.entries(files).map(async ([path, bytes]) => ({
          path,
          ref: await store.putBytes(bytes, { name: path, mediaType: 'application/octet-stream' }),
        })),
      ),
      name,
    );
  const pictures = config.input === 'image' ? await testPictures() : undefined;
  const classifier = await tree('classifier', {
    'model.onnx': await readFile(join(folder, 'model.onnx')),
    ...(pictures === undefined ? { 'tokenizer.json': await readFile(join(folder, 'tokenizer.json')) } : {}),
    'classifier.json': JSON.stringify({
      ...config,
      labels,
      ...(options.pairs === true ? { pairs: true } : {}),
      ...(options.thresholds === undefined ? {} : { thresholds: options.thresholds }),
    }),
  });
  const pairOf = (text: string) => (options.pairs === true ? secondOf(text) : undefined);
  const inputs = TEXTS.map((text) => textInput(text, pairOf(text)));
  const output = pictures === undefined ? await answersTo(inputs, folder) : await picturesAnswered(pictures, folder);
  const statistics: ReferenceStatistics = {
    version: 1,
    rows: TEXTS.length,
    dimension: config.dimension,
    labels,
    ...(options.thresholds === undefined ? {} : { thresholds: options.thresholds }),
    embeddings: 'embeddings.f32',
    probabilities: 'probabilities.f32',
    textLengths: inputs.map((input) => (pictures === undefined ? codePoints(input) : 0)),
  };
  const reference = await tree('reference', {
    'reference.json': JSON.stringify(statistics),
    'embeddings.f32': bytesOf(output.embeddings),
    'probabilities.f32': bytesOf(output.probabilities ?? new Float32Array()),
  });
  const rows = TEXTS.map(
    (text, row) => `${JSON.stringify({ id: String(row), text, pair: pairOf(text), label: labels[row % 2] })}\n`,
  ).join('');
  const dataset = await tree(
    'dataset',
    pictures === undefined
      ? { 'train.jsonl': rows, 'validation.jsonl': rows, 'test.jsonl': rows }
      : await pictureSplits(pictures, labels),
  );
  const card = options.card === undefined ? '---\nlicense: apache-2.0\nlanguage: en\n---\n# Tiny\n' : options.card;
  const bytes = await store.putBytes('{}', { name: 'file', mediaType: 'application/json' });
  const digest = bytes.digest;
  const score = (value: number | null): Score => ({
    value,
    interval: value === null ? null : { low: value - 0.05, high: value + 0.05, confidence: 0.95 },
    rows: TEXTS.length,
  });
  const gateNames = Object.keys(pipeline.gates) as GateName[];
  const measures = Object.fromEntries(gateNames.map((name) => [name, score(0.9)])) as Record<GateName, Score>;
  return {
    model: pipeline.deploy.model,
    pipeline,
    definition: await store.putJson(pipeline, 'pipeline'),
    classifier,
    trained: {
      model: await tree('trained', { 'config.json': '{}' }),
      history: bytes,
      log: bytes,
      steps: 12,
      bestEpoch: 2,
      trainLoss: 0.1,
      validationLoss: 0.2,
      validationAccuracy: 0.9,
      trainAccuracy: 0.95,
      resumedAtSteps: [],
      environment: { device: 'cpu', threads: 1, versions: { torch: '2.0' } },
    },
    dataset: {
      dataset,
      labels,
      rows: { train: 24, validation: 24, test: 24 },
      labelCounts: Object.fromEntries(labels.map((label) => [label, { train: 12, validation: 12, test: 12 }])),
      dropped: {},
      findings: [],
      findingsFile: bytes,
    },
    evaluation: {
      measures,
      baselineAccuracy: score(0.8),
      trainAccuracy: score(0.95),
      validationAccuracy: score(0.9),
      perLabel: labels.map((label) => ({ label, precision: 0.9, recall: null, f1: 0.9, support: 12 })),
      confusion: [
        [11, 1],
        [1, 11],
      ],
      latency: { p50Ms: 1.25, p95Ms: 2.5, meanMs: 1.5, runs: 100, warmupRuns: 10, waitedShare: 0 },
      hardware: { cpu: 'test | cpu', cores: 2, arch: 'x64', runtime: 'onnxruntime-node' },
      edgeInputs: [{ name: 'empty', ok: true, detail: 'answered' }],
      mistakes: [],
      details: bytes,
      reference,
    },
    gates: {
      verdict: 'pass',
      gates: gateNames.map((name) => ({
        name,
        verdict: 'pass',
        measured: 0.85,
        score: measures[name],
        threshold: 0.8,
        direction: 'min',
        reason: 'enough',
      })),
    },
    base: {
      candidateId: 'tiny',
      source: 'hf:someone/tiny@0123456789abcdef0123456789abcdef01234567',
      revision: '0123456789abcdef0123456789abcdef01234567',
      card: card === null ? null : await store.putBytes(card, { name: 'README.md', mediaType: 'text/markdown' }),
      licence: {
        verdict: 'allow',
        declared: 'apache-2.0',
        spdx: 'Apache-2.0',
        reasons: ['permissive'],
        howToFix: [],
        policyDigest: digest,
      },
      tree: null,
      sizeBytes: null,
      ...options.base,
    },
    baseModel: {
      model: await tree('base', { 'config.json': '{}', ...(options.baseFiles ?? { LICENSE: 'Apache License 2.0 …' }) }),
      quarantined: [{ path: 'pytorch_model.bin', reason: 'pickle' }],
      parameters: 1000,
      weightsBytes: 4000,
    },
  };
}

/** As many as `TEXTS`, red, green and blue by turns, of several formats. */
export function testPictures(): Promise<readonly Buffer[]> {
  const formats = ['png', 'jpeg', 'webp'] as const;
  return Promise.all(
    TEXTS.map((_, row) =>
      picture(COLOURS[row % 3] ?? 'red', { shade: row, format: formats[Math.floor(row / 3) % 3] ?? 'png' }),
    ),
  );
}

async function answersTo(texts: readonly TextInput[], folder: string): Promise<ModelOutput> {
  const model = await TextModel.load(folder);
  const output = await model.runAll(texts);
  await model.release();
  return output;
}

async function picturesAnswered(pictures: readonly Uint8Array[], folder: string): Promise<ModelOutput> {
  const model = await ImageModel.load(folder);
  const output = await model.runAll(pictures);
  await model.release();
  return output;
}

/** A prepared dataset whose splits all have these pictures. */
async function pictureSplits(
  pictures: readonly Buffer[],
  labels: readonly string[],
): Promise<Record<string, string | Uint8Array>> {
  const files: Record<string, string | Uint8Array> = {};
  for (const split of ['train', 'validation', 'test']) {
    const archive = pack();
    const name = (row: number): string => `${split}/${String(row).padStart(16, '0')}.png`;
    for (const [row, bytes] of pictures.entries()) archive.entry({ name: name(row) }, bytes);
    archive.finalize();
    files[`${split}.tar`] = await buffer(archive);
    files[`${split}.jsonl`] = pictures
      .map((_, row) => `${JSON.stringify({ id: String(row), image: name(row), label: labels[row % 3] })}\n`)
      .join('');
  }
  return files;
}

function bytesOf(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

import { deepEqual, doesNotMatch, equal, match, ok, rejects } from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { parse } from 'yaml';
import type { PackageModelInput } from '../../activities/contract/deployment.ts';
import { packageModel } from '../../activities/deployment/package-model.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { entryRef, type ArtifactRef } from '../../artifacts/reference.ts';
import { TrainingSchema } from '../../pipelines/definition/training.ts';
import { DOSSIER_FIELD_IDS } from '../../pipelines/dossier/fields.ts';
import { MODEL, packageInput, testPipeline, withServices, type BundleOptions } from '../support/bundle.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { tinyPictureClassifier } from '../support/tiny-pictures.ts';

describe('packaging a model', () => {
  let services: ActivityServices;
  before(async () => {
    services = await withServices();
  });

  async function packaged(options: BundleOptions = {}): Promise<{
    readonly bundle: ArtifactRef;
    readonly paths: readonly string[];
    readonly text: (path: string) => Promise<string>;
  }> {
    const { bundle } = await runStep(packageModel, await packageInput(services, options), services);
    const { entries } = await services.store.tree(bundle);
    return {
      bundle,
      paths: entries.map(({ path }) => path),
      text: async (path) => {
        const entry = entries.find((file) => file.path === path);
        ok(entry, `${path} is in the bundle`);
        return (await services.store.getBytes(entry.digest)).toString('utf8');
      },
    };
  }
  const frontMatter = (card: string) =>
    parse(/^---\n([\s\S]*?)\n---\n/.exec(card)?.[1] ?? '') as Record<string, unknown>;

  it('makes the model repository, the papers and the reference, and the same bytes again', async () => {
    const first = await packaged();
    deepEqual(first.paths, [
      'DOSSIER.md',
      'LICENSES/BASE_MODEL_CARD.md',
      'LICENSES/README.md',
      'LICENSES/base/LICENSE',
      'LICENSES/terms.json',
      'MODEL_CARD.md',
      'NOTICE',
      'TERMS.md',
      'bom.cdx.json',
      'provenance.json',
      'reference/embeddings.f32',
      'reference/probabilities.f32',
      'reference/reference.json',
      `${MODEL}/1/classifier.json`,
      `${MODEL}/1/model.onnx`,
      `${MODEL}/1/tokenizer.json`,
      `${MODEL}/config.pbtxt`,
      `${MODEL}/labels.txt`,
      `${MODEL}/model-settings.json`,
    ]);
    equal((await packaged()).bundle.digest, first.bundle.digest);
  });

  it('says of a model of several labels a text from which probability on each applies', async () => {
    const given = await packageInput(services, { thresholds: [0.41, 0.62] });
    const score = { value: 0.75, interval: null, rows: 24 };
    const severalLabels = {
      microF1: score,
      meanAveragePrecision: score,
      subsetAccuracy: score,
      labelsPerRow: { given: 1.2, predicted: 1.3 },
    };
    const perLabel = given.evaluation.perLabel.map((one, label) => ({
      ...one,
      ...(label === 0 ? { threshold: 0.41 } : { threshold: 0.5, unfitted: true as const }),
      averagePrecision: 0.9,
    }));
    const input = { ...given, evaluation: { ...given.evaluation, severalLabels, perLabel } };
    const { bundle } = await runStep(packageModel, input, services);
    const text = async (path: string) =>
      readFile(await services.store.fileInTree(bundle, path, new AbortController().signal), 'utf8');
    const card = await text('MODEL_CARD.md');
    match(card, /A text has none, one or several labels: each by itself, from its threshold on/);
    match(card, /\| Label \| Precision \| Recall \| F1 \| Rows \| Applies from \| Average precision \|/);
    match(card, /\| 0\.41 \| 0\.9 \|/);
    match(card, /\| 0\.5 \(not fitted\) \| 0\.9 \|/);
    match(await text('bom.cdx.json'), /a probability for each label by itself/);
    match(await text(`${MODEL}/1/classifier.json`), /"thresholds":\[0\.41,0\.62\]/);
  });

  it('is the same whatever the order in which the settings were written', async () => {
    const input = await packageInput(services);
    const reversed = (value: unknown): unknown =>
      typeof value !== 'object' || value === null || Array.isArray(value)
        ? value
        : Object.fromEntries(
            Object.entries(value)
              .toReversed()
              .map(([name, part]) => [name, reversed(part)]),
          );
    const { bundle } = await runStep(packageModel, input, services);
    const again = await runStep(packageModel, reversed(input) as PackageModelInput, services);
    equal(again.bundle.digest, bundle.digest);
  });

  it('describes the graph to Triton and to MLServer', async () => {
    const { text } = await packaged({ labels: ['yes "sure"', 'no\nway'] });
    const pbtxt = await text(`${MODEL}/config.pbtxt`);
    match(pbtxt, /^name: "tiny-parity"$/m);
    match(pbtxt, /^platform: "onnxruntime_onnx"$/m);
    match(pbtxt, /name: "input_ids" data_type: TYPE_INT64 dims: \[ -1 \]/);
    match(pbtxt, /name: "probabilities" data_type: TYPE_FP32 dims: \[ 2 \] label_filename: "labels.txt"/);
    match(pbtxt, /name: "embedding" data_type: TYPE_FP32 dims: \[ 3 \]/);
    equal(await text(`${MODEL}/labels.txt`), 'yes "sure"\nno way\n');
    const settings = JSON.parse(await text(`${MODEL}/model-settings.json`)) as Record<string, unknown>;
    equal(settings['name'], MODEL);
    deepEqual(settings['parameters'], { uri: './1/model.onnx', version: '1' });
  });

  it('writes a model card whose front matter the Hub can read', async () => {
    const card = await (await packaged()).text('MODEL_CARD.md');
    const front = frontMatter(card);
    equal(front['license'], 'apache-2.0');
    equal(front['base_model'], 'someone/tiny');
    equal(front['language'], 'en');
    equal(front['pipeline_tag'], 'text-classification');
    const [index] = front['model-index'] as {
      results: { metrics: { type: string; name: string; value: number }[] }[];
    }[];
    deepEqual(index?.results[0]?.metrics[0], {
      type: 'accuracy',
      name: 'Accuracy (95 % interval 0.85 to 0.95)',
      value: 0.9,
    });
    match(card, /\| accuracy \| 0\.9 \(95 % interval 0\.85 to 0\.95\) \| at least 0\.8 \| pass \|/);
    match(card, /\| even \| 0\.9 \| not measured \| 0\.9 \| 12 \|/);
  });

  it('writes a model card that huggingface_hub reads: licence, base, data and results', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'espalier-card-'));
    try {
      await writeFile(join(folder, 'README.md'), await (await packaged()).text('MODEL_CARD.md'));
      const program = [
        'import json, sys',
        'from huggingface_hub import ModelCard',
        'data = ModelCard.load(sys.argv[1], ignore_metadata_errors=False).data',
        'results = [[r.task_type, r.dataset_type, r.metric_type, r.metric_value] for r in data.eval_results]',
        'print(json.dumps([data.license, data.base_model, data.datasets, data.model_name, results]))',
      ].join('\n');
      const { stdout } = await promisify(execFile)(pythonForTests().executable, [
        '-c',
        program,
        join(folder, 'README.md'),
      ]);
      deepEqual(JSON.parse(stdout), [
        'apache-2.0',
        'someone/tiny',
        ['parity'],
        MODEL,
        [
          ['text-classification', 'parity', 'accuracy', 0.9],
          ['text-classification', 'parity', 'f1', 0.9],
        ],
      ]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('names data by their id where they are from the Hub, and the licence that was concluded', async () => {
    const pipeline = testPipeline();
    const data = { ...pipeline.data, source: 'hf:org/messages@1234' };
    const concludedOther = {
      verdict: 'review',
      declared: 'mit',
      spdx: 'MIT',
      concluded: 'llama3.1',
      reasons: [],
      howToFix: [],
      policyDigest: `sha256:${'0'.repeat(64)}`,
    } as const;
    const { text } = await packaged({ pipeline: { ...pipeline, data }, base: { licence: concludedOther } });
    const front = frontMatter(await text('MODEL_CARD.md'));
    deepEqual(front['datasets'], ['org/messages']);
    deepEqual([front['license'], front['license_name']], ['other', 'llama3.1']);
  });

  it('says where the settings that were left open come from a search, and which rows judged it', async () => {
    const pipeline = testPipeline();
    const training = TrainingSchema.parse({ ...pipeline.training, search: { trials: 5 } });
    const { text } = await packaged({ pipeline: { ...pipeline, training } });
    match(await text('MODEL_CARD.md'), /were searched in up to 5 trials, judged on the validation split/);
    doesNotMatch(await (await packaged()).text('MODEL_CARD.md'), /searched/);
  });

  it('claims no licence where none is declared', async () => {
    const policyDigest = `sha256:${'0'.repeat(64)}` as const;
    const licence = { verdict: 'review', declared: null, spdx: null, reasons: [], howToFix: [], policyDigest } as const;
    const { paths, text } = await packaged({ base: { licence }, baseFiles: {}, card: null });
    const front = frontMatter(await text('MODEL_CARD.md'));
    deepEqual([front['license'], front['license_name'], front['language']], ['other', 'unknown', undefined]);
    match(await text('LICENSES/README.md'), /declared_licence: none\n[\s\S]*the source ships no licence text/);
    deepEqual(
      paths.filter((path) => path.startsWith('LICENSES/')),
      ['LICENSES/README.md', 'LICENSES/terms.json'],
    );
  });

  it('lets no text of a user or of a downloaded card become markup, metadata or a row', async () => {
    const pipeline = testPipeline({ description: '<script>alert(1)</script>\n---\nlicense: mit\n| [x](http://x) |' });
    const hostileCard = '---\nlanguage: ["en", "x\\nlicense: mit", 7]\n---\n';
    const { text } = await packaged({ pipeline, labels: ['a | b', '<img src=x>'], card: hostileCard });
    const card = await text('MODEL_CARD.md');
    const front = frontMatter(card);
    deepEqual([front['license'], front['language']], ['apache-2.0', 'en']);
    doesNotMatch(card, /(?<!\\)<(script|img)/);
    match(card, /\| a \\\| b \| 0\.9 \|/);
    match(card, /\| \\<img src=x\\> \| 0\.9 \|/);
  });

  it('records the whole lineage by digest', async () => {
    const input = await packageInput(services);
    const { bundle } = await runStep(packageModel, input, services);
    const file = await services.store.fileInTree(bundle, 'provenance.json');
    const record = JSON.parse(await readFile(file, 'utf8')) as Record<string, never>;
    const path = (...keys: string[]) => keys.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], record);
    equal(path('pipeline', 'definition'), input.definition.digest);
    equal(path('dataset', 'digest'), input.dataset.dataset.digest);
    deepEqual(
      (path('dataset', 'files') as { path: string }[]).map(({ path: name }) => name),
      ['test.jsonl', 'train.jsonl', 'validation.jsonl'],
    );
    equal(path('base', 'revision'), input.base.revision);
    equal(path('base', 'tree'), input.baseModel.model.digest);
    equal(path('trained', 'tree'), input.trained.model.digest);
    equal(path('classifier', 'tree'), input.classifier.digest);
    equal(path('training', 'spec', 'seed'), 7);
    equal(path('gates', 'verdict'), 'pass');
  });

  describe('with a dossier', () => {
    const yaml = (ids: readonly string[]) =>
      `version: 1\nanswers:\n${ids.map((id) => `  ${id}: { text: said by us, by: Dana, at: 2026-11-01 }\n`).join('')}`;
    const withAnswers = async (ids: readonly string[], requireDossier: boolean): Promise<PackageModelInput> => {
      const { data, ...pipeline } = testPipeline();
      const stated = { ...data, legalBasis: 'contract' as const, retention: 'a year, then deleted' };
      const input = await packageInput(services, {
        pipeline: { ...pipeline, data: stated, review: { requireDossier } },
      });
      const dossier = await services.store.putBytes(yaml(ids), { name: 'd.yaml', mediaType: 'application/yaml' });
      const privacy = { rowsScanned: 6, counts: {}, samples: [] };
      const selection = { winner: input.base.candidateId, ranking: [], rule: 'the fastest' };
      return { ...input, dossier, privacy, selection };
    };
    const textOf = async (input: PackageModelInput, path: string): Promise<string> => {
      const { bundle } = await runStep(packageModel, input, services);
      return readFile(await services.store.fileInTree(bundle, path), 'utf8');
    };

    it('carries it, and the record of where the data come from', async () => {
      const input = await withAnswers(['ai-5'], false);
      const dossier = await textOf(input, 'DOSSIER.md');
      match(dossier, /said by us\n\nDana, 2026-11-01/);
      match(dossier, /Legal basis of the training data\n\n- contract\n/);
      match(dossier, /\n- a year, then deleted\n/);
      equal(await textOf(input, 'DOSSIER.md'), dossier);
      const { dataset } = JSON.parse(await textOf(input, 'provenance.json')) as { dataset: Record<string, unknown> };
      deepEqual([dataset['legalBasis'], dataset['retention']], ['contract', 'a year, then deleted']);
      match(await textOf(input, 'MODEL_CARD.md'), /Legal basis: contract; retention: a year, then deleted/);
    });

    it('refuses to package while a field is open that must not be', async () => {
      await rejects(runStep(packageModel, await withAnswers(['ai-5'], true), services), {
        kind: 'BadConfig',
        message: /must be complete before a release, and \d+ fields are open: gdpr-35-3 /,
      });
      match(await textOf(await withAnswers(DOSSIER_FIELD_IDS, true), 'DOSSIER.md'), /0 of 38 fields open\./);
    });
  });

  it('makes the same of a classifier of pictures: no tokenizer, and papers that speak of pictures', async () => {
    const folder = await tinyPictureClassifier();
    const { paths, text } = await packaged({ folder });
    deepEqual(
      paths.filter((path) => path.startsWith(`${MODEL}/`)),
      [
        `${MODEL}/1/classifier.json`,
        `${MODEL}/1/model.onnx`,
        `${MODEL}/config.pbtxt`,
        `${MODEL}/labels.txt`,
        `${MODEL}/model-settings.json`,
      ],
    );
    match(await text(`${MODEL}/config.pbtxt`), /name: "pixel_values" data_type: TYPE_FP32 dims: \[ 3, 8, 8 \]/);
    const settings = JSON.parse(await text(`${MODEL}/model-settings.json`)) as { inputs: unknown };
    deepEqual(settings.inputs, [{ name: 'pixel_values', datatype: 'FP32', shape: [-1, 3, 8, 8] }]);
    const card = await text('MODEL_CARD.md');
    equal(frontMatter(card)['pipeline_tag'], 'image-classification');
    match(card, /One picture: p50/);
    const bom = await text('bom.cdx.json');
    match(bom, /"format": "image"/);
    match(bom, /Personal data among the pictures that it learnt/);
    doesNotMatch(bom, /transformer encoder/);
  });

  it('refuses a classifier of texts without its tokenizer', async () => {
    const input = await packageInput(services);
    const { entries } = await services.store.tree(input.classifier);
    const kept = entries.filter(({ path }) => path !== 'tokenizer.json');
    const classifier = await services.store.putManifest(
      kept.map((entry) => ({ path: entry.path, ref: entryRef(entry) })),
      'classifier',
    );
    await rejects(runStep(packageModel, { ...input, classifier }, services), {
      kind: 'BadModel',
      message: /takes texts and lacks tokenizer\.json/,
    });
  });

  it('refuses a classifier without its graph', async () => {
    const input = await packageInput(services);
    await rejects(runStep(packageModel, { ...input, classifier: input.trained.model }, services), {
      kind: 'BadModel',
      message: /lacks model\.onnx, classifier\.json/,
    });
  });
});

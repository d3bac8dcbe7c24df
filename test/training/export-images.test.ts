import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import tar from 'tar-stream';
import type { ExportedEncoder } from '../../activities/contract/selection.ts';
import type { ActivityServices } from '../../activities/step.ts';
import { rowsInMemory } from '../../activities/selection/embedded-rows.ts';
import type { LabelledEmbeddings } from '../../activities/selection/knn.ts';
import { exportClassifier } from '../../activities/training/export-classifier.ts';
import { exportEncoder } from '../../activities/training/export-encoder.ts';
import { fitHead } from '../../activities/training/frozen-head.ts';
import { writeHeadFolder } from '../../activities/training/head-folder.ts';
import { argmaxRows, countCorrect } from '../../activities/validation/metrics.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { IMAGE_FAMILIES } from '../../pipelines/families.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { pythonForTests } from '../support/python.ts';
import { runStep } from '../support/step.ts';
import { withStore, type TestStore } from '../support/store.ts';
import { PICTURE_LABELS, tinyImages } from '../support/tiny-image.ts';
import { runTasks, temporaryFolder, trainTask } from './fixtures.ts';

describe('the export steps of image models', function () {
  this.timeout(240_000);
  let storage: TestStore;
  let services: ActivityServices;
  const encode = (model: ArtifactRef, frozen: boolean): Promise<ExportedEncoder> =>
    runStep(exportEncoder, { task: 'image-classification', model, frozen }, services);
  const put = (folder: string): Promise<ArtifactRef> => storage.store.putTree(folder, basename(folder));
  async function checkout(tree: ArtifactRef): Promise<string> {
    const folder = join(await temporaryFolder(), 'checked-out');
    await storage.store.checkout(tree, folder);
    return folder;
  }

  before(async () => {
    storage = await withStore();
    services = { store: storage.store, pointers: storage.pointers, python: pythonForTests() };
  });
  after(() => storage.close());

  it('give an encoder that decodes, prepares and answers in Node as Pillow and PyTorch did, and the same bytes again', async () => {
    const model = await put((await tinyImages()).model);
    const [encoder, again] = [await encode(model, false), await encode(model, false)];
    assert.ok(encoder.parityMaxAbs < 1e-4, `differs by ${encoder.parityMaxAbs}`);
    assert.deepEqual([encoder.backbone, encoder.dimension, encoder.layers], ['transformers', 16, 2]);
    assert.ok(encoder.modelType !== undefined && (IMAGE_FAMILIES as readonly string[]).includes(encoder.modelType));
    assert.deepEqual([again.encoder.digest, again.weights.digest], [encoder.encoder.digest, encoder.weights.digest]);
    const trainable = await storage.store.tree(encoder.weights);
    assert.deepEqual(
      trainable.entries.map(({ path }) => path),
      ['config.json', 'model.safetensors', 'preprocessor_config.json'],
    );
  });

  it('give a classifier of what was trained, with probabilities as PyTorch had them', async () => {
    const [{ model, data }, folder] = [await tinyImages(), await temporaryFolder()];
    const {
      labels: _,
      pooling: __,
      maxLength: ___,
      task: ____,
      ...common
    } = await trainTask(folder, { method: 'full', epochs: 1 });
    const rows = { train: join(data, 'train.jsonl'), validation: join(data, 'validation.jsonl') };
    await runTasks([
      { ...common, ...rows, task: 'image-classification', model, labels: PICTURE_LABELS, augmentation: null },
    ]);
    const trained = await put(join(common.out, 'model'));
    const { classifier, parityMaxAbs } = await runStep(
      exportClassifier,
      { task: 'image-classification', model: trained },
      services,
    );
    assert.ok(parityMaxAbs < 1e-4, `differs by ${parityMaxAbs}`);
    const loaded = await ImageModel.load(await checkout(classifier));
    try {
      assert.ok(loaded.config.kind === 'classifier');
      assert.deepEqual(loaded.config.labels, PICTURE_LABELS);
      const { probabilities } = await loaded.run([await readFile(join(data, 'files', 'train-0.jpg'))]);
      assert.ok(Math.abs((probabilities ?? new Float32Array()).reduce((sum, value) => sum + value, 0) - 1) < 1e-5);
    } finally {
      await loaded.release();
    }
  });

  describe('of real backbones [real-data]', () => {
    const data = process.env['ESPALIER_TEST_DATA'];
    before(function () {
      if (data === undefined) this.skip();
    });

    it('put a head that was trained on real pictures behind a graph that came as ONNX', async () => {
      const model = await put(join(data ?? '', 'models', 'akamaster', 'resnet20-cifar10'));
      await assert.rejects(encode(model, false), { name: 'BadModel', message: /no architecture of ours fits/ });
      const encoder = await encode(model, true);
      assert.ok(encoder.parityMaxAbs < 1e-5, `differs by ${encoder.parityMaxAbs}`);
      assert.deepEqual([encoder.backbone, encoder.modelType, encoder.dimension], ['onnx', undefined, 64]);

      const cifar = join(data ?? '', 'datasets', 'cifar10-jpeg');
      const backbone = await checkout(encoder.weights);
      const known = await embed(backbone, await pictures(join(cifar, 'train.tar'), 10));
      const asked = await embed(backbone, await pictures(join(cifar, 'train.tar'), 20, 1));
      const { head } = await fitHead(rowsInMemory(known, 64), rowsInMemory(asked, 64), {
        dimension: 64,
        classes: LABELS.length,
        seed: 7,
      });
      const folder = join(await temporaryFolder(), 'trained');
      await writeHeadFolder(backbone, LABELS, head, folder);
      const input = { task: 'image-classification', model: await put(folder) } as const;
      const [made, again] = [
        await runStep(exportClassifier, input, services),
        await runStep(exportClassifier, input, services),
      ];
      assert.equal(again.classifier.digest, made.classifier.digest);
      assert.ok(made.parityMaxAbs < 1e-5, `differs by ${made.parityMaxAbs}`);
      assert.equal(made.temperature, head.temperature);

      const test = await pictures(join(cifar, 'test.tar'), 5);
      const classifier = await ImageModel.load(await checkout(made.classifier));
      const { probabilities = new Float32Array() } = await classifier.runAll(test.files);
      await classifier.release();
      const accuracy = countCorrect(test.classes, argmaxRows(probabilities, LABELS.length)) / test.files.length;
      assert.ok(accuracy > 0.7, `${accuracy} of the test pictures are right`);
    });

    for (const [name, kind, dimension] of [
      ['google/mobilenet_v2_1.0_224-dequant', 'transformers', 1280],
      ['onnx-zoo/squeezenet1.1', 'onnx', 512],
      ['onnx-zoo/resnet50v2-trunk-stage3', 'onnx', 1024],
    ] as const) {
      it(`say in Node what they said before: ${name}`, async () => {
        const encoder = await encode(await put(join(data ?? '', 'models', name)), true);
        assert.deepEqual([encoder.backbone, encoder.dimension], [kind, dimension]);
        assert.ok(encoder.parityMaxAbs < 1e-3, `differs by ${encoder.parityMaxAbs}`);
      });
    }
  });
});

const LABELS = ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'];

interface Pictures {
  readonly files: readonly Buffer[];
  readonly classes: Int32Array;
}

/** Every `step`th picture, from `first` on, of a tar whose folders are labels. */
async function pictures(path: string, step: number, first = 0): Promise<Pictures> {
  const extract = createReadStream(path).pipe(tar.extract());
  const [files, classes]: [Buffer[], number[]] = [[], []];
  let seen = 0;
  for await (const entry of extract) {
    const label = entry.header.name.split('/').find((part) => LABELS.includes(part));
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    if (entry.header.type !== 'file' || label === undefined || seen++ % step !== first) continue;
    files.push(Buffer.concat(chunks));
    classes.push(LABELS.indexOf(label));
  }
  return { files, classes: Int32Array.from(classes) };
}

async function embed(folder: string, { files, classes }: Pictures): Promise<LabelledEmbeddings> {
  const model = await ImageModel.load(folder);
  try {
    return { embeddings: (await model.runAll(files)).embeddings, classes };
  } finally {
    await model.release();
  }
}

/** A tuned model of pictures, asked all that the evaluation needs. Pictures are streamed: a batch of them is in memory. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { ImageModel } from '../../inference/image-model.ts';
import type { Split } from '../contract/data.ts';
import type { EvaluateModelInput } from '../contract/validation.ts';
import { loadPictureRows } from '../data/images/pictures.ts';
import { classOf, embedPictures } from '../selection/embed-pictures.ts';
import { measureModel, samplePictures } from '../selection/profile-encoder.ts';
import type { StepContext } from '../step.ts';
import { checkout, predictBaseline } from './baseline.ts';
import { SPLIT_ROWS, type Answers, type Examined } from './examined.ts';
import { argmaxRows } from './metrics.ts';
import { checkEdgePictures, measurePictureFlips } from './picture-behaviour.ts';
import { measureCorruption } from './picture-robustness.ts';
import { sampleIndices, seededRandom } from './random.ts';

/** Test pictures that are edited for the flip rate, and whose latency is measured: a ResNet-50 takes some 60 ms for one. */
const SAMPLED_PICTURES = 100;

export async function examinePictures(
  { dataset, baseline, seed }: EvaluateModelInput,
  context: StepContext,
  folder: string,
  model: ImageModel,
  labels: readonly string[],
): Promise<Examined> {
  const { store, signal } = context;
  const rowsOf = (split: Split) => loadPictureRows(store, dataset, split, signal);
  const [trainRows, validationRows, testRows] = [
    await rowsOf('train'),
    await rowsOf('validation'),
    await rowsOf('test'),
  ];
  const sampled = (rows: number): readonly number[] | undefined =>
    rows <= SPLIT_ROWS ? undefined : sampleIndices(rows, SPLIT_ROWS, seededRandom(seed));
  const inTrain = sampled(trainRows.length);
  const predict = async (split: Split, only?: readonly number[]): Promise<Answers> => {
    const asked = { dataset, split, labels, ...(only === undefined ? {} : { only }) };
    const { ids, classes: expected, embeddings, probabilities } = await embedPictures(model, asked, context);
    return { ids, expected, predicted: argmaxRows(probabilities, labels.length), embeddings, probabilities };
  };
  const test = await predict('test');
  const classes = Int32Array.from(trainRows, ({ id, label }) => classOf(labels, label, `train row ${id}`));
  const sampleFiles = once(() => samplePictures(dataset, 'test', SAMPLED_PICTURES, context));
  return {
    labels,
    test,
    train: await predict('train', inTrain),
    validation: await predict('validation', sampled(validationRows.length)),
    shifted: null,
    baseline: await frozenPictures(baseline, context, { dataset, labels, inTrain }),
    trivial: { train: { classes }, test: { classes: test.expected } },
    texts: null,
    textLengths: testRows.map(() => 0),
    checkEdgeInputs: () => checkEdgePictures(model, labels.length, signal),
    measureFlips: async () => {
      const pictures = (await sampleFiles()).map((path) => () => readFile(path, { signal }));
      return measurePictureFlips(model, pictures, labels.length, {
        signal,
        onProgress: (done, total) => context.progress({ phase: 'harmless edits', done, total }),
      });
    },
    askBehaviour: () => Promise.resolve([]),
    measureCorruption: async () => {
      const files = await sampleFiles();
      const classOfId = new Map(test.ids.map((id, row) => [id, test.expected[row]!]));
      // A file is called by its row's id.
      const pictures = files.map((path) => ({
        read: () => readFile(path, { signal }),
        expected: classOfId.get(basename(path))!,
      }));
      return measureCorruption(model, pictures, labels.length, {
        seed,
        signal,
        onProgress: (done, total) => context.progress({ phase: 'corrupted pictures', done, total }),
      });
    },
    measure: async () => measureModel({ folder, pictures: await sampleFiles() }, signal),
  };
}

async function frozenPictures(
  baseline: { readonly encoder: ArtifactRef; readonly probe: ArtifactRef },
  context: StepContext,
  {
    dataset,
    labels,
    inTrain,
  }: {
    readonly dataset: ArtifactRef;
    readonly labels: readonly string[];
    readonly inTrain: readonly number[] | undefined;
  },
): Promise<Examined['baseline']> {
  return predictBaseline(baseline.probe, context, labels, async () => {
    const encoder = await ImageModel.load(await checkout(context, baseline.encoder, 'encoder'));
    try {
      const test = await embedPictures(encoder, { dataset, labels, split: 'test' }, context);
      const only = inTrain === undefined ? {} : { only: inTrain };
      const train = await embedPictures(encoder, { dataset, labels, split: 'train', ...only }, context);
      return { dimension: encoder.config.dimension, test: test.embeddings, train: train.embeddings };
    } finally {
      await encoder.release();
    }
  });
}

function once<Value>(make: () => Promise<Value>): () => Promise<Value> {
  let made: Promise<Value> | undefined;
  return () => (made ??= make());
}

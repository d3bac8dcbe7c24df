/**
 * What a frozen encoder already knows about the task: kNN and a linear probe, trained on train or a draw of it
 * (probe-rows.ts), scored on validation. What tuning must beat is fitted on all of train, once somebody has won (validation/baseline.ts).
 */
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { definedOnly } from '../../artifacts/defined-only.ts';
import { readModelConfig } from '../../inference/config.ts';
import { ImageModel } from '../../inference/image-model.ts';
import { checkout } from '../checkout.ts';
import type { EncoderProbe, PictureDomain, ProbeEncoderInput, TextDomain } from '../contract/selection.ts';
import type { Score } from '../contract/measures.ts';
import { loadLabels, type LabelledRows } from '../data/dataset.ts';
import { classifiedBlocks, countRows, rowsAt, rowSizes } from '../data/row-blocks.ts';
import type { StepContext, StepDefinition } from '../step.ts';
import { confusionMatrix, countCorrect, macroF1 } from '../validation/metrics.ts';
import { bootstrapInterval, wilsonInterval } from '../validation/statistics.ts';
import { pictureBlocks } from './embed-pictures.ts';
import { rowsInFile, withClasses, type EmbeddedRows } from './embedded-rows.ts';
import { knnLeaveOneOut, knnPredict } from './knn.ts';
import { crossValidatedProbe, probedClasses } from './linear-probe.ts';
import { logme } from './logme.ts';
import { embedTexts, textsOf } from './embed-texts.ts';
import { domainPlaces, measurePictures } from './measure-domain.ts';
import { drawProbeRows, fittedSizes, type ProbeRows } from './probe-rows.ts';
import { probeSeveralLabels } from './probe-several-labels.ts';

export const probeEncoder: StepDefinition<ProbeEncoderInput, EncoderProbe> = {
  type: 'selection.probe',
  version: 12,
  async run({ encoder, dataset, neighbours, seed, multiLabel, draw, leaveOneOut }, context) {
    const { store, signal } = context;
    const [labels, folder] = await Promise.all([loadLabels(store, dataset), checkout(context, encoder, 'encoder')]);
    const drawn = draw === true ? await drawProbeRows(store, dataset, seed, signal) : null;
    if (multiLabel === true) return probeSeveralLabels(folder, { dataset, labels, neighbours, seed, drawn }, context);
    const { known, asked, dimension, domain } = await embed(folder, dataset, { labels, seed, drawn }, context);
    const fittedOn = drawn === null ? {} : { fittedOn: { rows: drawn.places.length, of: drawn.of } };
    const classes = labels.length;
    context.progress({ phase: 'nearest neighbours' });
    const nearest = await knnPredict(known, asked, dimension, { neighbours, classes, signal });
    const options = { dimension, classes, seed, signal };
    const leftOut = leaveOneOut === true ? await knnLeaveOneOut(known, dimension, { ...options, neighbours }) : null;
    context.progress({ phase: 'linear probe' });
    const { probe, crossValidated } = await crossValidatedProbe(known, options);
    context.progress({ phase: 'evidence of the labels' });
    const evidence = await logme(known, options);
    const predicted = await probedClasses(probe, asked);
    return {
      knnAccuracy: accuracyScore(asked.classes, nearest),
      ...(leftOut === null ? {} : { knnLeaveOneOut: { ...shareScore(leftOut), askable: leftOut.askable } }),
      linearAccuracy: accuracyScore(asked.classes, predicted),
      linearMacroF1: await macroF1Score(asked.classes, predicted, classes, seed, signal),
      probe: await store.putJson({ labels, ...probe, ...fittedOn }, 'probe.json'),
      ...fittedOn,
      crossValidated: {
        ...shareScore(crossValidated),
        folds: crossValidated.folds,
        askable: crossValidated.askable,
      },
      logme: evidence,
      domain,
    };
  },
};

interface Embedded {
  readonly known: EmbeddedRows;
  readonly asked: EmbeddedRows;
  readonly dimension: number;
  readonly domain: TextDomain | PictureDomain;
}
interface Asked {
  readonly labels: readonly string[];
  readonly seed: number;
  /** Of the training rows; null: all. */
  readonly drawn: ProbeRows | null;
}

async function embed(
  folder: string,
  dataset: ArtifactRef,
  { labels, seed, drawn }: Asked,
  context: StepContext,
): Promise<Embedded> {
  const { store, signal } = context;
  if ((await readModelConfig(folder)).input === 'image')
    return embedWithImages(folder, dataset, { labels, drawn }, context);
  const rowsOf = (file: string) => classifiedBlocks(store, dataset, file, labels, signal);
  const sizes = fittedSizes(await rowSizes(store, dataset, 'train.jsonl', signal), drawn);
  const trainRows = sizes.length;
  const validationRows = await countRows(store, dataset, 'validation.jsonl', signal);
  const classes = { train: new Int32Array(trainRows), validation: new Int32Array(validationRows) };
  const classesOf = (block: LabelledRows) => block.classes;
  const embedded = await embedTexts(
    folder,
    {
      train: { rows: trainRows, blocks: textsOf(trainingRows(), classes.train, classesOf) },
      validation: {
        rows: validationRows,
        blocks: textsOf(rowsOf('validation.jsonl'), classes.validation, classesOf),
      },
    },
    domainPlaces(sizes, seed),
    context,
  );
  return {
    ...embedded,
    known: withClasses(embedded.train, classes.train),
    asked: withClasses(embedded.validation, classes.validation),
  };

  async function* trainingRows(): AsyncGenerator<LabelledRows> {
    if (drawn === null) yield* rowsOf('train.jsonl');
    else yield* rowsAt(rowsOf('train.jsonl'), drawn.places);
  }
}

async function embedWithImages(
  folder: string,
  dataset: ArtifactRef,
  { labels, drawn }: Omit<Asked, 'seed'>,
  context: StepContext,
): Promise<Embedded> {
  const { signal, workDir } = context;
  const model = await ImageModel.load(folder);
  try {
    const { dimension } = model.config;
    const embedded = (split: 'train' | 'validation', only?: readonly number[]): Promise<EmbeddedRows> => {
      const pictures = pictureBlocks(model, { dataset, split, labels, ...definedOnly({ only }) }, context);
      return rowsInFile(join(workDir, `embedded-${split}.f32`), pictures, { dimension, signal });
    };
    const known = await embedded('train', drawn?.places);
    const asked = await embedded('validation');
    const domain = await measurePictures(model, dataset, context);
    return { known, asked, dimension, domain };
  } finally {
    await model.release();
  }
}

function accuracyScore(expected: Int32Array, predicted: Int32Array): Score {
  return shareScore({ correct: countCorrect(expected, predicted), rows: expected.length });
}

function shareScore({ correct, rows }: { readonly correct: number; readonly rows: number }): Score {
  if (rows === 0) return { value: null, interval: null, rows };
  return { value: correct / rows, interval: wilsonInterval(correct, rows), rows };
}

async function macroF1Score(
  expected: Int32Array,
  predicted: Int32Array,
  classes: number,
  seed: number,
  signal: AbortSignal,
): Promise<Score> {
  const value = macroF1(confusionMatrix(expected, predicted, classes), classes);
  const interval = await bootstrapInterval(
    expected.length,
    (indices) => macroF1(confusionMatrix(expected, predicted, classes, indices), classes),
    { seed, signal },
  );
  return { value: Number.isFinite(value) ? value : null, interval, rows: expected.length };
}

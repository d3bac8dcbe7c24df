/** The frozen encoder beside a tuned model of several labels: its embeddings, and what its probe decides, which tuning must beat. */
import { join } from 'node:path';
import { EspalierError } from '../../../artifacts/errors.ts';
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import { decide } from '../../../inference/labels-above.ts';
import { TextModel } from '../../../inference/text-model.ts';
import { checkout } from '../../checkout.ts';
import type { EncoderProbe } from '../../contract/selection.ts';
import type { EvaluateModelInput } from '../../contract/validation.ts';
import type { MultiLabelledRows } from '../../data/dataset.ts';
import { multiLabelledBlocks } from '../../data/multi-label-blocks.ts';
import { rowsInFile, type EmbeddedRows } from '../../selection/embedded-rows.ts';
import type { LabelledEmbeddings } from '../../selection/knn.ts';
import type { LinearProbe } from '../../selection/linear-probe.ts';
import { oneVsRestProbabilities, trainOneVsRest } from '../../selection/one-vs-rest.ts';
import type { StepContext } from '../../step.ts';
import { requireFinite } from '../baseline.ts';
import type { Answers } from './examine.ts';
import { thresholdRows } from './threshold-rows.ts';
import { fitThresholds } from './thresholds.ts';

export interface Frozen {
  readonly dimension: number;
  /** Row-major [rows, dimension]. */
  readonly test: Float32Array;
  readonly train: Float32Array;
  /** Of the test rows, row-major [rows, labels]. */
  readonly decided: Uint8Array;
  /** The probe's penalty. */
  readonly l2: number;
  /** The probe's, of each label. */
  readonly thresholds: readonly number[];
}

type DecidingProbe = LinearProbe & { readonly thresholds: readonly number[] };
type Embed = (rows: Pick<MultiLabelledRows, 'ids' | 'texts'>, phase: string) => Promise<Float32Array>;

/** The encoder is released when `use` ends. */
export async function withFrozen<Result>(
  { baseline }: Pick<EvaluateModelInput, 'baseline'>,
  context: StepContext,
  use: (encoder: TextModel) => Promise<Result>,
): Promise<Result> {
  const encoder = await TextModel.load(await checkout(context, baseline.encoder, 'encoder'));
  try {
    return await use(encoder);
  } finally {
    await encoder.release();
  }
}

/**
 * A probe that selection fitted on a draw of the training rows is fitted anew on all of them, thresholds included. Throws
 * BadModel where it is one of other labels, or a number is not finite.
 */
export async function askFrozen(
  { baseline, dataset, seed }: Pick<EvaluateModelInput, 'baseline' | 'dataset' | 'seed'>,
  encoder: TextModel,
  rows: Readonly<Record<'test' | 'train', Pick<Answers, 'ids' | 'texts' | 'places'>>>,
  labels: readonly string[],
  context: StepContext,
): Promise<Frozen> {
  const { fittedOn, ...kept } = await readProbe(baseline.probe, labels, context);
  const { dimension } = encoder.config;
  const embed: Embed = async (part, phase) => {
    if (part.ids.length === 0) return new Float32Array();
    const { embeddings } = await encoder.runAll(part.texts, {
      signal: context.signal,
      onProgress: (done, total) => context.progress({ phase: `${phase} with the frozen encoder`, done, total }),
    });
    requireFinite(embeddings, dimension, part, 'frozen encoder');
    return embeddings;
  };
  const test = await embed(rows.test, 'predicting');
  const fitted = fittedOn === undefined ? null : await fitOnAll(embed, { dataset, labels, dimension, seed }, context);
  const train = await (fitted?.learnt.pick(rows.train.places).then(({ embeddings }) => embeddings) ??
    embed(rows.train, 'embedding'));
  const { thresholds, l2, ...probe } = fitted?.probe ?? kept;
  const decided = decide(oneVsRestProbabilities({ ...probe, l2 }, test), thresholds);
  return { dimension, test, train, decided, l2, thresholds };
}

/** From a file, a block of the embeddings at a time; the labels of every row are in memory, a byte each. */
async function fitOnAll(
  embed: Embed,
  asked: {
    readonly dataset: ArtifactRef;
    readonly labels: readonly string[];
    readonly dimension: number;
    readonly seed: number;
  },
  { store, signal, workDir, progress }: StepContext,
): Promise<{ readonly probe: DecidingProbe; readonly learnt: EmbeddedRows }> {
  const { dataset, labels, dimension, seed } = asked;
  const targets: Uint8Array[] = [];
  async function* embedded(): AsyncGenerator<LabelledEmbeddings> {
    for await (const block of multiLabelledBlocks(store, dataset, 'train.jsonl', labels, signal)) {
      targets.push(block.targets);
      yield { embeddings: await embed(block, 'embedding'), classes: new Int32Array(block.ids.length) };
    }
  }
  const learnt = await rowsInFile(join(workDir, 'frozen-training-rows.f32'), embedded(), { dimension, signal });
  const probe = await trainOneVsRest(
    { rows: learnt, targets: Buffer.concat(targets) },
    {
      dimension,
      labels: labels.length,
      seed,
      signal,
      onLabel: (done) =>
        progress({ phase: 'fitting the frozen probes on all training rows', done, total: labels.length }),
    },
  );
  const held = await thresholdRows(dataset, labels, { store, signal });
  const probabilities = oneVsRestProbabilities(probe, await embed(held, 'deciding'));
  return { probe: { ...probe, thresholds: fitThresholds(probabilities, held.targets, labels.length) }, learnt };
}

type KeptProbe = LinearProbe &
  Pick<EncoderProbe, 'fittedOn'> & { readonly labels: readonly string[]; readonly thresholds?: readonly number[] };

async function readProbe(
  probeOf: ArtifactRef,
  labels: readonly string[],
  { store }: Pick<StepContext, 'store'>,
): Promise<DecidingProbe & Pick<EncoderProbe, 'fittedOn'>> {
  const { labels: known, thresholds, ...probe } = await store.getJson<KeptProbe>(probeOf);
  if (thresholds !== undefined && known.join('\n') === labels.join('\n')) return { ...probe, thresholds };
  const what =
    thresholds === undefined
      ? 'knows one label a row, the model several'
      : `knows ${known.join(', ')}, the model ${labels.join(', ')}`;
  throw new EspalierError('BadModel', `the frozen probe ${what}`, {
    where: 'probe.json',
    fix: 'select and train on one dataset',
  });
}

/** A tuned model of several labels a row, asked all that its evaluation needs. */
import { EspalierError } from '../../../artifacts/errors.ts';
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import { decide } from '../../../inference/labels-above.ts';
import { TextModel } from '../../../inference/text-model.ts';
import { loadMultiLabelled, multiLabelled, readDatasetLines, type MultiLabelledRows } from '../../data/dataset.ts';
import { SHIFTED_FILE } from '../../data/shifted.ts';
import { oneVsRestProbabilities } from '../../selection/one-vs-rest.ts';
import type { LinearProbe } from '../../selection/linear-probe.ts';
import { checkout } from '../../checkout.ts';
import type { StepContext } from '../../step.ts';
import { requireFinite } from '../baseline.ts';
import { SPLIT_ROWS } from '../examined.ts';
import { sampleIndices, seededRandom } from '../random.ts';
import { fittedLabels } from './thresholds.ts';

/** Test rows that are looked at: every label of each is resampled, and beyond this an interval no longer narrows visibly. */
const TEST_ROWS = 20_000;

export interface Examined {
  readonly test: Answers;
  /** Whether the test split has more rows. */
  readonly sampled: boolean;
  /** Samples. */
  readonly train: Answers;
  readonly validation: Answers;
  /** Of declared rows from elsewhere; null where there are none. */
  readonly shifted: Answers | null;
  /** All training texts. */
  readonly learnt: MultiLabelledRows;
  /** Of each label whether its threshold could be fitted on validation rows. */
  readonly fitted: readonly boolean[];
}
export interface Answers extends MultiLabelledRows {
  /** Where the rows stand in their split. */
  readonly places: readonly number[];
  readonly embeddings: Float32Array;
  /** Row-major [rows, labels]. */
  readonly probabilities: Float32Array;
  readonly predicted: Uint8Array;
}
export interface Asked {
  readonly dataset: ArtifactRef;
  readonly seed: number;
  readonly labels: readonly string[];
  readonly thresholds: readonly number[];
}

export async function examine(
  model: TextModel,
  { dataset, seed, labels, thresholds }: Asked,
  context: StepContext,
): Promise<Examined> {
  const { store, signal } = context;
  const read = (split: 'train' | 'validation' | 'test') => loadMultiLabelled(store, dataset, split, labels, signal);
  const answer = async (rows: Sample, phase: string): Promise<Answers> => {
    const { embeddings, probabilities = new Float32Array() } = await model.runAll(rows.texts, {
      signal,
      onProgress: (done, total) => context.progress({ phase: `predicting ${phase}`, done, total }),
    });
    requireFinite(embeddings, model.config.dimension, rows, 'tuned model');
    requireFinite(probabilities, labels.length, rows, 'tuned model');
    return { ...rows, embeddings, probabilities, predicted: decide(probabilities, thresholds) };
  };
  const sampled = (rows: MultiLabelledRows, most: number) => sample(rows, labels.length, most, seed);
  const whole = await read('test');
  const test = await answer(sampled(whole, TEST_ROWS), 'test rows');
  const learnt = await read('train');
  const held = await read('validation');
  const { entries } = await store.tree(dataset);
  const elsewhere = entries.some(({ path }) => path === SHIFTED_FILE)
    ? multiLabelled(await readDatasetLines(store, dataset, SHIFTED_FILE, signal), labels, SHIFTED_FILE)
    : null;
  return {
    test,
    sampled: test.ids.length < whole.ids.length,
    train: await answer(sampled(learnt, SPLIT_ROWS), 'training rows'),
    validation: await answer(sampled(held, SPLIT_ROWS), 'validation rows'),
    shifted: elsewhere === null ? null : await answer(sampled(elsewhere, SPLIT_ROWS), 'rows from elsewhere'),
    learnt,
    fitted: fittedLabels(held.targets, labels.length),
  };
}

type Sample = MultiLabelledRows & Pick<Answers, 'places'>;

/** All rows, or a seeded sample of `most` of them in their order. */
function sample(rows: MultiLabelledRows, labels: number, most: number, seed: number): Sample {
  if (rows.ids.length <= most) return { ...rows, places: [...rows.ids.keys()] };
  const places = sampleIndices(rows.ids.length, most, seededRandom(seed));
  const { groups } = rows;
  return {
    places,
    ids: places.map((row) => rows.ids[row]!),
    texts: places.map((row) => rows.texts[row]!),
    targets: Uint8Array.from(places.flatMap((row) => [...rows.targets.subarray(row * labels, (row + 1) * labels)])),
    ...(groups === undefined ? {} : { groups: places.map((row) => groups[row]!) }),
  };
}

type Probe = LinearProbe & { readonly labels: readonly string[]; readonly thresholds?: readonly number[] };

/** What the frozen encoder's probe says, by its own thresholds. Throws BadModel where it is one of other labels. */
export async function probeDecisions(
  probeOf: ArtifactRef,
  embeddings: Float32Array,
  labels: readonly string[],
  { store }: Pick<StepContext, 'store'>,
): Promise<Uint8Array> {
  const { labels: known, thresholds, ...probe } = await store.getJson<Probe>(probeOf);
  if (thresholds !== undefined && known.join('\n') === labels.join('\n')) {
    return decide(oneVsRestProbabilities(probe, embeddings), thresholds);
  }
  const what =
    thresholds === undefined
      ? 'knows one label a row, the model several'
      : `knows ${known.join(', ')}, the model ${labels.join(', ')}`;
  throw new EspalierError('BadModel', `the frozen probe ${what}`, {
    where: 'probe.json',
    fix: 'select and train on one dataset',
  });
}

type Texts = Pick<MultiLabelledRows, 'ids' | 'texts'>;

/** Row-major [rows, dimension]. Throws BadModel where a number is not finite. */
export async function frozenEmbeddings(
  encoderOf: ArtifactRef,
  context: StepContext,
  rows: { readonly test: Texts; readonly train: Texts },
): Promise<{ readonly dimension: number; readonly test: Float32Array; readonly train: Float32Array }> {
  const encoder = await TextModel.load(await checkout(context, encoderOf, 'encoder'));
  try {
    const { dimension } = encoder.config;
    const embed = async (part: Texts, phase: string): Promise<Float32Array> => {
      const { embeddings } = await encoder.runAll(part.texts, {
        signal: context.signal,
        onProgress: (done, total) => context.progress({ phase: `${phase} with the frozen encoder`, done, total }),
      });
      requireFinite(embeddings, dimension, part, 'frozen encoder');
      return embeddings;
    };
    return { dimension, test: await embed(rows.test, 'predicting'), train: await embed(rows.train, 'embedding') };
  } finally {
    await encoder.release();
  }
}

/** A tuned model of several labels a row, asked all that its evaluation needs. */
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import { decide } from '../../../inference/labels-above.ts';
import type { TextModel } from '../../../inference/text-model.ts';
import type { MultiLabelledRows } from '../../data/dataset.ts';
import { multiLabelledAt, multiLabelledBlocks, multiLabelledRows } from '../../data/multi-label-blocks.ts';
import { rowSizes } from '../../data/row-blocks.ts';
import { hasShifted, SHIFTED_FILE } from '../../data/shifted.ts';
import type { StepContext } from '../../step.ts';
import { requireFinite } from '../baseline.ts';
import { SPLIT_ROWS } from '../examined.ts';
import { placesThatFit, sampledPlaces } from '../sample-rows.ts';
import { thresholdRows } from './threshold-rows.ts';
import { fittedLabels } from './thresholds.ts';
import { countSets, trivialRows, type Learnt } from './trivial.ts';

/** Test rows that are looked at: every label of each is resampled, and beyond this an interval no longer narrows visibly. */
const TEST_ROWS = 20_000;

export interface Examined {
  readonly test: Answers;
  /** Rows of the test split; `test` may be a sample of them. */
  readonly testRows: number;
  /** Samples. */
  readonly train: Answers;
  readonly validation: Answers;
  /** Of declared rows from elsewhere; null where there are none. */
  readonly shifted: Answers | null;
  /** What trivial models learn from. */
  readonly learnt: Learnt;
  /** All training rows, some at a time. */
  readonly allTrain: () => AsyncIterable<Pick<MultiLabelledRows, 'ids' | 'texts'>>;
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
  const blocksOf = (file: string) => multiLabelledBlocks(store, dataset, file, labels, signal);
  /** Of all rows of a file, or a seeded sample of `most` of them in their order. */
  const placesOf = (sizes: Uint32Array, most: number): readonly number[] =>
    placesThatFit(sampledPlaces(sizes.length, most, seed), sizes, seed);
  const sizesOf = (file: string) => rowSizes(store, dataset, file, signal);
  const sampled = async (file: string, most: number): Promise<Sample> => {
    const sizes = await sizesOf(file);
    const places = placesOf(sizes, most);
    return { ...(await multiLabelledAt(blocksOf(file), labels.length, places)), places, of: sizes.length };
  };
  /** One pass for what is asked, for what trivial models learn from, and for what is counted of all. */
  const trainingRows = async (): Promise<{ readonly train: Sample; readonly learnt: Learnt }> => {
    const sizes = await sizesOf('train.jsonl');
    const places = placesOf(sizes, SPLIT_ROWS);
    const [asked, learnt] = [places, placesOf(sizes, trivialRows(labels.length))].map((own) =>
      multiLabelledRows(labels.length, own),
    );
    const sets = countSets(labels.length);
    for await (const block of blocksOf('train.jsonl')) {
      asked!.add(block);
      learnt!.add(block);
      sets.add(block);
    }
    return {
      train: { ...asked!.rows(), places, of: sizes.length },
      learnt: { ...learnt!.rows(), mostFrequent: sets.mostFrequent() },
    };
  };
  const answer = async (rows: Sample, phase: string): Promise<Answers> => {
    const { embeddings, probabilities = new Float32Array() } = await model.runAll(rows.texts, {
      signal,
      onProgress: (done, total) => context.progress({ phase: `predicting ${phase}`, done, total }),
    });
    requireFinite(embeddings, model.config.dimension, rows, 'tuned model');
    requireFinite(probabilities, labels.length, rows, 'tuned model');
    return { ...rows, embeddings, probabilities, predicted: decide(probabilities, thresholds) };
  };
  const asking = await sampled('test.jsonl', TEST_ROWS);
  const training = await trainingRows();
  return {
    test: await answer(asking, 'test rows'),
    testRows: asking.of,
    train: await answer(training.train, 'training rows'),
    validation: await answer(await sampled('validation.jsonl', SPLIT_ROWS), 'validation rows'),
    shifted: (await hasShifted(store, dataset))
      ? await answer(await sampled(SHIFTED_FILE, SPLIT_ROWS), 'rows from elsewhere')
      : null,
    learnt: training.learnt,
    allTrain: () => blocksOf('train.jsonl'),
    fitted: fittedLabels((await thresholdRows(dataset, labels, context)).targets, labels.length),
  };
}

interface Sample extends MultiLabelledRows, Pick<Answers, 'places'> {
  /** Rows that the file has. */
  readonly of: number;
}

/** What a model must beat to be worth anything: the most frequent label, for texts the counting of words, for pictures their colours. */
import { nearestRows, toUnitLength } from '../../inference/retrieval/nearest.ts';
import { wholeText, type TextInput } from '../../inference/texts.ts';
import { PIXEL_DIMENSION, type PixelRows } from '../retrieval/pixels.ts';
import { highestClasses } from '../selection/linear-probe.ts';
import { accuracy, confusionMatrix, macroF1 } from './metrics.ts';
import { fitSparseLogistic, sparseProbabilities } from './sparse-logistic.ts';
import { learnVocabulary, vectorise } from './tfidf.ts';

export type TrivialKind = 'most frequent label' | 'TF-IDF with logistic regression' | 'nearest neighbours by pixels';
export interface Trivial {
  readonly kind: TrivialKind;
  /** Class of every test row. */
  readonly predicted: Int32Array;
}

interface Labelled {
  readonly texts?: readonly TextInput[];
  /** Shrunk to their colours: of test all rows, in their order; of train those that are looked among. */
  readonly pictures?: AsyncIterable<PixelRows>;
  readonly classes: Int32Array;
}

/** Of a picture. An odd number, so that two labels are rarely even. */
const NEIGHBOURS = 5;
/** Where few pictures are looked among, one query gives nobody a turn. */
const ROWS_A_TURN = 16;

/**
 * The trivial models that the input allows, trained on `train` and asked about `test`; the best on test first, so that what
 * a model is held against is the strongest.
 */
export async function trivialModels(
  train: Labelled,
  test: Labelled,
  classes: number,
  signal?: AbortSignal,
): Promise<readonly [Trivial, ...Trivial[]]> {
  const models: [Trivial, ...Trivial[]] = [
    {
      kind: 'most frequent label',
      predicted: new Int32Array(test.classes.length).fill(mostFrequent(train.classes, classes)),
    },
  ];
  if (train.texts !== undefined && test.texts !== undefined) {
    const [learnt, asked] = [train.texts.map(wholeText), test.texts.map(wholeText)];
    const vocabulary = learnVocabulary(learnt);
    // scikit-learn's default of C = 1: nobody tunes a baseline.
    const model = await fitSparseLogistic(vectorise(learnt, vocabulary), train.classes, classes, {
      l2: 1,
      tolerance: 1e-4,
      ...(signal === undefined ? {} : { signal }),
    });
    const probabilities = sparseProbabilities(model, vectorise(asked, vocabulary));
    models.push({ kind: 'TF-IDF with logistic regression', predicted: highestClasses(probabilities, classes) });
  }
  if (train.pictures !== undefined && test.pictures !== undefined) {
    const predicted = await byPixels(train.pictures, test.pictures, classes, signal);
    models.push({ kind: 'nearest neighbours by pixels', predicted });
  }
  return models.sort((a, b) => accuracy(test.classes, b.predicted) - accuracy(test.classes, a.predicted));
}

/** The one that rare labels are best served by, of answers to the same rows. */
export function bestByMacroF1<Model extends Pick<Trivial, 'predicted'>>(
  models: readonly [Model, ...Model[]],
  { expected }: { readonly expected: Int32Array },
  classes: number,
): Model {
  const of = ({ predicted }: Model): number => macroF1(confusionMatrix(expected, predicted, classes), classes);
  return models.reduce((best, one) => (of(one) > of(best) ? one : best));
}

function mostFrequent(classes: Int32Array, count: number): number {
  const rows = new Uint32Array(count);
  for (const label of classes) rows[label]!++;
  return rows.indexOf(Math.max(...rows));
}

/**
 * The label that most of the nearest pictures have (Cover and Hart 1967); of two that are even the one that is nearer. Both less
 * the mean picture: the angle between raw pixels is that of their brightness alone.
 */
async function byPixels(
  train: AsyncIterable<PixelRows>,
  test: AsyncIterable<PixelRows>,
  classes: number,
  signal?: AbortSignal,
): Promise<Int32Array> {
  const known = await gathered(train);
  const mean = meanPicture(known.embeddings);
  const direction = (pixels: Float32Array): Float32Array =>
    toUnitLength(
      pixels.map((value, at) => value - mean[at % PIXEL_DIMENSION]!),
      PIXEL_DIMENSION,
    );
  const gallery = direction(known.embeddings);
  const options = { dimension: PIXEL_DIMENSION, k: NEIGHBOURS, ...(signal === undefined ? {} : { signal }) };
  const predicted: number[] = [];
  for await (const { embeddings } of test) {
    const queries = direction(embeddings);
    for (let start = 0; start < queries.length; start += PIXEL_DIMENSION) {
      const nearest = await nearestRows(gallery, queries.subarray(start, start + PIXEL_DIMENSION), options);
      predicted.push(
        voted(
          nearest.map(({ row }) => known.classes[row]!),
          classes,
        ),
      );
      // Where few pictures are looked among, one query gives nobody a turn.
      if (predicted.length % ROWS_A_TURN === 0) await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
    }
  }
  return Int32Array.from(predicted);
}

async function gathered(blocks: AsyncIterable<PixelRows>): Promise<Pick<PixelRows, 'classes' | 'embeddings'>> {
  const parts: PixelRows[] = [];
  for await (const block of blocks) parts.push(block);
  const embeddings = new Float32Array(parts.reduce((sum, part) => sum + part.embeddings.length, 0));
  let start = 0;
  for (const part of parts) {
    embeddings.set(part.embeddings, start);
    start += part.embeddings.length;
  }
  return { embeddings, classes: Int32Array.from(parts.flatMap((part) => [...part.classes])) };
}

function meanPicture(pixels: Float32Array): Float64Array {
  const mean = new Float64Array(PIXEL_DIMENSION);
  const rows = pixels.length / PIXEL_DIMENSION;
  for (const [at, value] of pixels.entries()) mean[at % PIXEL_DIMENSION]! += value / rows;
  return mean;
}

/** `nearest`: the classes of the neighbours, the nearest first. */
function voted(nearest: readonly number[], classes: number): number {
  const votes = new Uint32Array(classes);
  for (const label of nearest) votes[label]!++;
  const most = Math.max(...votes);
  return nearest.find((label) => votes[label] === most) ?? 0;
}

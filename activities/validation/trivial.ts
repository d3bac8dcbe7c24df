/** What a model must beat to be worth anything: the most frequent label, and for texts the counting of words. */
import { wholeText, type TextInput } from '../../inference/texts.ts';
import { highestClasses } from '../selection/linear-probe.ts';
import { accuracy } from './metrics.ts';
import { fitSparseLogistic, sparseProbabilities } from './sparse-logistic.ts';
import { learnVocabulary, vectorise } from './tfidf.ts';

export type TrivialKind = 'most frequent label' | 'TF-IDF with logistic regression';
export interface Trivial {
  readonly kind: TrivialKind;
  /** Class of every test row. */
  readonly predicted: Int32Array;
}

interface Labelled {
  readonly texts?: readonly TextInput[];
  readonly classes: Int32Array;
}

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
  return models.sort((a, b) => accuracy(test.classes, b.predicted) - accuracy(test.classes, a.predicted));
}

function mostFrequent(classes: Int32Array, count: number): number {
  const rows = new Uint32Array(count);
  for (const label of classes) rows[label]!++;
  return rows.indexOf(Math.max(...rows));
}

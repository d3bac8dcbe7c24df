/** What a model of several labels must beat: the set of labels that is most frequent, and the counting of words. */
import { wholeText, type TextInput } from '../../../inference/texts.ts';
import { decide } from '../../../inference/labels-above.ts';
import { sampleIndices, seededRandom } from '../random.ts';
import { fitSparseLogistic, sparseProbabilities } from '../sparse-logistic.ts';
import { learnVocabulary, vectorise } from '../tfidf.ts';
import { fitThresholds } from './thresholds.ts';

export interface TrivialSets {
  readonly kind: 'most frequent set of labels' | 'TF-IDF with logistic regression';
  /** Row-major [test rows, labels]. */
  readonly predicted: Uint8Array;
  /** Training rows. */
  readonly learntFrom: number;
}
interface Labelled {
  readonly texts: readonly TextInput[];
  readonly targets: Uint8Array;
}

/** Rows × labels that are fitted: each label is a model of its own. */
const MOST_CELLS = 200_000;

/** Thresholds for the counting of words come from every fifth row, which it is not fitted on. */
export async function trivialSets(
  train: Labelled,
  test: Labelled,
  labels: number,
  { seed, signal }: { readonly seed: number; readonly signal?: AbortSignal },
): Promise<readonly TrivialSets[]> {
  const most = Math.max(100, Math.floor(MOST_CELLS / labels));
  // Drawn, not the first: rows may lie by label, or by the time that they came.
  const places = sampleIndices(train.texts.length, most, seededRandom(seed));
  const fitted = places.filter((_, at) => at % 5 !== 4);
  const held = places.filter((_, at) => at % 5 === 4);
  const textsAt = (at: readonly number[]) => at.map((row) => wholeText(train.texts[row]!));
  const vocabulary = learnVocabulary(textsAt(fitted));
  const [learnt, chosen, asked] = [textsAt(fitted), textsAt(held), test.texts.map(wholeText)].map((texts) =>
    vectorise(texts, vocabulary),
  );
  const [onHeld, onTest] = [held, test.texts].map(({ length }) => new Float32Array(length * labels));
  for (let label = 0; label < labels; label++) {
    const truth = Int32Array.from(fitted, (row) => train.targets[row * labels + label]!);
    const options = { l2: 1, tolerance: 1e-4, ...(signal === undefined ? {} : { signal }) };
    const model = await fitSparseLogistic(learnt!, truth, 2, options);
    for (const [rowsOf, into] of [
      [chosen!, onHeld!],
      [asked!, onTest!],
    ] as const) {
      const chances = sparseProbabilities(model, rowsOf);
      for (let row = 0; row < into.length / labels; row++) into[row * labels + label] = chances[row * 2 + 1]!;
    }
  }
  const known = Uint8Array.from(held.flatMap((row) => [...train.targets.subarray(row * labels, (row + 1) * labels)]));
  return [
    {
      kind: 'most frequent set of labels',
      predicted: everyRow(mostFrequentSet(train.targets, labels), test.texts.length),
      learntFrom: train.texts.length,
    },
    {
      kind: 'TF-IDF with logistic regression',
      predicted: decide(onTest!, fitThresholds(onHeld!, known, labels)),
      learntFrom: places.length,
    },
  ];
}

/** The first of equally frequent ones. */
function mostFrequentSet(targets: Uint8Array, labels: number): Uint8Array {
  const rows = new Map<string, { set: Uint8Array; rows: number }>();
  for (let start = 0; start < targets.length; start += labels) {
    const set = targets.subarray(start, start + labels);
    const known = rows.get(set.join('')) ?? { set, rows: 0 };
    rows.set(set.join(''), { set, rows: known.rows + 1 });
  }
  return [...rows.values()].reduce((most, one) => (one.rows > most.rows ? one : most), {
    set: new Uint8Array(labels),
    rows: 0,
  }).set;
}

function everyRow(set: Uint8Array, rows: number): Uint8Array {
  const all = new Uint8Array(rows * set.length);
  for (let row = 0; row < rows; row++) all.set(set, row * set.length);
  return all;
}

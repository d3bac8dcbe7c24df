/** What a model of several labels must beat: the set of labels that is most frequent, and the counting of words. */
import { wholeText, type TextInput } from '../../../inference/texts.ts';
import { decide } from '../../../inference/labels-above.ts';
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
  /** Row-major [rows, labels]. */
  readonly targets: Uint8Array;
}
/** Of the training rows a sample to count words of (`trivialRows`), and what is counted of all. */
export interface Learnt extends Labelled {
  readonly mostFrequent: FrequentSet;
}
export interface FrequentSet {
  readonly set: Uint8Array;
  /** All that were counted. */
  readonly rows: number;
}

/** Rows × labels that are fitted: each label is a model of its own. */
const MOST_CELLS = 200_000;

/** So many training rows are drawn to count words of: the first ones may lie by label, or by the time that they came. */
export function trivialRows(labels: number): number {
  return Math.max(100, Math.floor(MOST_CELLS / labels));
}

/** Thresholds for the counting of words come from every fifth row, which it is not fitted on. */
export async function trivialSets(
  train: Learnt,
  test: Pick<Labelled, 'texts'>,
  labels: number,
  signal?: AbortSignal,
): Promise<readonly TrivialSets[]> {
  const places = [...train.texts.keys()];
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
      predicted: everyRow(train.mostFrequent.set, test.texts.length),
      learntFrom: train.mostFrequent.rows,
    },
    {
      kind: 'TF-IDF with logistic regression',
      predicted: decide(onTest!, fitThresholds(onHeld!, known, labels)),
      learntFrom: places.length,
    },
  ];
}

/** Of all rows that are added, some at a time; the first of equally frequent sets. */
export function countSets(labels: number): {
  readonly add: (block: Pick<Labelled, 'targets'>) => void;
  readonly mostFrequent: () => FrequentSet;
} {
  const counts = new Map<string, number>();
  let rows = 0;
  return {
    add({ targets }) {
      for (let start = 0; start < targets.length; start += labels, rows++) {
        const own = targets.subarray(start, start + labels);
        const key = [...own.keys()].filter((at) => own[at] === 1).join();
        counts.set(key, (counts.get(key) ?? 0) + 1);
      }
    },
    mostFrequent() {
      const set = new Uint8Array(labels);
      const [key] = [...counts].reduce((most, one) => (one[1] > most[1] ? one : most), ['', 0]);
      if (key !== '') for (const label of key.split(',')) set[Number(label)] = 1;
      return { set, rows };
    },
  };
}

function everyRow(set: Uint8Array, rows: number): Uint8Array {
  const all = new Uint8Array(rows * set.length);
  for (let row = 0; row < rows; row++) all.set(set, row * set.length);
  return all;
}

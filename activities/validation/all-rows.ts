/**
 * A test split of any size in bounded memory. Its rows pass by in blocks; of every row stay its classes and how sure the model
 * was, 17 bytes, and of all rows or, where there are more than SAMPLE_ROWS, of a seeded sample the rows themselves.
 */
import type { TextInput } from '../../inference/texts.ts';
import { wholeText } from '../../inference/texts.ts';
import type { LabelledRows } from '../data/dataset.ts';
import { rowPicker } from '../data/row-blocks.ts';
import { gatherJudged, type Judged } from './calibration.ts';
import type { Answers } from './examined.ts';
import { firstFew } from './first-few.ts';
import { argmaxRows } from './metrics.ts';
import { sampleIndices, seededRandom } from './random.ts';

/** What needs the rows themselves (words, slices, embeddings, examples) sees no more of them: accuracy has a standard error below 0.4 % then. */
export const SAMPLE_ROWS = 20_000;
const MISTAKES = 20;
/** Of its own: the sample must not depend on what else draws by the run's seed. */
const STREAM = 21;

/** Some rows of a split, in its order, as a model answers them; `probabilities` of an encoder are empty. */
export interface AnsweredBlock extends Pick<LabelledRows, 'ids' | 'classes'> {
  /** Row-major [rows, dimension]. */
  readonly embeddings: Float32Array;
  /** Row-major [rows, labels]. */
  readonly probabilities: Float32Array;
  /** Missing where the rows are no texts. */
  readonly texts?: readonly TextInput[];
  readonly groups?: LabelledRows['groups'];
}

/** A wrong row; the text of it where it is one. */
export interface Mistake {
  readonly rowId: string;
  readonly expected: string;
  readonly predicted: string;
  readonly probability: number;
  readonly text?: string;
}

export interface TunedAnswers {
  /** Of every row. */
  readonly expected: Int32Array;
  readonly predicted: Int32Array;
  readonly judged: Judged;
  /** The surest first. */
  readonly mistakes: readonly Mistake[];
  readonly kept: KeptRows;
}
/** Rows that are held themselves: all, or the sample. */
export interface KeptRows extends Answers {
  /** In the split, ascending. */
  readonly places: readonly number[];
  /** Empty where the rows are no texts. */
  readonly texts: readonly TextInput[];
  readonly groups?: LabelledRows['groups'];
}

/** The places of the rows that are kept. */
export function keptPlaces(rows: number, seed: number, most = SAMPLE_ROWS): readonly number[] {
  return sampleIndices(rows, most, seededRandom(seed, STREAM));
}

/** What the tuned model answers to every row; numbers must be finite. */
export async function gatherTuned(
  blocks: AsyncIterable<AnsweredBlock>,
  {
    rows,
    labels,
    places,
  }: { readonly rows: number; readonly labels: readonly string[]; readonly places: readonly number[] },
): Promise<TunedAnswers> {
  const classes = labels.length;
  const [expected, predicted] = [new Int32Array(rows), new Int32Array(rows)];
  const judged = gatherJudged(rows, classes);
  const mistakes = gatherMistakes(labels, MISTAKES);
  const picker = rowPicker();
  const embeddings = gatherRows(places.length);
  const probabilities = gatherRows(places.length);
  await eachBlock(blocks, places, (block, start, kept) => {
    const guesses = argmaxRows(block.probabilities, classes);
    expected.set(block.classes, start);
    predicted.set(guesses, start);
    judged.add(block.probabilities, block.classes);
    mistakes.add(block, guesses);
    for (const row of kept) picker.take(block, row);
    embeddings.take(block.embeddings, block.ids.length, kept);
    probabilities.take(block.probabilities, block.ids.length, kept);
  });
  const { ids, texts, classes: keptClasses, groups } = picker.rows();
  return {
    expected,
    predicted,
    judged: judged.judged(),
    mistakes: mistakes.items(),
    kept: {
      places,
      ids,
      texts,
      expected: keptClasses,
      predicted: Int32Array.from(places, (place) => predicted[place]!),
      embeddings: embeddings.values(),
      probabilities: probabilities.values(),
      ...(groups === undefined ? {} : { groups }),
    },
  };
}

/** The classes that the frozen encoder and its probe give to every row, and the embeddings of the rows that are kept. */
export async function gatherFrozen(
  blocks: AsyncIterable<AnsweredBlock>,
  {
    rows,
    places,
    classesOf,
    onBlock,
  }: {
    readonly rows: number;
    readonly places: readonly number[];
    readonly classesOf: (embeddings: Float32Array) => Int32Array;
    readonly onBlock?: (block: AnsweredBlock, start: number, classes: Int32Array) => Promise<void>;
  },
): Promise<{ readonly predicted: Int32Array; readonly embeddings: Float32Array }> {
  const predicted = new Int32Array(rows);
  const embeddings = gatherRows(places.length);
  await eachBlock(blocks, places, async (block, start, kept) => {
    const guesses = classesOf(block.embeddings);
    predicted.set(guesses, start);
    embeddings.take(block.embeddings, block.ids.length, kept);
    await onBlock?.(block, start, guesses);
  });
  return { predicted, embeddings: embeddings.values() };
}

/** The wrong rows, the most confident first: what people look at. */
export function gatherMistakes(
  labels: readonly string[],
  most: number,
): {
  readonly add: (block: Omit<AnsweredBlock, 'embeddings'>, predicted: Int32Array) => void;
  readonly items: () => readonly Mistake[];
} {
  const surest = firstFew<Mistake>(
    most,
    (one, other) => other.probability - one.probability || (one.rowId < other.rowId ? -1 : 1),
  );
  return {
    add({ ids, classes, probabilities, texts }, predicted) {
      for (const [row, rowId] of ids.entries()) {
        const [truth, guess] = [classes[row]!, predicted[row]!];
        if (truth === guess) continue;
        surest.add({
          rowId,
          expected: labels[truth]!,
          predicted: labels[guess]!,
          probability: probabilities[row * labels.length + guess]!,
          ...(texts === undefined ? {} : { text: wholeText(texts[row]!) }),
        });
      }
    },
    items: surest.items,
  };
}

/** `kept`: which rows of the block are, counted from its start. */
async function eachBlock(
  blocks: AsyncIterable<AnsweredBlock>,
  places: readonly number[],
  take: (block: AnsweredBlock, start: number, kept: readonly number[]) => void | Promise<void>,
): Promise<void> {
  let [start, next] = [0, 0];
  for await (const block of blocks) {
    const end = start + block.ids.length;
    const kept: number[] = [];
    for (; next < places.length && places[next]! < end; next++) kept.push(places[next]! - start);
    await take(block, start, kept);
    start = end;
  }
}

/** Some rows of row-major blocks, as one array of `count` rows. */
function gatherRows(count: number): {
  readonly take: (values: Float32Array, rows: number, kept: readonly number[]) => void;
  readonly values: () => Float32Array;
} {
  let values = new Float32Array();
  let at = 0;
  return {
    take(block, rows, kept) {
      const width = block.length / rows;
      if (values.length === 0) values = new Float32Array(count * width);
      for (const row of kept) {
        values.set(block.subarray(row * width, (row + 1) * width), at);
        at += width;
      }
    },
    values: () => values,
  };
}

/** How a classifier behaves on texts that no test split has: awkward ones, and harmless edits of known ones. */
import type { TextModel } from '../../inference/text-model.ts';
import { editTexts, sameInput, type TextInput } from '../../inference/texts.ts';
import type { Evaluation } from '../contract/validation.ts';
import type { Score } from '../contract/measures.ts';
import { edgeInputs, probabilityProblem } from './edge-inputs.ts';
import { MOST_EXAMPLES } from './gate-examples.ts';
import { argmaxRows } from './metrics.ts';
import { editsOf, type Perturbation } from './perturbations.ts';
import { shareScore } from './scores.ts';

type Answers = Pick<TextModel, 'run' | 'runAll'>;
interface Awkward {
  readonly name: string;
  readonly text: TextInput;
}

/** Asks each awkward text by itself ; a text that throws, or is answered with no distribution, is not ok. */
export async function checkEdgeInputs(
  model: Answers,
  classes: number,
  signal?: AbortSignal,
  inputs: readonly Awkward[] = edgeInputs(),
  /** What is wrong with an answer; by default with one that is no distribution. */
  problemOf: typeof probabilityProblem = probabilityProblem,
): Promise<Evaluation['edgeInputs'][number][]> {
  const results: Evaluation['edgeInputs'][number][] = [];
  for (const { name, text } of inputs) {
    signal?.throwIfAborted();
    const problem = await model.run([text]).then(
      ({ probabilities }) => problemOf(probabilities, classes),
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    results.push({ name, ok: problem === null, detail: problem ?? 'answered with a probability for every label' });
    await new Promise((resume) => setImmediate(resume)); // the runtime computes on this thread: heartbeats go between
  }
  return results;
}

export interface Flips {
  /** Share of texts whose label changes under at least one edit. */
  readonly score: Score;
  readonly byEdit: readonly { readonly name: string; readonly edited: number; readonly flipped: number }[];
  /** The first row that each edit changes, up to five. */
  readonly changed: readonly ChangedRow[];
}
/** A row, counted from the first that was edited, whose label an edit changes. */
export interface ChangedRow {
  readonly row: number;
  readonly edit: string;
  /** As edited; missing of pictures. */
  readonly after?: TextInput;
}

/** Applies every edit to every text. An edit that leaves a text as it is cannot flip it and is not asked again. */
export async function measureFlips(
  model: Answers,
  texts: readonly TextInput[],
  predicted: Int32Array,
  classes: number,
  options: {
    readonly signal?: AbortSignal;
    readonly onProgress?: (done: number, total: number) => void;
    readonly edits?: readonly Perturbation[];
    /** What the probabilities say of each row, as a number to be compared; by default the most probable label. */
    readonly decide?: (probabilities: Float32Array) => Int32Array;
  } = {},
): Promise<Flips> {
  const { signal, onProgress, edits = editsOf('flipRate') } = options;
  const { decide = (probabilities: Float32Array) => argmaxRows(probabilities, classes) } = options;
  const flipped = new Set<number>();
  const byEdit: Flips['byEdit'][number][] = [];
  const examples: ChangedRow[] = [];
  for (const [place, edit] of edits.entries()) {
    const edited = texts.flatMap((text, row) => {
      const changed = editTexts(text, (one) => edit.apply(one));
      return sameInput(changed, text) ? [] : [{ row, text: changed }];
    });
    const { probabilities } = await model.runAll(
      edited.map(({ text }) => text),
      signal === undefined ? {} : { signal },
    );
    const labels = decide(probabilities ?? new Float32Array());
    const changed = edited.filter(({ row }, index) => labels[index] !== predicted[row]);
    for (const { row } of changed) flipped.add(row);
    examples.push(...changed.slice(0, 1).map(({ row, text }) => ({ row, edit: edit.name, after: text })));
    byEdit.push({ name: edit.name, edited: edited.length, flipped: changed.length });
    onProgress?.(place + 1, edits.length);
  }
  return { score: shareScore(flipped.size, texts.length), byEdit, changed: examples.slice(0, MOST_EXAMPLES) };
}

/** What two models answered to the same rows, gathered row by row: numbers of all, and the few rows that are shown. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { ComparedRow } from '../contract/validation.ts';
import { lineBlocks } from '../data/line-blocks.ts';
import type { StepContext } from '../step.ts';
import { SAMPLE_ROWS } from './all-rows.ts';
import type { AskedBlock } from './compared-rows.ts';
import { firstFew } from './first-few.ts';
import { lineFile } from './prediction-lines.ts';

const EXAMPLES = 10;

/** What of `evaluation.json` is read here. */
export interface EvaluatedRows {
  readonly labels: readonly string[];
  /** All, or where there is `allPredictions` a sample. */
  readonly predictions: readonly EvaluatedRow[];
  readonly allPredictions?: { readonly file: ArtifactRef };
}
interface EvaluatedRow {
  readonly rowId: string;
  readonly predicted: string;
  readonly probability: number | null;
}

export interface BothAnswers {
  readonly expected: Int32Array;
  readonly before: Int32Array;
  readonly after: Int32Array;
  /** Rows that only the candidate has right, and that only production has; of each the first few, the candidate surest first. */
  readonly won: number;
  readonly lost: number;
  readonly wonExamples: readonly ComparedRow[];
  readonly lostExamples: readonly ComparedRow[];
  /** Of each label that is given to such a row or answered by the candidate: one that only production has right, the surest. */
  readonly lostOf: ReadonlyMap<number, ComparedRow>;
  /** All of them, or where they are many the file of JSON lines that holds them. */
  readonly rows: readonly ComparedRow[] | ArtifactRef;
}

/** A reason where production answers with no number, or the evaluation lacks a row. */
export async function gatherBoth(
  blocks: AsyncIterable<AskedBlock>,
  {
    count,
    labels,
    classesOf,
    evaluated,
  }: {
    /** At least as many as the blocks have. */
    readonly count: number;
    readonly labels: readonly string[];
    /** Production's answers in the order of the candidate's labels; -1 where there is none. */
    readonly classesOf: (probabilities: Float32Array) => Int32Array;
    readonly evaluated: EvaluatedRows;
  },
  context: Pick<StepContext, 'store' | 'workDir' | 'signal'>,
): Promise<BothAnswers | { readonly reason: string }> {
  const [expected, before, after] = [new Int32Array(count), new Int32Array(count), new Int32Array(count)];
  const answerTo = await candidateAnswers(evaluated, context);
  const surest = () => firstFew<Shown>(EXAMPLES, (one, other) => other.probability - one.probability);
  const [won, lost] = [
    { count: 0, few: surest() },
    { count: 0, few: surest() },
  ];
  const lostOf = new Map<number, Shown>();
  const inline: ComparedRow[] = [];
  const file = count > SAMPLE_ROWS ? lineFile('compared.jsonl', context) : null;
  let at = 0;
  for await (const { ids, classes, probabilities } of blocks) {
    const standing = classesOf(probabilities);
    if (standing.includes(-1)) {
      return { reason: 'the model in production answers a test row with numbers that are not finite' };
    }
    const shown: ComparedRow[] = [];
    for (const [row, rowId] of ids.entries()) {
      const answer = await answerTo(rowId);
      if (answer === undefined) return { reason: `the evaluation holds no answer to test row ${rowId}` };
      const [truth, old, young] = [classes[row]!, standing[row]!, labels.indexOf(answer.predicted)];
      [expected[at], before[at], after[at]] = [truth, old, young];
      at += 1;
      const one: ComparedRow = {
        rowId,
        expected: labels[truth]!,
        production: labels[old]!,
        candidate: labels[young]!,
      };
      shown.push(one);
      if ((young === truth) === (old === truth)) continue;
      const side = young === truth ? won : lost;
      side.count += 1;
      const example = { row: one, probability: answer.probability ?? 0 };
      side.few.add(example);
      if (side === won) continue;
      for (const label of [truth, young]) {
        if (example.probability > (lostOf.get(label)?.probability ?? -1)) lostOf.set(label, example);
      }
    }
    if (file === null) inline.push(...shown);
    else await file.write(shown);
  }
  const of = (values: Int32Array): Int32Array => values.subarray(0, at);
  return {
    expected: of(expected),
    before: of(before),
    after: of(after),
    won: won.count,
    lost: lost.count,
    wonExamples: won.few.items().map(({ row }) => row),
    lostExamples: lost.few.items().map(({ row }) => row),
    lostOf: new Map([...lostOf].map(([label, { row }]) => [label, row])),
    rows: file === null || at === 0 ? inline : await file.store(),
  };
}

interface Shown {
  readonly row: ComparedRow;
  readonly probability: number;
}

/** The candidate's answer to a row; the rows are asked for in the test split's order, in which a file of them stands. */
async function candidateAnswers(
  { predictions, allPredictions }: EvaluatedRows,
  { store, signal }: Pick<StepContext, 'store' | 'signal'>,
): Promise<(rowId: string) => EvaluatedRow | undefined | Promise<EvaluatedRow | undefined>> {
  if (allPredictions === undefined) {
    const byId = new Map(predictions.map((row) => [row.rowId, row]));
    return (rowId) => byId.get(rowId);
  }
  const { file } = allPredictions;
  const blocks = lineBlocks(await store.file(file, signal), file.name, signal);
  let [block, at]: [readonly unknown[], number] = [[], 0];
  return async (rowId) => {
    for (;;) {
      for (; at < block.length; at++) {
        const row = block[at] as EvaluatedRow;
        if (row.rowId === rowId) return row;
      }
      const next = await blocks.next();
      if (next.done === true) return undefined;
      [block, at] = [next.value, 0];
    }
  };
}

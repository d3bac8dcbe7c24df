/** The test split asked of the tuned model and of the frozen baseline: what examine-texts.ts and examine-pictures.ts share. */
import type { LabelPrediction } from '../../pipelines/custom-gates.ts';
import type { StepContext } from '../step.ts';
import { gatherFrozen, type AnsweredBlock, type KeptRows, type TunedAnswers } from './all-rows.ts';
import type { Baseline } from './baseline.ts';
import type { AllRows } from './examined.ts';
import { lineFile, predictionRow } from './prediction-lines.ts';

/** The second pass over the rows; where not all are kept, every prediction is written to a file on the way. */
export async function askFrozen(
  blocks: AsyncIterable<AnsweredBlock>,
  {
    tuned,
    labels,
    baseline,
  }: { readonly tuned: TunedAnswers; readonly labels: readonly string[]; readonly baseline: Baseline },
  context: Pick<StepContext, 'store' | 'workDir' | 'signal'>,
): Promise<{ readonly all: AllRows; readonly embeddings: Float32Array }> {
  const { kept, expected, predicted, judged, mistakes } = tuned;
  const rows = expected.length;
  const file = kept.places.length === rows ? null : lineFile('predictions.jsonl', context);
  const { predicted: frozen, embeddings } = await gatherFrozen(blocks, {
    rows,
    places: kept.places,
    classesOf: baseline.classesOf,
    onBlock: async ({ ids, texts }, start, classes) => {
      await file?.write(
        ids.map((rowId, at) =>
          predictionRow(labels, {
            rowId,
            expected: expected[start + at]!,
            predicted: predicted[start + at]!,
            probability: judged.confidence[start + at]!,
            frozen: classes[at]!,
            text: texts?.[at],
          }),
        ),
      );
    },
  });
  const predictions = file === null ? null : await file.store();
  return { all: { expected, predicted, frozen, judged, mistakes, predictions }, embeddings };
}

/** The same rows for the evaluation's details: those that are kept. */
export function keptPredictions({
  labels,
  all,
  test,
}: {
  readonly labels: readonly string[];
  readonly all: AllRows;
  readonly test: KeptRows;
}): readonly LabelPrediction[] {
  return test.ids.map((rowId, row) =>
    predictionRow(labels, {
      rowId,
      expected: test.expected[row]!,
      predicted: test.predicted[row]!,
      probability: all.judged.confidence[test.places[row]!]!,
      frozen: all.frozen[test.places[row]!]!,
      text: test.texts[row],
    }),
  );
}

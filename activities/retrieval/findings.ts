/** What every test picture finds, as a file of JSON lines: of many pictures and neighbours it is more than a text can hold. */
import type { ArtifactRef } from '../../artifacts/reference.ts';
import type { QueryFindings } from '../../pipelines/custom-gates.ts';
import type { AnsweredPictures } from '../selection/embed-pictures.ts';
import type { StepContext } from '../step.ts';
import { finiteOrNull } from '../validation/metrics.ts';
import { lineFile } from '../validation/prediction-lines.ts';
import type { Asked } from './ask-index.ts';

/** Lines that are written at once. */
const LINES = 500;

export async function putFindings(
  { ids, classes }: Pick<AnsweredPictures, 'ids' | 'classes'>,
  labels: readonly string[],
  { recallAtK, precisionAtK, averagePrecision, found }: Asked,
  context: Pick<StepContext, 'store' | 'workDir' | 'signal'>,
): Promise<ArtifactRef> {
  const file = lineFile('queries.jsonl', context);
  for (let start = 0; start < ids.length; start += LINES) {
    const lines = ids.slice(start, start + LINES).map((rowId, at): QueryFindings => {
      const query = start + at;
      return {
        rowId,
        label: labels[classes[query]!]!,
        recallAtK: finiteOrNull(recallAtK[query]!),
        precisionAtK: finiteOrNull(precisionAtK[query]!),
        averagePrecision: finiteOrNull(averagePrecision[query]!),
        found: found[query]!,
      };
    });
    await file.write(lines);
  }
  return file.store();
}

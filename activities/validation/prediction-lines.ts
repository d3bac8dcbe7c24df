/** What is kept of a test row's prediction: in the evaluation's details, and of very many rows in a file of JSON lines. */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { wholeText, type TextInput } from '../../inference/texts.ts';
import type { LabelPrediction } from '../../pipelines/custom-gates.ts';
import type { StepContext } from '../step.ts';
import { finiteOrNull } from './metrics.ts';

/** Classes are indices into the labels; `text` is missing where the row is none. Kept of it only where the model got it wrong, for whoever looks into it. */
export function predictionRow(
  labels: readonly string[],
  {
    rowId,
    expected,
    predicted,
    probability,
    frozen,
    text,
  }: {
    readonly rowId: string;
    readonly expected: number;
    readonly predicted: number;
    readonly probability: number;
    readonly frozen: number;
    readonly text: TextInput | undefined;
  },
): LabelPrediction {
  return {
    rowId,
    expected: labels[expected]!,
    predicted: labels[predicted]!,
    probability: finiteOrNull(probability),
    frozenProbe: labels[frozen] ?? null,
    ...(expected === predicted || text === undefined ? {} : { text: wholeText(text) }),
  };
}

/** JSON a line, written as it comes; nothing is held. */
export function lineFile(
  name: string,
  { store, workDir, signal }: Pick<StepContext, 'store' | 'workDir' | 'signal'>,
): { readonly write: (rows: readonly object[]) => Promise<void>; readonly store: () => Promise<ArtifactRef> } {
  const path = join(workDir, name);
  return {
    async write(rows) {
      signal.throwIfAborted();
      await appendFile(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    },
    store: () => store.putFile(path, { name, mediaType: 'application/jsonl', signal }),
  };
}

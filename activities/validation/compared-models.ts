/** What is asked of two models before their answers are compared: their files, their labels, and which rows one of them knows. */
import { EspalierError } from '../../artifacts/errors.ts';
import type { ArtifactRef } from '../../artifacts/reference.ts';
import { lineBlocks } from '../data/line-blocks.ts';
import type { StepContext } from '../step.ts';
import { IdSet } from './id-set.ts';

/** Ids of the rows that a model was trained or chosen on; null where its dataset is in the store no more. */
export async function idsSeen({ store, signal }: StepContext, dataset: ArtifactRef): Promise<IdSet | null> {
  const seen = new IdSet();
  try {
    for (const file of ['train.jsonl', 'validation.jsonl']) {
      for await (const block of lineBlocks(await store.fileInTree(dataset, file, signal), file, signal)) {
        for (const row of block) seen.add((row as { readonly id: string }).id);
      }
    }
    return seen;
  } catch (error) {
    if (error instanceof EspalierError && error.kind === 'NotFound') return null;
    throw error;
  }
}

/** Why two models of other labels cannot be compared; null where they know the same. */
export function otherLabels(labels: readonly string[], known: readonly string[]): string | null {
  const others = [
    ...labels.filter((label) => !known.includes(label)).map((label) => `only the new one knows '${label}'`),
    ...known.filter((label) => !labels.includes(label)).map((label) => `only the one in production knows '${label}'`),
  ];
  return others.length === 0 ? null : `their labels differ: ${summary(others)}`;
}

/** The first few: label lists can be long. */
function summary(reasons: readonly string[]): string {
  const some = reasons.slice(0, 6);
  return `${some.join(', ')}${some.length < reasons.length ? `, and ${reasons.length - some.length} more` : ''}`;
}

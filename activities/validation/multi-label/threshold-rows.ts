/** The validation rows that thresholds of several labels are fitted on, read in a stream. */
import type { ArtifactRef } from '../../../artifacts/reference.ts';
import type { MultiLabelledRows } from '../../data/dataset.ts';
import { multiLabelledAt, multiLabelledBlocks } from '../../data/multi-label-blocks.ts';
import { rowSizes } from '../../data/row-blocks.ts';
import type { StepContext } from '../../step.ts';
import { placesThatFit } from '../sample-rows.ts';
import { thresholdPlaces } from './thresholds.ts';

/** Those at `thresholdPlaces` that fit, in their order. Throws BadData as multiLabelledBlocks. */
export async function thresholdRows(
  dataset: ArtifactRef,
  labels: readonly string[],
  { store, signal }: Pick<StepContext, 'store' | 'signal'>,
): Promise<MultiLabelledRows> {
  const file = 'validation.jsonl';
  const sizes = await rowSizes(store, dataset, file, signal);
  const places = placesThatFit(thresholdPlaces(sizes.length), sizes, 0);
  return multiLabelledAt(multiLabelledBlocks(store, dataset, file, labels, signal), labels.length, places);
}

import type { Run } from '../run.ts';
import { approved } from './approve.ts';
import type { DatasetSummary } from '../../activities/contract/data.ts';

/** Licence and privacy as evidence, then a person's decision. true = go on. */
export async function review(run: Run, { dataset }: { readonly dataset: DatasetSummary }): Promise<boolean> {
  run.facts.privacy = await run.step('light', 'privacy', 'scanPrivacy', () => ({
    dataset: dataset.dataset,
    onPersonalData: run.pipeline.data.onPersonalData,
  }));
  return approved(run, 'review');
}

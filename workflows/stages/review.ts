import type { Run } from '../run.ts';
import { approved } from './approve.ts';
import type { DatasetSummary } from '../../activities/contract/data.ts';

/** Licence and privacy as evidence, then a person's decision. true = go on. */
export async function review(run: Run, { dataset }: { readonly dataset: DatasetSummary }): Promise<boolean> {
  const { data } = run.pipeline;
  // Of pictures there is no text to scan: their metadata were looked at, and left out, when the data were prepared.
  if (!('onPersonalData' in data)) run.engine.close(['privacy'], 'skipped');
  else {
    const { onPersonalData } = data;
    run.facts.privacy = await run.step('light', 'privacy', 'scanPrivacy', () => ({
      dataset: dataset.dataset,
      onPersonalData,
    }));
  }
  return approved(run, 'review');
}

import { ApplicationFailure } from '@temporalio/workflow';
import type { ErrorRecord } from '../../artifacts/errors.ts';
import { missingPrice, slotPrice, type SlotPrice } from '../../pipelines/inference-cost.ts';
import type { Run } from '../run.ts';

/** What a slot costs, where a limit of cost asks: nothing is fetched or measured for one that nobody could judge. */
export async function priceOfLimit(run: Run): Promise<SlotPrice | null> {
  const { selection } = run.pipeline;
  const price = slotPrice(await run.budget.prices());
  const missing = missingPrice(selection, price);
  if (missing === undefined) return price;
  const record: ErrorRecord = { kind: 'BadConfig', ...missing, retryable: false };
  throw ApplicationFailure.create({
    message: record.message,
    type: record.kind,
    nonRetryable: true,
    details: [record],
  });
}

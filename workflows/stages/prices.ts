import { ApplicationFailure, patched } from '@temporalio/workflow';
import type { ErrorRecord } from '../../artifacts/errors.ts';
import { unpricedBudget } from '../../pipelines/budget.ts';
import { missingPrice, slotPrice, type SlotPrice } from '../../pipelines/inference-cost.ts';
import type { Run } from '../run.ts';

/** What a slot costs, where a limit of cost asks: nothing is fetched or measured for one that nobody could judge. */
export async function priceOfLimit(run: Run): Promise<SlotPrice | null> {
  const { selection } = run.pipeline;
  const price = slotPrice(await run.budget.prices());
  const missing = missingPrice(selection, price);
  if (missing === undefined) return price;
  throw refusal(missing);
}

/** A budget of money that nobody could reckon ends the run before anything is fetched. One that began before this was asked goes on. */
export async function requireBudgetPrices({ budget, pipeline }: Run): Promise<void> {
  if (!patched('budget-of-money-needs-prices')) return;
  const missing = unpricedBudget(pipeline.budget, await budget.prices());
  if (missing !== undefined) throw refusal(missing);
}

function refusal(missing: Pick<ErrorRecord, 'message' | 'where' | 'fix'>): ApplicationFailure {
  const record: ErrorRecord = { kind: 'BadConfig', ...missing, retryable: false };
  return ApplicationFailure.create({
    message: record.message,
    type: record.kind,
    nonRetryable: true,
    details: [record],
  });
}

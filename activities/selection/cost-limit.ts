/** A limit of what 1,000 inferences may cost, of encoders and of generators alike. Pure. */
import { EspalierError } from '../../artifacts/errors.ts';
import { areWithin } from '../../pipelines/limits.ts';
import { costPer1000, missingPrice, type SlotPrice } from '../../pipelines/inference-cost.ts';
import { isBusy, TIME_IT_ANEW, untold } from './busy-machine.ts';
import { leastMean } from './least-time.ts';
import { figure } from './reasons.ts';

interface CostLimit {
  readonly maxCostPer1000?: number | undefined;
}

/** Throws BadConfig naming the field where the definition has a limit of cost and the workers have no price. */
export function requirePrice(selection: CostLimit, price: SlotPrice | null): void {
  const missing = missingPrice(selection, price);
  if (missing !== undefined) throw new EspalierError('BadConfig', missing.message, missing);
}

/** Why a model whose inference takes so long costs too much; empty where it does not. What is not known is over every limit. */
export function costFault(
  {
    meanMs,
    waitedShare,
    leastMs,
  }: {
    readonly meanMs: number | undefined;
    readonly waitedShare: number | null;
    /** What the median is at least on a free machine. */
    readonly leastMs?: number | undefined;
  },
  { maxCostPer1000 }: CostLimit,
  price: SlotPrice | null,
): readonly string[] {
  const cost = costPer1000(meanMs, price);
  if (areWithin([[cost ?? Number.NaN, maxCostPer1000]])) return [];
  const limit = `${figure(maxCostPer1000 ?? 0)} ${price?.currency ?? ''}`;
  if (cost === null) {
    return [
      `Its cost is not known: the time of an inference was not recorded, and the limit is ${limit} per 1,000 (selection.maxCostPer1000).`,
    ];
  }
  const is = `${price?.currency ?? ''} per 1,000 inferences is over the limit of ${limit} (selection.maxCostPer1000)`;
  if (!isBusy(waitedShare)) return [`Its cost of ${figure(cost)} ${is}.`];
  const least = leastMs === undefined ? null : costPer1000(leastMean(leastMs), price);
  return least !== null && least > (maxCostPer1000 ?? Infinity)
    ? [`Its cost of at least ${figure(least)} ${is}, whatever else the machine did.`]
    : [untold('cost', `${figure(cost)} ${is}`, waitedShare, TIME_IT_ANEW)];
}

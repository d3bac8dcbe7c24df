/** What a model costs to ask: its time on a slot of the queue that measures it, at that slot's price. Pure. */
import { answerTime, type Asked, type TimedAnswers } from './answer-time.ts';
import type { StatedPrices } from './budget.ts';

/** Candidates are timed on one thread of this queue's workers, and served by the like. */
const QUEUE = 'espalier-cpu';

/** What a slot costs for an hour, and who says so. */
export interface SlotPrice extends Pick<StatedPrices, 'currency' | 'source'> {
  readonly queue: string;
  readonly perHour: number;
}

/** null where the organisation does not say what the slot costs. */
export function slotPrice(prices: StatedPrices | null | undefined): SlotPrice | null {
  const perHour = prices?.perHour[QUEUE];
  return prices == null || perHour === undefined
    ? null
    : { queue: QUEUE, perHour, currency: prices.currency, source: prices.source };
}

/**
 * Of 1,000 inferences one after the other, in the price's currency: an input of an encoder, a whole answer of a generator
 * (`answerTime`), each of `meanMs`. null without a price, or where the time is not known.
 */
export function costPer1000(meanMs: number | undefined, price: SlotPrice | null): number | null {
  // A thousand times so many thousandths of a second.
  return meanMs === undefined || price === null ? null : (meanMs * price.perHour) / 3600;
}

/** The mean milliseconds that a limit of cost allows; undefined without a limit or a price. */
export function meanWithin(maxCostPer1000: number | undefined, price: SlotPrice | null): number | undefined {
  const ofOneMs = costPer1000(1, price);
  return maxCostPer1000 === undefined || ofOneMs === null || ofOneMs === 0 ? undefined : maxCostPer1000 / ofOneMs;
}

/** What the costs of several generators are of, in words; '' where no answer of any was timed. `show`: a number of tokens. */
export function pricedAnswers(
  candidates: readonly { readonly generator?: GeneratorRecord | undefined }[],
  show: (tokens: number) => string,
): string {
  const times = candidates.flatMap(({ generator: { profile, search } = {} }) =>
    profile === undefined || search === undefined ? [] : (answerTime(profile, search.best) ?? []),
  );
  if (times.length === 0) return '';
  const tokens = times.map((one) => one.tokens);
  const [least, most] = [show(Math.min(...tokens)), show(Math.max(...tokens))];
  const long = least === most ? least : `${least} to ${most}`;
  const as = times.some(({ of }) => of === 'timed')
    ? 'as they were timed, cut short'
    : 'as under the best prompt of each';
  return `answers of ${long} tokens, ${as}`;
}

interface GeneratorRecord {
  readonly profile?: TimedAnswers;
  readonly search?: { readonly best: Asked };
}

/** Why a limit of cost cannot be judged; undefined where it can, or where there is none. */
export function missingPrice(
  { maxCostPer1000 }: { readonly maxCostPer1000?: number | undefined },
  price: SlotPrice | null,
): { readonly message: string; readonly where: string; readonly fix: string } | undefined {
  if (maxCostPer1000 === undefined || price !== null) return undefined;
  return {
    message: `selection.maxCostPer1000 is ${maxCostPer1000}, and the workers have no price of ${QUEUE}: no cost can be held against it`,
    where: 'selection.maxCostPer1000',
    fix: `name a file with perHour.${QUEUE} by ESPALIER_PRICES on the workers (docs/operating.md, "What a run costs"), or leave the limit out`,
  };
}

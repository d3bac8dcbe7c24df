/** What of a run's budget is spent. Pure: the run asks before each piece of work that it could leave out. */
import { durationSeconds } from './duration.ts';
import type { Pipeline } from './definition.ts';

/** A step that has run, and whose workers it was on. */
export interface SpentStep {
  readonly queue?: string | undefined;
  /** For each device that it held. */
  readonly seconds: number;
}
export interface PricesPerHour {
  readonly currency: string;
  readonly perHour: Readonly<Record<string, number>>;
}
export interface StatedPrices extends PricesPerHour {
  /** Where they are from: it stands beside every sum. */
  readonly source: string;
}
export interface Spent {
  /** Since the run's start; waiting for people, or for a machine of a declared class, not counted. */
  readonly seconds: number;
  readonly steps: readonly SpentStep[];
  /** null: nobody says what machines cost. */
  readonly prices: PricesPerHour | null;
}

/** Why nothing more is begun that could be left out; undefined while there is time and money. */
export function overBudget(budget: Pipeline['budget'], spent: Spent): string | undefined {
  if (budget === undefined) return undefined;
  const { time, money } = budget;
  if (time !== undefined && spent.seconds >= durationSeconds(time)) {
    return `the time budget of ${time} had ended (${Math.round(spent.seconds)} s)`;
  }
  const cost = money === undefined ? 0 : moneySpent(spent);
  if (money !== undefined && cost >= money) {
    return `the budget of ${money} ${spent.prices?.currency ?? ''} had ended (${Number(cost.toPrecision(3))})`;
  }
  return undefined;
}

/**
 * Seconds that a piece of work may take until the budget ends; Infinity without one. `queue`: whose price counts. `sharers`:
 * pieces of the kind that have not ended, this one too. What runs beside it has spent nothing yet that is known, so that the
 * money is reserved in equal parts; a part only grows as others end with theirs. Time they spend together. `devices`: that
 * each piece holds, at a price each.
 */
export function secondsLeft(budget: Pipeline['budget'], spent: Spent, queue: string, sharers = 1, devices = 1): number {
  const { together, each } = shareLeft(budget, spent, queue, { sharers, reservedSeconds: 0, devices });
  return Math.min(together, each);
}

/**
 * Seconds until the time ends for all `sharers` together, and that the money lets each of them run, whether side by side or
 * one after the other; Infinity where nothing ends it. `reservedSeconds`: of work on the same queue that is to come after them.
 */
export function shareLeft(
  { time, money }: NonNullable<Pipeline['budget']> = {},
  spent: Spent,
  queue: string,
  {
    sharers,
    reservedSeconds,
    devices = 1,
  }: { readonly sharers: number; readonly reservedSeconds: number; readonly devices?: number },
): { readonly together: number; readonly each: number } {
  const together = time === undefined ? Number.POSITIVE_INFINITY : durationSeconds(time) - spent.seconds;
  const perHour = (spent.prices?.perHour[queue] ?? 0) * devices;
  const byMoney =
    money === undefined || perHour === 0 ? Number.POSITIVE_INFINITY : ((money - moneySpent(spent)) / perHour) * 3600;
  return {
    together: Math.max(0, together - reservedSeconds),
    each: Math.max(0, (byMoney - reservedSeconds) / sharers),
  };
}

export function moneySpent({ steps, prices }: Pick<Spent, 'steps' | 'prices'>): number {
  return steps.reduce((sum, { queue, seconds }) => sum + (seconds * (prices?.perHour[queue ?? ''] ?? 0)) / 3600, 0);
}

/** Why a budget of money would never end anything; undefined where it can, or where there is none. */
export function unpricedBudget(
  budget: Pipeline['budget'],
  prices: PricesPerHour | null | undefined,
): { readonly message: string; readonly where: string; readonly fix: string } | undefined {
  if (budget?.money === undefined) return undefined;
  if (Object.values(prices?.perHour ?? {}).some((perHour) => perHour > 0)) return undefined;
  return {
    message: `budget.money is ${budget.money}, and nobody says what a machine costs: it would never end anything`,
    where: 'budget.money',
    fix: 'name a file with perHour by ESPALIER_PRICES on the workers (docs/operating.md, "What a run costs"), or leave it out: budget.time needs no prices',
  };
}

/** Devices that each training of a pipeline holds. */
export function processesOf({ training }: Pick<Pipeline, 'training'>): number {
  return training?.processes ?? 1;
}

/** Whether a step is a training, which holds as many devices as it has processes (`training.processes`). */
export function isTraining(stepId: string): boolean {
  return /^(train$|trial:|prototype:)/.test(stepId);
}

/** What of a run's budget is spent. Pure: the run asks before each piece of work that it could leave out. */
import { durationSeconds } from './duration.ts';
import type { Pipeline } from './definition.ts';

/** A step that has run, and whose workers it was on. */
export interface SpentStep {
  readonly queue?: string | undefined;
  readonly seconds: number;
}
export interface PricesPerHour {
  readonly currency: string;
  readonly perHour: Readonly<Record<string, number>>;
}
export interface Spent {
  /** Since the run's start, waiting for people not counted. */
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
 * money is reserved in equal parts; a part only grows as others end with theirs. Time they spend together.
 */
export function secondsLeft(budget: Pipeline['budget'], spent: Spent, queue: string, sharers = 1): number {
  const { time, money } = budget ?? {};
  const byTime = time === undefined ? Number.POSITIVE_INFINITY : durationSeconds(time) - spent.seconds;
  const perHour = spent.prices?.perHour[queue] ?? 0;
  const byMoney =
    money === undefined || perHour === 0
      ? Number.POSITIVE_INFINITY
      : ((money - moneySpent(spent)) / sharers / perHour) * 3600;
  return Math.max(0, Math.min(byTime, byMoney));
}

export function moneySpent({ steps, prices }: Pick<Spent, 'steps' | 'prices'>): number {
  return steps.reduce((sum, { queue, seconds }) => sum + (seconds * (prices?.perHour[queue ?? ''] ?? 0)) / 3600, 0);
}

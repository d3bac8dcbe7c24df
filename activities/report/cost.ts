/** What a run took, by queue, from its own record: seconds, attempts, bytes, and money where there are prices. Pure. */
import { isTraining, processesOf } from '../../pipelines/budget.ts';
import type { RunFacts, StepFact } from '../contract/evidence.ts';
import type { Prices } from './prices.ts';
import type { Stored } from './stored.ts';

/** The steps of one queue. */
export interface QueueCost {
  readonly queue: string;
  /** Steps that this run computed, and those whose results were there already. */
  readonly computed: number;
  readonly reused: number;
  readonly attempts: number;
  /** Seconds that attempts ran, as far as they told, by their workers' clocks, times the devices that each held. */
  readonly ranSeconds: number;
  /** From the steps' begin to their end in the run, times devices: queueing and failed attempts included. */
  readonly elapsedSeconds: number;
}

/** Bounds: what the attempts told comes to, and what all the time would. */
export interface Bounds {
  readonly least: number;
  readonly most: number;
}

export interface Cost {
  readonly queues: readonly QueueCost[];
  /** What the training ran on; null before it, or where its result was there already. */
  readonly device: string | null;
  readonly devices: number;
  readonly stored: Stored | null;
  /** As the organisation states them; missing without. */
  readonly prices?: Prices;
  /** null without prices. Queues without a price are named: they are no part of the sum. */
  readonly money: {
    readonly currency: string;
    readonly source: string;
    readonly computing: Bounds;
    readonly storageAMonth: number | null;
    readonly unpriced: readonly string[];
  } | null;
}

export function costOf(
  { steps, training, pipeline }: Pick<RunFacts, 'steps' | 'training' | 'pipeline'>,
  stored: Stored | null,
  prices?: Prices,
): Cost {
  const devices = training?.environment.processes ?? processesOf(pipeline);
  const names = [...new Set(steps.flatMap(({ queue }) => queue ?? []))].toSorted();
  const queues = names
    .map((queue) => queueCost(queue, steps, devices))
    .filter(({ computed, reused }) => computed + reused > 0);
  const trained = steps.find(({ id }) => id === 'train');
  return {
    queues,
    device: trained === undefined || trained.reused === true ? null : (training?.environment.device ?? null),
    devices,
    stored,
    ...(prices === undefined ? {} : { prices }),
    money: prices === undefined ? null : moneyOf(queues, stored, prices),
  };
}

function queueCost(queue: string, all: readonly StepFact[], devices: number): QueueCost {
  const ended = all.filter((step) => step.queue === queue && step.finishedAt !== undefined);
  const computed = ended.filter(({ reused }) => reused !== true);
  const held = (step: StepFact): number => (isTraining(step.id) ? devices : 1);
  return {
    queue,
    computed: computed.length,
    reused: ended.length - computed.length,
    attempts: sum(computed.map(({ attempt = 1 }) => attempt)),
    ranSeconds: sum(computed.map((step) => (step.ranSeconds ?? 0) * held(step))),
    elapsedSeconds: sum(computed.map((step) => secondsBetween(step) * held(step))),
  };
}

function moneyOf(queues: readonly QueueCost[], stored: Stored | null, prices: Prices): Cost['money'] {
  const priced = queues.flatMap((one) => {
    const perHour = prices.perHour[one.queue];
    return perHour === undefined ? [] : [{ ...one, perSecond: perHour / 3600 }];
  });
  return {
    currency: prices.currency,
    source: prices.source,
    computing: {
      least: sum(priced.map(({ ranSeconds, perSecond }) => ranSeconds * perSecond)),
      most: sum(
        priced.map(({ ranSeconds, elapsedSeconds, perSecond }) => Math.max(ranSeconds, elapsedSeconds) * perSecond),
      ),
    },
    storageAMonth:
      prices.perGigabyteMonth === undefined || stored === null ? null : (stored.bytes / 1e9) * prices.perGigabyteMonth,
    unpriced: queues.filter(({ queue }) => prices.perHour[queue] === undefined).map(({ queue }) => queue),
  };
}

function secondsBetween({ startedAt, finishedAt }: StepFact): number {
  const seconds = (Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '')) / 1000;
  return Number.isFinite(seconds) ? Math.max(0, seconds) : 0;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

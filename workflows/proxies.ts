/** One activity proxy per promise, each with its reason. Activity ids are step ids, so that heartbeats can be found by step. */
import { ActivityCancellationType, proxyActivities, type ActivityOptions } from '@temporalio/workflow';
import type { Activities } from '../activities/contract.ts';
import { TASK_QUEUES } from './messages.ts';

/** How a class of steps is retried and given up. */
const PROMISES = {
  /** Storage and pure work: idempotent by step key, so retry freely; minutes at most. */
  light: {
    taskQueue: TASK_QUEUES.orchestration,
    startToCloseTimeout: '30m',
    retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 10 },
  },
  /**
   * Pictures are read, and each compared with those that may look like it: of a million whose hashes are the worst for that (bench/near-pictures.ts), longer than
   * half an hour.
   */
  pictures: {
    taskQueue: TASK_QUEUES.orchestration,
    startToCloseTimeout: '12h',
    retry: { initialInterval: '1s', maximumInterval: '1m', maximumAttempts: 6 },
  },
  /** Export, probes, evaluation, attacks: CPU-bound, idempotent. Half a day embeds a million rows; a worker that is lost shows by its heartbeat. */
  cpu: {
    taskQueue: TASK_QUEUES.cpu,
    startToCloseTimeout: '12h',
    retry: { initialInterval: '1s', maximumInterval: '1m', maximumAttempts: 6 },
  },
  /**
   * Profiles and evaluations, which time a model. A machine of another class than the run declares refuses at once, which is no try of the step
   * (activities/attempt-failures.ts): a minute later another one may have it, for a quarter of an hour, and then anew (right-machine.ts). What fails otherwise has `cpu`'s six
   * tries, which the step counts itself (`tries`).
   */
  timed: {
    taskQueue: TASK_QUEUES.cpu,
    startToCloseTimeout: '12h',
    retry: { initialInterval: '1s', maximumInterval: '1m', maximumAttempts: 24 * 60 },
  },
  /** Downloads: the other side may be down for a while. */
  fetch: {
    taskQueue: TASK_QUEUES.orchestration,
    startToCloseTimeout: '6h',
    retry: { initialInterval: '2s', maximumInterval: '1m', maximumAttempts: 8 },
  },
  /** A hub that may be out of reach by design: one more try, then the candidate is dropped with the reason. */
  fetchOnce: {
    taskQueue: TASK_QUEUES.orchestration,
    startToCloseTimeout: '6h',
    retry: { initialInterval: '2s', maximumAttempts: 2 },
  },
  /**
   * Days long; every attempt goes on from the last checkpoint, so attempts are cheap and a lost worker is no failure: it
   * is retried for ever. An error of the step's own does end it: those that recur are made final where the cause is known
   * (the trainer's at the same step again), and any at all from the 20th attempt on (activities/attempt-failures.ts). The tenth lost
   * worker is replaced as fast as the first; errors of the step's own bring their growing delay along (there, too).
   */
  gpu: {
    taskQueue: TASK_QUEUES.gpu,
    startToCloseTimeout: '30d',
    retry: { initialInterval: '1s', backoffCoefficient: 1 },
  },
  /** As long as the training beside it. Attempts are cheap: each finds the jobs of the one before. */
  provision: {
    taskQueue: TASK_QUEUES.provision,
    startToCloseTimeout: '30d',
    retry: { initialInterval: '1s', maximumInterval: '1m' },
  },
  /** Moves a pointer by compare-and-swap: a second attempt finds its own move. */
  deploy: {
    taskQueue: TASK_QUEUES.deploy,
    startToCloseTimeout: '15m',
    retry: { initialInterval: '1s', maximumInterval: '30s', maximumAttempts: 5 },
  },
  /** A receiver may be down for a night's maintenance: about four hours, then the delivery log says what was not told. */
  notify: {
    taskQueue: TASK_QUEUES.orchestration,
    startToCloseTimeout: '10m',
    retry: { initialInterval: '5s', backoffCoefficient: 3, maximumInterval: '1h', maximumAttempts: 10 },
  },
} as const satisfies Record<string, ActivityOptions>;

/**
 * A training beats every second, and how long a lost worker stays unnoticed is most of what its loss costs: 6 s leave 4 of
 * the 10 s in which it should train again elsewhere for the retry, loading and the first step. Five beats must be missed: a
 * worker that is starved for so long, or an outage of the server, costs a second start from the newest checkpoint, and
 * never the result (the attempt given up is fenced). The other steps would begin anew: they keep the run's own, longer limit.
 */
const TRAINING_HEARTBEAT_SECONDS = 6;

/** Seconds without a sign of life after which a step's worker counts as lost; `heartbeatSeconds` is the run's own limit. */
export function heartbeatLimit(promise: keyof typeof PROMISES, heartbeatSeconds: number): number {
  return promise === 'gpu' ? Math.min(TRAINING_HEARTBEAT_SECONDS, heartbeatSeconds) : heartbeatSeconds;
}

/** Whose workers a step of this promise is for. */
export function queueOf(promise: keyof typeof PROMISES): string {
  return PROMISES[promise].taskQueue;
}

/** `taskQueue`: another than the promise's own. */
export type StepActivities = (stepId: string, title: string, taskQueue?: string) => Activities;
export type StepProxies = Record<keyof typeof PROMISES, StepActivities>;

export function stepProxies(heartbeatSeconds: number): StepProxies {
  const proxies =
    (options: ActivityOptions, limitSeconds: number): StepActivities =>
    (stepId, title, taskQueue) =>
      proxyActivities<Activities>({
        ...options,
        ...(taskQueue === undefined ? {} : { taskQueue }),
        activityId: stepId,
        summary: title,
        heartbeatTimeout: `${limitSeconds}s`,
        // The child must be gone before the step counts as cancelled.
        cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
      });
  const names = Object.keys(PROMISES) as (keyof typeof PROMISES)[];
  return Object.fromEntries(
    names.map((name) => [name, proxies(PROMISES[name], heartbeatLimit(name, heartbeatSeconds))]),
  ) as StepProxies;
}

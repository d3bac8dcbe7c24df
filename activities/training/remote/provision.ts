/**
 * A training's own worker: `provisionWorker` sees to it that there is one for as long as it is not cancelled, and
 * `releaseWorker` takes it away. Both find what earlier attempts left by the names of the jobs, and may be killed anywhere.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { Context } from '@temporalio/activity';
import { EspalierError } from '../../../artifacts/errors.ts';
import { durationSeconds } from '../../../pipelines/duration.ts';
import { LauncherSchema, type LauncherSpec } from '../../../pipelines/launcher.ts';
import type { Activities, Progress, StepCall } from '../../contract.ts';
import type { OwnWorkerInput } from '../../contract/training.ts';
import { heart } from '../../heartbeat.ts';
import { toFailure } from '../../attempt-failures.ts';
import { jobName, nextOrdinal, type Cluster, type WorkerJob } from './cluster.ts';
import { kubernetesCluster } from './kubernetes.ts';
import { rayCluster } from './ray.ts';
import { HOPELESS_MS, judge, patience, type Limits, type Standing, type Verdict } from './standing.ts';

const LOOK_EVERY_MS = 5000;

export interface ProvisionOptions {
  readonly lookEveryMs?: number;
  readonly limits?: Partial<Limits>;
}

type OwnWorkerActivities = Pick<Activities, 'provisionWorker' | 'releaseWorker'>;

export function ownWorkerActivities(options: ProvisionOptions = {}): OwnWorkerActivities {
  const activity =
    (body: (cluster: Cluster, call: StepCall<OwnWorkerInput>, told: Told) => Promise<void>) =>
    async (call: StepCall<OwnWorkerInput>): Promise<void> => {
      const context = Context.current();
      const beat = heart(context);
      try {
        const told = { progress: beat.progress, signal: context.cancellationSignal };
        // Settings that were changed in a run come without the defaults beside them.
        const launcher = LauncherSchema.parse(call.input.launcher);
        await body(openCluster(launcher), { ...call, input: { ...call.input, launcher } }, told);
      } catch (error) {
        throw toFailure(error, call.stepId, context.info.attempt);
      } finally {
        beat.stop();
      }
    };
  return {
    provisionWorker: activity((cluster, call, told) => new Provision(cluster, call, told, options).watch()),
    releaseWorker: activity(async (cluster, { input: { taskQueue } }) => {
      for (const { name } of (await cluster.jobs(taskQueue)).filter(isLiving)) await cluster.stop(name);
    }),
  };
}

function openCluster(launcher: LauncherSpec): Cluster {
  return launcher.kind === 'ray' ? rayCluster(launcher) : kubernetesCluster(launcher);
}

const isLiving = ({ state }: WorkerJob): boolean => state !== 'ended';

interface Told {
  progress(progress: Progress): void;
  readonly signal: AbortSignal;
}

class Provision {
  readonly #cluster: Cluster;
  readonly #call: StepCall<OwnWorkerInput>;
  readonly #told: Told;
  readonly #lookEveryMs: number;
  readonly #limits: Limits;
  #standing: Standing = { workerAtMs: Date.now(), ends: 0 };
  /** The job that is or was to be the worker. */
  #present: string | undefined;

  constructor(cluster: Cluster, call: StepCall<OwnWorkerInput>, told: Told, options: ProvisionOptions) {
    const startMs = durationSeconds(call.input.launcher.startWithin) * 1000;
    this.#cluster = cluster;
    this.#call = call;
    this.#told = told;
    this.#lookEveryMs = options.lookEveryMs ?? LOOK_EVERY_MS;
    this.#limits = { startMs, hopelessMs: HOPELESS_MS, ...options.limits };
  }

  /** Never ends by itself, unless by an error that nothing but a person can mend. */
  async watch(): Promise<never> {
    const { signal } = this.#told;
    for (;;) {
      const verdict = await this.#step().catch((error: unknown) => this.#blind(error));
      if (verdict.action === 'give-up') throw this.#problem(verdict.problem);
      await sleep(this.#lookEveryMs, undefined, { signal });
    }
  }

  async #step(): Promise<Verdict> {
    const verdict = await this.#look();
    if (verdict.action !== 'submit') return verdict;
    // Whatever becomes of the submission, the one before is history.
    this.#present = undefined;
    await sleep(verdict.afterMs, undefined, { signal: this.#told.signal });
    await this.#submit();
    return { action: 'wait' };
  }

  async #look(): Promise<Verdict> {
    const jobs = await this.#cluster.jobs(this.#call.input.taskQueue, this.#told.signal);
    // An earlier attempt's, where it lives; what ended before this attempt began is history.
    this.#present ??= jobs.find(isLiving)?.name;
    const gone = { state: 'ended', reason: 'it is no longer known' } as const;
    const present = this.#present;
    const seen = present === undefined ? undefined : (jobs.find(({ name }) => name === present) ?? gone);
    const { standing, verdict } = judge(this.#standing, seen, Date.now(), this.#limits);
    this.#standing = standing;
    this.#report(seen);
    return verdict;
  }

  async #submit(): Promise<void> {
    const { runId, input } = this.#call;
    const { taskQueue: queue } = input;
    const jobs = await this.#cluster.jobs(queue, this.#told.signal);
    // An attempt that was given up may still be at it: whichever submits first, it is one job for both.
    const living = jobs.find(isLiving)?.name;
    const name = living ?? jobName(queue, nextOrdinal(queue, jobs));
    try {
      if (living === undefined) await this.#cluster.submit({ name, queue, runId }, this.#told.signal);
    } catch (error) {
      if (!(error instanceof EspalierError && error.kind === 'Conflict')) throw error;
    }
    this.#present = name;
  }

  /** A cluster that cannot be asked: no harm while a worker runs; without one, what it refuses for good is the end. */
  #blind(error: unknown): Verdict {
    this.#told.signal.throwIfAborted();
    if (!(error instanceof EspalierError)) throw error;
    this.#told.progress({ phase: 'the cluster cannot be asked', note: error.message });
    if (!error.retryable && this.#standing.runningSinceMs === undefined) throw error;
    return patience(this.#standing, error.message, Date.now(), this.#limits);
  }

  #report(seen: Pick<WorkerJob, 'state' | 'reason'> | undefined): void {
    const phase = seen?.state === 'running' ? 'a worker is there' : 'waiting for a worker';
    this.#told.progress({ phase, ...(seen === undefined ? {} : { note: `${this.#present}: ${seen.reason}` }) });
  }

  #problem(problem: string): EspalierError {
    const { launcher, taskQueue } = this.#call.input;
    return new EspalierError('BadConfig', `the training gets no worker on ${launcher.kind}: ${problem}`, {
      where: this.#present ?? taskQueue,
      fix: 'see the log of the job; then retry the step, with changed training.launcher settings where they are wrong',
    });
  }
}

/**
 * Where a gpu worker of a training's own comes from: one job on a cluster, which polls the training's queue. This is the
 * level of machines; `launchers/` beside it is that of processes, and works on such a worker as on any other.
 */
import { EspalierError, type ErrorKind } from '../../../artifacts/errors.ts';

export interface WorkerJob {
  readonly name: string;
  readonly state: 'pending' | 'running' | 'ended';
  /** What it waits for, or how it ended, in the cluster's words. */
  readonly reason: string;
  /** While pending: it waits for nothing that comes by itself, as an image that is not there. */
  readonly hopeless?: boolean;
}

/** Every call throws NetworkUnavailable when nobody answers, and BadConfig for what will be refused again. */
export interface Cluster {
  /** The jobs of a queue that it remembers. */
  jobs(queue: string, signal?: AbortSignal): Promise<readonly WorkerJob[]>;
  /** Throws Conflict when there is a job of that name. */
  submit(job: JobRequest, signal?: AbortSignal): Promise<void>;
  /** Ends a job as a machine's owner would: SIGTERM, later SIGKILL. One that is gone already is fine. */
  stop(name: string, signal?: AbortSignal): Promise<void>;
}

export interface JobRequest {
  /** A DNS label: queue and ordinal. */
  readonly name: string;
  readonly queue: string;
  readonly runId: string;
}

/** What an HTTP status of a cluster's API means to whoever called it; `fix` has the ways out. */
export function refusalOf(
  status: number,
  message: string,
  where: string,
  fix: Readonly<Record<'denied' | 'missing' | 'trouble' | 'other', string>>,
): EspalierError {
  const problem = (kind: ErrorKind, way: string): EspalierError =>
    new EspalierError(kind, message, { where, fix: way });
  if (status === 401 || status === 403) return problem('BadConfig', fix.denied);
  if (status === 404) return problem('NotFound', fix.missing);
  if (status === 409) return problem('Conflict', 'watch the job that is there');
  if (status === 429 || status >= 500) return problem('NetworkUnavailable', fix.trouble);
  return problem('BadConfig', fix.other);
}

/** The 7th job of a queue: `espalier-gpu-…-train-1-7`. */
export function jobName(queue: string, ordinal: number): string {
  return `${queue}-${ordinal}`;
}

/** The next free ordinal of a queue, from 1. */
export function nextOrdinal(queue: string, jobs: readonly WorkerJob[]): number {
  return 1 + Math.max(0, ...jobs.map(({ name }) => Number(name.slice(queue.length + 1))));
}

/** Far longer than a training waits for its next attempt: what comes later comes never. */
const IDLE_SECONDS = 600;

/** What a worker of its own is told besides what its machine knows. Nothing secret: every cluster shows it to whoever looks. */
export function workerEnvironment(queue: string): Readonly<Record<string, string>> {
  return {
    ESPALIER_GPU_QUEUE: queue,
    ESPALIER_IDLE_SECONDS: String(IDLE_SECONDS),
    // It trains once, at once: a process that stands by would compete with it.
    ESPALIER_STANDBY: '0',
    // A version would gain a queue by every training.
    ESPALIER_BUILD_ID: '',
    ESPALIER_DEPLOYMENT_NAME: '',
  };
}

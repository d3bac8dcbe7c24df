/** What each fault does, and to whom. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RESET_EVERY_MS } from '../support/faults-proxy.ts';
import type { FaultStack, RowHost, WorkerName } from '../support/faults-stack.ts';
import type { Moments } from './moments.ts';
import type { Fault } from './table.ts';

const HANG_MS = 10_000;
const PARTITION_MS = 8_000;
/** Longer than the store's own five tries: the step has to be tried again. */
const BURST_MS = 5_000;
const DISK_FULL_MS = 6_000;
const DELAY_MS = 150;
const RESETS = 4;
const TRUNCATIONS = 3;
/** A trainer is there within seconds of its step's start, on a busy machine within a minute. */
const TRAINER_WAIT_MS = 90_000;

/** Does it, and resolves when it is over: the service is back, the network is whole, the process goes on. */
export async function inflict(
  { who, what, when }: Fault,
  stack: FaultStack,
  host: RowHost,
  moments: Moments,
  ended: AbortSignal,
): Promise<void> {
  const { s3, temporalProxy } = stack;
  const proxy = who === 'proxyTemporal' ? temporalProxy : s3;
  const worker = workerAt(when, moments);
  switch (what) {
    case 'partition':
      return proxy.partition(PARTITION_MS);
    case 'latency':
      return proxy.latency(DELAY_MS, BURST_MS);
    case 'reset':
      return proxy.reset(RESETS);
    case '5xx':
      return s3.unavailable(BURST_MS);
    case 'slowBody':
      return s3.slowBodies(BURST_MS);
    case 'truncate':
      return s3.truncate(TRUNCATIONS);
    case 'diskFull':
      if (!stack.disks) return;
      return who === 'gateway' ? stack.fillStore(DISK_FULL_MS) : host.fillDisk(DISK_FULL_MS);
    case 'restart':
      if (who === 'worker') return host.restart(worker);
      break;
    case 'kill':
    case 'term':
    case 'stop10s':
  }
  const signal = what === 'kill' ? 'SIGKILL' : what === 'stop10s' ? 'SIGSTOP' : 'SIGTERM';
  const pid = await hit(signal, () => victim(who, worker, stack, host, ended), ended);
  if (pid === undefined) return;
  if (what === 'stop10s') {
    await sleep(HANG_MS);
    goOn(pid);
  }
  if (who === 'gateway' || who === 'temporal') {
    // Not before it was seen to be gone: the old one may still accept a connection.
    await sleep(RESET_EVERY_MS);
    await stack.healthy();
  }
}

/** The worker that has the step of this point. */
function workerAt(when: Fault['when'], moments: Moments): WorkerName {
  if (typeof when === 'number') return moments.training ? 'worker-gpu' : 'worker-pipeline';
  return ['export', 'gates', 'deploy'].includes(when) ? 'worker-pipeline' : 'worker-gpu';
}

async function victim(
  who: Fault['who'],
  worker: WorkerName,
  stack: FaultStack,
  host: RowHost,
  ended: AbortSignal,
): Promise<number | undefined> {
  if (who === 'worker') return stack.pid(worker);
  if (who === 'gateway') return stack.pid('s3');
  if (who === 'temporal') return stack.pid('temporal');
  const deadline = Date.now() + TRAINER_WAIT_MS;
  while (Date.now() < deadline && !ended.aborted) {
    const [pid] = await host.trainers();
    if (pid !== undefined) return pid;
    await sleep(10);
  }
  throw new Error('there was no training process to hit');
}

/**
 * Sends the signal to whoever it is for, and says who that was. One that another fault has just ended is hit once its
 * successor is there: a fault that hit nobody would count as survived. Undefined: the run ended first.
 */
async function hit(
  signal: NodeJS.Signals,
  find: () => Promise<number | undefined>,
  ended: AbortSignal,
): Promise<number | undefined> {
  while (!ended.aborted) {
    const pid = await find();
    if (pid === undefined) return undefined;
    try {
      process.kill(pid, signal);
      return pid;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      await sleep(20);
    }
  }
  return undefined;
}

function goOn(pid: number): void {
  try {
    process.kill(pid, 'SIGCONT');
  } catch {
    // Somebody else has ended it meanwhile.
  }
}

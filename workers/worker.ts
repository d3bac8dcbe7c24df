/** What every Espalier worker process has in common: its services, its connection, its promises to a running step. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Connection } from '@temporalio/client';
import { NativeConnection, Worker, type WorkerOptions } from '@temporalio/worker';
import type { ActivityServices } from '../activities/step.ts';
import { createActivities } from '../activities/index.ts';
import { openStore } from '../artifacts/open.ts';
import { connectTemporal, type Environment } from '../client/connection.ts';
import { trainerPython } from '../infra/tools.ts';
import { PIPELINE_ATTRIBUTE, STATE_ATTRIBUTE } from '../workflows/messages.ts';
import { temporalScheduler } from './scheduler.ts';

export interface WorkerProcess {
  /** Resolves when every worker has stopped, by `shutdown` or a signal. */
  run(): Promise<void>;
  shutdown(): void;
}

/** A queue this process polls. `slots`: how many activities at once. */
export interface QueueRole {
  readonly taskQueue: string;
  readonly slots: number;
  readonly workflows?: boolean;
}

/** A step gets this long to leave a checkpoint when its worker is asked to stop. */
const SHUTDOWN_GRACE = '15s';

export async function createWorkerProcess(env: Environment, queues: readonly QueueRole[]): Promise<WorkerProcess> {
  const temporal = await connectTemporal(env);
  const { client, namespace } = temporal;
  const connection = await NativeConnection.connect(temporal.connectionOptions);
  await ensureSearchAttributes(client.connection as Connection, namespace);
  const { store, pointers, close: closeStore } = await openStore(env);
  const services: ActivityServices = {
    store,
    pointers,
    python: trainerPython(env),
    ...(env['ESPALIER_SERVING_URL'] === undefined ? {} : { servingUrl: env['ESPALIER_SERVING_URL'] }),
  };
  const activities = createActivities(services, temporalScheduler(client));
  const workers = await Promise.all(
    queues.map(({ taskQueue, slots, workflows }) =>
      Worker.create({
        connection,
        namespace,
        taskQueue,
        activities,
        maxConcurrentActivityTaskExecutions: slots,
        shutdownGraceTime: SHUTDOWN_GRACE,
        // The SDK holds heartbeats back for up to 60 s, and a cancellation only comes with the answer to one: a training
        // must be gone 5 s after it was cancelled.
        maxHeartbeatThrottleInterval: '1s',
        defaultHeartbeatThrottleInterval: '1s',
        ...(workflows === true ? workflowSource() : {}),
      }),
    ),
  );
  return {
    async run() {
      try {
        await Promise.all(workers.map((worker) => worker.run()));
      } finally {
        await temporal.close();
        closeStore();
        await connection.close();
      }
    },
    shutdown: () => workers.filter((worker) => worker.getState() === 'RUNNING').forEach((worker) => worker.shutdown()),
  };
}

/** The bundle that set-up built, where there is one; from source it is bundled at start (a few seconds). */
function workflowSource(): Pick<WorkerOptions, 'workflowBundle' | 'workflowsPath'> {
  const codePath = fileURLToPath(new URL('../workflow-bundle.js', import.meta.url));
  if (existsSync(codePath)) return { workflowBundle: { codePath } };
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return { workflowsPath: fileURLToPath(new URL(`../workflows/index.${extension}`, import.meta.url)) };
}

/** Temporal's IndexedValueType for KEYWORD. */
const KEYWORD = 2;

/** An unregistered attribute would hang a run without a word: register ours, once. */
async function ensureSearchAttributes(connection: Connection, namespace: string): Promise<void> {
  const wanted = [PIPELINE_ATTRIBUTE.name, STATE_ATTRIBUTE.name];
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing = wanted.filter((name) => !(name in (customAttributes ?? {})));
  if (missing.length === 0) return;
  try {
    await connection.operatorService.addSearchAttributes({
      namespace,
      searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
    });
  } catch (error) {
    // Another worker may have been first.
    if (!/already exist/i.test((error as Error).message)) throw error;
  }
}

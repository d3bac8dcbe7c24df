/** What every Espalier worker process has in common: its services, its connection, its promises to a running step. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Connection } from '@temporalio/client';
import { NativeConnection, Runtime, Worker, type WorkerOptions } from '@temporalio/worker';
import { createActivities } from '../activities/index.ts';
import { readCustomGates } from '../activities/validation/custom-gates/module.ts';
import { readPrices } from '../activities/report/prices.ts';
import type { ActivityServices } from '../activities/step.ts';
import { EspalierError } from '../artifacts/errors.ts';
import { openStore } from '../artifacts/open.ts';
import { noteKeys } from '../artifacts/key-changes.ts';
import { readTrustedKeys } from '../artifacts/signing-keys.ts';
import { openSigner } from '../artifacts/open-signer.ts';
import { collectUploads } from '../artifacts/upload.ts';
import { connectTemporal, type Environment } from '../client/connection.ts';
import { openNotifying } from '../client/notifications.ts';
import { trainerPython } from '../infra/tools.ts';
import { PIPELINE_ATTRIBUTE, STATE_ATTRIBUTE, TASK_QUEUES } from '../workflows/messages.ts';
import { endWhenIdle, idleLimitMs } from './idle.ts';
import { temporalScheduler } from './scheduler.ts';
import { clearDeadWorkFolders, openWorkFolder } from './work-folder.ts';

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

export async function createWorkerProcess(
  env: Environment,
  queues: readonly QueueRole[],
  own: Pick<ActivityServices, 'devices' | 'launcher'> = {},
): Promise<WorkerProcess> {
  // What can be wrong without anybody's help is found before anything is opened: no run shall train for hours and then
  // find that its release cannot be signed.
  const [life, idleMs, python] = [workerLife(env), idleLimitMs(env), trainerPython(env)];
  const deploys = queues.some(({ taskQueue }) => taskQueue === TASK_QUEUES.deploy);
  const signing: Pick<ActivityServices, 'signer' | 'trusted'> = deploys
    ? { signer: await openSigner(env), trusted: readTrustedKeys(env) }
    : {};
  const pricing = await readPrices(env);
  const gating = await readCustomGates(env);
  const tells = queues.some(({ taskQueue }) => taskQueue === TASK_QUEUES.orchestration);
  const telling = tells ? { notifying: openNotifying(env) } : {};
  const temporal = await connectTemporal(env);
  const { client, namespace } = temporal;
  const connection = await NativeConnection.connect(temporal.connectionOptions);
  await ensureSearchAttributes(client.connection as Connection, namespace);
  const { store, pointers, objects, close: closeStore } = await openStore(env);
  if (deploys) await noteKeys(pointers, 'deploy-worker', env, signing.signer);
  await clearDeadWorkFolders();
  const workFolder = openWorkFolder();
  const services: ActivityServices = {
    store,
    pointers,
    python,
    workRoot: workFolder.path,
    ...own,
    ...signing,
    ...pricing,
    ...gating,
    ...telling,
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
        ...life,
        ...(workflows === true ? workflowSource() : {}),
      }),
    ),
  );
  const shutdown = (): void =>
    workers.filter((worker) => worker.getState() === 'RUNNING').forEach((worker) => worker.shutdown());
  return {
    async run() {
      const collecting = new AbortController();
      const collected = collectUploads(objects, { signal: collecting.signal }).catch((error: unknown) => {
        if (!collecting.signal.aborted) Runtime.instance().logger.warn('old uploads are not collected', { error });
      });
      const busy = (): boolean => workers.some((worker) => worker.getStatus().numInFlightActivities > 0);
      const stopWatching = idleMs === undefined ? undefined : endWhenIdle(idleMs, busy, shutdown);
      try {
        // One that breaks takes the others down in order: a process that serves half its queues helps nobody.
        const ends = await Promise.allSettled(workers.map((worker) => worker.run().finally(shutdown)));
        for (const end of ends) if (end.status === 'rejected') throw end.reason;
      } finally {
        stopWatching?.();
        collecting.abort();
        await collected;
        await temporal.close();
        closeStore();
        workFolder.remove();
        await connection.close().catch(() => {}); // still in use by a worker that was given up
      }
    },
    shutdown,
  };
}

/** How a worker hears of cancellations, how it stops, and which runs it serves. */
export function workerLife(env: Environment): Partial<WorkerOptions> {
  return {
    // The SDK holds heartbeats back for up to 60 s, and a cancellation only comes with the answer to one: a training
    // must be gone 5 s after it was cancelled.
    maxHeartbeatThrottleInterval: '1s',
    defaultHeartbeatThrottleInterval: '1s',
    // Asked to stop, a worker polls no more, gives steps that are about to end half a second for it, and then tells the
    // others, by their signal, to leave a checkpoint. That must be soon: the time that whoever stops us allows (30 s in
    // Kubernetes) is running already. What has not ended by the second limit is left to another worker.
    shutdownGraceTime: '500ms',
    shutdownForceTime: '27s',
    ...workerVersion(env),
  };
}

/**
 * Versioned when `ESPALIER_BUILD_ID` is set: a run stays with the build that it began on, and new runs begin on the one
 * that is current in Temporal. Throws BadConfig for a name that Temporal would not take.
 */
function workerVersion(env: Environment): Pick<WorkerOptions, 'workerDeploymentOptions'> {
  const [buildId, deploymentName = 'espalier'] = [env['ESPALIER_BUILD_ID'], env['ESPALIER_DEPLOYMENT_NAME']];
  if (!buildId) {
    if (!env['ESPALIER_DEPLOYMENT_NAME']) return {};
    throw new EspalierError('BadConfig', 'ESPALIER_DEPLOYMENT_NAME is set and ESPALIER_BUILD_ID is not', {
      where: 'ESPALIER_BUILD_ID',
      fix: 'set both, for workers with versions, or neither',
    });
  }
  if (!/^[^.:]+$/.test(deploymentName)) {
    throw new EspalierError('BadConfig', `ESPALIER_DEPLOYMENT_NAME is '${deploymentName}'`, {
      where: 'ESPALIER_DEPLOYMENT_NAME',
      fix: 'choose a name without dots and colons: Temporal separates it from the build id by one',
    });
  }
  return {
    workerDeploymentOptions: {
      useWorkerVersioning: true,
      version: { deploymentName, buildId },
      defaultVersioningBehavior: 'PINNED',
    },
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

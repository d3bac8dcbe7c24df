/** The life of a worker process: quiet structured logs, a clean stop on the first signal, and a crash that says so. */
import { DefaultLogger, GracefulShutdownPeriodExpiredError, Runtime, type LogEntry } from '@temporalio/worker';
import type { StandbyLauncher } from '../activities/training/launchers/standby.ts';
import { closeInspector } from '../artifacts/no-inspector.ts';
import { EspalierError } from '../artifacts/errors.ts';
import type { DevicePool } from './devices.ts';
import { createWorkerProcess, type QueueRole } from './worker.ts';

/** `setUp` gives the queues to poll and, of a process that trains, its devices and what starts its trainings. */
export async function runWorkerProcess(
  name: string,
  setUp: () => Promise<{
    readonly queues: readonly QueueRole[];
    readonly devices?: DevicePool;
    readonly launcher?: StandbyLauncher;
  }>,
): Promise<void> {
  closeInspector();
  const write = (entry: Record<string, unknown>): void => {
    process.stderr.write(
      `${JSON.stringify({ at: new Date().toISOString(), worker: name, pid: process.pid, ...entry })}\n`,
    );
  };
  Runtime.install({
    shutdownSignals: [],
    logger: new DefaultLogger('INFO', ({ level, message, meta }: LogEntry) =>
      write({ level, message, ...summary(meta) }),
    ),
  });
  try {
    const { queues, ...training } = await setUp();
    const { devices, launcher } = training;
    const workers = await createWorkerProcess(process.env, queues, training);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => workers.shutdown());
    const { ESPALIER_BUILD_ID: build } = process.env;
    write({
      level: 'INFO',
      message: 'ready',
      queues: queues.map(({ taskQueue }) => taskQueue),
      build,
      devices: devices?.names,
    });
    await launcher?.begin();
    try {
      await workers.run();
    } finally {
      launcher?.end();
    }
    write({ level: 'INFO', message: 'stopped' });
  } catch (error) {
    const record =
      error instanceof EspalierError
        ? error.toRecord()
        : { message: error instanceof Error ? error.stack : String(error) };
    write({ level: 'ERROR', message: 'worker failed', error: record });
    process.exitCode = 1;
    // What would not end in time holds the process: its step is another worker's by now.
    if (error instanceof GracefulShutdownPeriodExpiredError) process.exit();
  }
}

/** Ids only: activity arguments and errors' causes could hold anything. */
function summary(meta: LogEntry['meta']): Record<string, unknown> {
  const { workflowId, activityId, activityType, attempt, taskQueue, error } = (meta ?? {}) as Record<string, unknown>;
  return {
    workflowId,
    activityId,
    activityType,
    attempt,
    taskQueue,
    error: error instanceof Error ? error.message : undefined,
  };
}

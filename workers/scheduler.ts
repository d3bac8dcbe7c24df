/** Schedules on a real Temporal: created, or brought up to date when they exist. */
import { ScheduleAlreadyRunning, type Client, type ScheduleOptions } from '@temporalio/client';
import type { Duration } from '@temporalio/common';
import type { Scheduler } from '../activities/deployment/schedule-monitor.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';

export function temporalScheduler(client: Client): Scheduler {
  return {
    async ensureMonitor(scheduleId, input) {
      const options = {
        spec: { intervals: [{ every: input.monitor.every as Duration }] },
        // A check that is late says the same as the next one: never pile up, never catch up on a night's worth.
        policies: { overlap: 'SKIP', catchupWindow: '10m' },
        action: {
          type: 'startWorkflow',
          workflowType: 'watchModel',
          workflowId: scheduleId,
          args: [input],
          taskQueue: TASK_QUEUES.orchestration,
        },
      } satisfies Omit<ScheduleOptions, 'scheduleId'>;
      try {
        await client.schedule.create({ scheduleId, ...options });
      } catch (error) {
        if (!(error instanceof ScheduleAlreadyRunning)) throw error;
        await client.schedule.getHandle(scheduleId).update((previous) => ({ ...previous, ...options }));
      }
    },
  };
}

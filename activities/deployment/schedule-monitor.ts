/** The watch that outlives a release: a Temporal Schedule that starts a drift check. Created, else updated. */
import type { ScheduledMonitor, ScheduleMonitorInput } from '../contract/deployment.ts';
import type { StepCall } from '../contract.ts';
import { toFailure } from '../attempt-failures.ts';

/** What the activity needs of a Temporal client; the worker hands in the real one. */
export interface Scheduler {
  ensureMonitor(scheduleId: string, input: ScheduleMonitorInput): Promise<void>;
}

export function monitorScheduleId(model: string, channel: string): string {
  return `monitor-${model}-${channel}`;
}

export function scheduleMonitorActivity(
  scheduler: Scheduler,
): (call: StepCall<ScheduleMonitorInput>) => Promise<ScheduledMonitor> {
  return async (call) => {
    const scheduleId = monitorScheduleId(call.input.model, call.input.channel);
    try {
      await scheduler.ensureMonitor(scheduleId, call.input);
      return { scheduleId };
    } catch (error) {
      throw toFailure(error, call.stepId);
    }
  };
}

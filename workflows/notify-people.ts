import { setWorkflowOptions, workflowInfo } from '@temporalio/workflow';
import type { NotificationEvent, NotificationSummary } from '../activities/notification/events.ts';
import { stepProxies } from './proxies.ts';

setWorkflowOptions({ failureExceptionTypes: [Error] }, notifyPeople);

/** Tells the notifiers of one event. It outlives the run that it is about: a receiver may be down for hours. */
export async function notifyPeople(event: NotificationEvent): Promise<NotificationSummary> {
  const { notify } = stepProxies(30).notify('notify', `tell of ${event.event}`);
  return notify({ runId: workflowInfo().workflowId, stepId: 'notify', input: event, reuse: false });
}

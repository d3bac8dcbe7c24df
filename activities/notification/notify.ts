/** Tells the configured notifiers of an event, for as long as its retries last. */
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import type { Delivery } from '../../artifacts/delivery-log.ts';
import type { Pointers } from '../../artifacts/pointers.ts';
import type { StepCall } from '../contract.ts';
import { heart } from '../heartbeat.ts';
import { toFailure } from '../attempt-failures.ts';
import { deliver, type Notifying } from './deliver.ts';
import type { NotificationEvent, NotificationSummary } from './events.ts';

/**
 * The activity: Temporal's retries are the backoff. What cannot be delivered at the last of them is in the log and fails
 * nothing.
 */
export function notifyActivity(
  pointers: Pointers,
  notifying: Notifying | undefined,
): (call: StepCall<NotificationEvent>) => Promise<NotificationSummary> {
  return async ({ input, stepId }) => {
    if (notifying === undefined || notifying.notifiers.length === 0) return { delivered: 0, undelivered: 0 };
    const context = Context.current();
    const { attempt, retryPolicy, workflowExecution, activityId } = context.info;
    const beat = heart(context);
    let deliveries: readonly Delivery[];
    try {
      deliveries = await deliver(input, {
        ...notifying,
        pointers,
        signal: context.cancellationSignal,
        unique: `${workflowExecution?.workflowId ?? ''} ${workflowExecution?.runId ?? ''} ${activityId}`,
        last: attempt >= (retryPolicy?.maximumAttempts ?? Infinity),
      });
    } catch (error) {
      throw toFailure(error, stepId, attempt);
    } finally {
      beat.stop();
    }
    const trying = deliveries.filter(({ state }) => state === 'trying').map(({ notifier }) => notifier);
    if (trying.length > 0) {
      const message = `not delivered yet: ${[...new Set(trying)].join(', ')}`;
      throw ApplicationFailure.create({ message, type: 'NetworkUnavailable' });
    }
    const delivered = deliveries.filter(({ state }) => state === 'delivered').length;
    return { delivered, undelivered: deliveries.length - delivered };
  };
}

/** A step that is worked on elsewhere than in its run's workflow tells its run when a worker has begun: nobody else says so. */
import type { Context } from '@temporalio/activity';
import type { StepCall } from './contract.ts';

/**
 * Signals the run by the name that the call has, if it has one. Temporal says of an activity only how it ended, and of one that was
 * terminated, or cancelled before or between its attempts, not even whether a worker ever had it. A run that cannot be told
 * (it has ended, or Temporal is away) is no reason not to work.
 */
export async function tellBegun(context: Pick<Context, 'client'>, { runId, begun }: StepCall<unknown>): Promise<void> {
  if (begun === undefined) return;
  await context.client.workflow
    .getHandle(runId)
    .signal(begun)
    .catch(() => undefined);
}

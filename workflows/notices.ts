/** What a run tells people, handed to workflows of their own: nothing that becomes of a message touches the run. */
import { CancellationScope, condition, log, ParentClosePolicy, startChild, workflowInfo } from '@temporalio/workflow';
import type { NotificationEvent } from '../activities/notification/events.ts';
import { laterInThisTask } from './engine.ts';
import { notifyPeople } from './notify-people.ts';

export class Notices {
  private readonly waiting: NotificationEvent[] = [];
  /** How many have been handed over: part of the next one's id. */
  private told = 0;
  private starting = 0;
  private busy = false;

  /**
   * Takes an event in. It is handed over when this workflow task has done all else, in an order that depends only on what
   * is told: an Update and a timer that share a task come in another order on replay, and the commands must not.
   */
  add(event: NotificationEvent): void {
    this.waiting.push(event);
    if (this.busy) return;
    this.busy = true;
    void CancellationScope.nonCancellable(() => this.handOver());
  }

  /** Ends when all has been handed over. A run that ended earlier would take its last words with it. */
  async allTold(): Promise<void> {
    await CancellationScope.nonCancellable(() => condition(() => !this.busy && this.starting === 0));
  }

  private async handOver(): Promise<void> {
    await laterInThisTask();
    const events = this.waiting
      .splice(0)
      .map((event) => ({ event, order: JSON.stringify(event) }))
      .sort((a, b) => (a.order < b.order ? -1 : 1));
    this.busy = false;
    for (const { event } of events) void this.tell(event);
  }

  private async tell(event: NotificationEvent): Promise<void> {
    const { workflowId } = workflowInfo();
    this.told += 1;
    this.starting += 1;
    try {
      await startChild(notifyPeople, {
        workflowId: `${workflowId}/notice-${this.told}`,
        args: [event],
        parentClosePolicy: ParentClosePolicy.ABANDON,
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        staticSummary: `tell of ${event.event}`,
      });
    } catch (error) {
      log.warn('an event was not told', { event: event.event, error });
    } finally {
      this.starting -= 1;
    }
  }
}

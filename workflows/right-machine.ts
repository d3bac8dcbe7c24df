/** A step that machines of another class refuse: it is offered for a day, people hear of it early, and the wait is no time of the budget. */
import { patched } from '@temporalio/workflow';
import type { StepResult } from '../activities/contract.ts';
import { errorRecord, refusedSinceMs } from './failures.ts';
import type { Run } from './run.ts';

/** A machine of the class may be busy with another step of that length; one that is not there in a day needs somebody. */
const OFFERED_MS = 24 * 60 * 60 * 1000;

/**
 * The result of `attempt`, which ends in an error about every quarter of an hour while nobody takes the step (activities/attempt-failures.ts):
 * after the first of them people are told, and it is offered anew until a day has gone by since the first refusal.
 */
export async function onTheRightMachine<Output>(
  run: Run,
  id: string,
  attempt: () => Promise<StepResult<Output>>,
): Promise<StepResult<Output>> {
  const { budget, notices } = run;
  const name = `machine for ${id}`;
  for (let sinceMs: number | undefined; ;) {
    try {
      const result = await attempt();
      if (result.refusedSince !== undefined) budget.waits.begin(name, Date.parse(result.refusedSince));
      // What another run computed was waited for until now.
      budget.waits.end(name, result.reused ? Date.now() : Date.parse(result.startedAt));
      return result;
    } catch (error) {
      const refusedMs = refusedSinceMs(error);
      // A run that was refused under an earlier version waits for somebody, as it did.
      if (refusedMs === undefined || !patched('offered-for-a-day')) {
        budget.waits.end(name, Date.now());
        throw error;
      }
      sinceMs ??= refusedMs;
      budget.waits.begin(name, sinceMs);
      if (Date.now() - sinceMs >= OFFERED_MS) {
        budget.waits.end(name, Date.now());
        throw error;
      }
      notices.tellNoMachine(id, errorRecord(error, id));
    }
  }
}

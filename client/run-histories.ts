/** All text of all runs' histories: what a collection of garbage takes for named, whatever became of the run. */
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { RunTexts } from '../artifacts/collect.ts';
import { TASK_QUEUES } from '../workflows/messages.ts';
import { asRunError } from './run-errors.ts';

/** Runs, drift checks and whatever else our workers orchestrate, as long as Temporal keeps it. */
export async function* runHistories(client: Client): AsyncGenerator<RunTexts> {
  try {
    for await (const { workflowId, runId, closeTime } of client.workflow.list({
      query: `TaskQueue = '${TASK_QUEUES.orchestration}'`,
    })) {
      const texts = await textsOf(client, workflowId, runId);
      if (texts !== undefined) yield { runId: workflowId, open: closeTime === undefined, texts };
    }
  } catch (error) {
    throw asRunError(client, error, 'list');
  }
}

/** undefined: its time in Temporal ended since it was listed. */
async function textsOf(client: Client, workflowId: string, runId: string): Promise<string[] | undefined> {
  try {
    return payloadTexts(await client.workflow.getHandle(workflowId, runId).fetchHistory());
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** Payloads are the only bytes in a history; where they stand depends on the event. */
function payloadTexts(value: unknown): string[] {
  if (value instanceof Uint8Array) return [Buffer.from(value).toString('utf8')];
  if (typeof value !== 'object' || value === null) return [];
  return Object.values(value).flatMap(payloadTexts);
}

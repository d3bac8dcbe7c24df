/** Runs that wait for an approval, as far as lists know of them: no worker, no activity, everything in the memo. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Client } from '@temporalio/client';
import { digestJson } from '../../artifacts/digest.ts';
import { OPEN_APPROVAL, PIPELINE_ATTRIBUTE, STATE_ATTRIBUTE, TASK_QUEUES } from '../../workflows/messages.ts';
import { pythonForTests } from './python.ts';

export async function startWaiting(client: Client, index: number): Promise<void> {
  const openedAt = new Date(Date.now() - index * 1000).toISOString();
  const evidence = { digest: digestJson(index), mediaType: 'application/json', size: 1234, name: 'evidence' };
  await client.workflow.start('runPipeline', {
    workflowId: `support-intents-${index}`,
    taskQueue: TASK_QUEUES.orchestration,
    typedSearchAttributes: [
      { key: PIPELINE_ATTRIBUTE, value: 'support-intents' },
      { key: STATE_ATTRIBUTE, value: 'waiting-for-approval' },
    ],
    memo: {
      pipeline: 'support-intents',
      startedBy: 'maria',
      trigger: 'user',
      state: 'waiting-for-approval',
      [OPEN_APPROVAL]: {
        approval: 'review',
        state: 'open',
        seats: [{ role: 'legal', by: null }],
        excluded: [{ name: 'maria', because: 'run-starter' }],
        escalateTo: ['head-of-legal'],
        evidence,
        openedAt,
        escalatesAt: openedAt,
        deadline: openedAt,
      },
    },
  });
}

/**
 * Copies the one waiting run of a server that is stopped, until its lists have `count`. Starting so many takes minutes;
 * a list reads this table alone.
 */
export async function multiplyWaiting(dataFile: string, count: number): Promise<void> {
  const script = fileURLToPath(new URL('open_approvals.py', import.meta.url));
  await promisify(execFile)(pythonForTests().executable, [script, dataFile, String(count)]);
}

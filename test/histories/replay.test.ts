import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Worker } from '@temporalio/worker';
import { DeterminismViolationError } from '@temporalio/workflow';
import { workflowBundle } from '../support/workflow.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const RECORDED = {
  'candidate-dropped': 'WorkflowExecutionCompleted',
  'candidate-retried': 'WorkflowExecutionCompleted',
  'cancelled-while-waiting': 'WorkflowExecutionCanceled',
  deployed: 'WorkflowExecutionCompleted',
  'drift-check': 'WorkflowExecutionCompleted',
  'gates-failed': 'WorkflowExecutionCompleted',
  'own-gates': 'WorkflowExecutionCompleted',
  'parked-and-aborted': 'WorkflowExecutionFailed',
  'parked-and-retried': 'WorkflowExecutionCompleted',
  prototyped: 'WorkflowExecutionCompleted',
  rejected: 'WorkflowExecutionCompleted',
  tried: 'WorkflowExecutionCompleted',
  'tried-itself': 'WorkflowExecutionCompleted',
  'try-cancelled': 'WorkflowExecutionCompleted',
  'try-cancelled-itself': 'WorkflowExecutionCanceled',
} as const;

interface History {
  events: { eventType: string; activityTaskScheduledEventAttributes?: { activityType: { name: string } } }[];
}

const read = (version: string, name: string): History =>
  JSON.parse(readFileSync(`${FOLDER}${version}/${name}.json`, 'utf8')) as History;

/** A worker of this checkout that takes the run over at every task of its history. */
async function replay(history: History, id: string): Promise<void> {
  await Worker.runReplayHistory({ workflowBundle: await workflowBundle() }, history, id);
}

const versions = readdirSync(FOLDER, { withFileTypes: true }).flatMap((one) => (one.isDirectory() ? [one.name] : []));

describe('a run that began on an earlier version', () => {
  it('is on record for every release in the changelog', () => {
    const changelog = readFileSync(new URL('../../CHANGELOG.md', import.meta.url), 'utf8');
    const released = [...changelog.matchAll(/^## (\d+\.\d+\.\d+)/gm)].map(([, version]) => version);
    assert.ok(released.length > 0);
    assert.deepEqual(
      released.filter((version) => !versions.includes(version ?? '')),
      [],
      '`npm run histories` records one',
    );
  });

  for (const version of versions) {
    for (const [name, end] of Object.entries(RECORDED)) {
      it(`goes on under this one: ${version}, ${name}`, async () => {
        const history = read(version, name);
        const [last] = history.events.slice(-1);
        assert.match(
          end,
          new RegExp(`^${(last?.eventType ?? '').replaceAll('EVENT_TYPE', '').replaceAll('_', '')}$`, 'i'),
        );
        // As it was recorded: a run's tries are named after it.
        await replay(history, `history-${name}`);
      });
    }
  }

  it('would not go on if a step were another one, or came in another order', async () => {
    const [version = ''] = versions;
    for (const change of ['renamed', 'moved'] as const) {
      const history = read(version, 'deployed');
      const scheduled = history.events.filter((event) => event.activityTaskScheduledEventAttributes !== undefined);
      const steps = scheduled.map(
        (event) => event.activityTaskScheduledEventAttributes as { activityType: { name: string } },
      );
      const [first, second] = [steps.at(-2), steps.at(-1)];
      assert.ok(first && second);
      if (change === 'renamed') second.activityType = { name: 'shipModel' };
      else [first.activityType, second.activityType] = [second.activityType, first.activityType];
      await assert.rejects(replay(history, change), DeterminismViolationError, change);
    }
  });
});

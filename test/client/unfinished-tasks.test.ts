import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { isAway } from '../../cli/patience.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { showRun } from '../../client/runs.ts';
import { sendUpdate } from '../../client/updates.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { temporalForTests } from '../support/temporal.ts';

/** temporal.api.enums.v1.WorkflowTaskFailedCause */
const CAUSES = { unhandledFailure: 14, badSearchAttributes: 23, nondeterminism: 24 } as const;

describe('a run whose workflow task workers begin and do not finish', function () {
  this.timeout(180_000); // tasks of a second each, tried again after pauses of the server's
  let temporal: TemporalClient;
  before(async () => {
    const { connect } = await temporalForTests();
    temporal = await connect();
  });
  after(() => temporal.close());

  /** No worker of ours takes its tasks: what each comes to is in the test's hand. */
  async function begin(runId: string) {
    const { client } = temporal;
    const { namespace } = client.options;
    const handle = await client.workflow.start('runPipeline', {
      workflowId: runId,
      taskQueue: runId,
      args: [],
      workflowTaskTimeout: '1s',
    });
    const attempt = async (): Promise<number> => (await handle.describe()).raw.pendingWorkflowTask?.attempt ?? 0;
    async function take(): Promise<Uint8Array> {
      for (;;) {
        const poll = () =>
          client.workflowService.pollWorkflowTaskQueue({
            namespace,
            taskQueue: { name: runId },
            identity: 'a worker',
          });
        const { taskToken } = await client.withDeadline(Date.now() + 90_000, poll); // the server wants one, and answers in sixty
        if (taskToken.length > 0) return taskToken;
      }
    }
    return {
      handle,
      /** A worker takes the task and is killed. */
      async lose(): Promise<void> {
        await take();
        const taken = await attempt();
        while ((await attempt()) <= taken) await sleep(50);
      },
      async fail(cause: number, message: string): Promise<void> {
        const taskToken = await take();
        await client.workflowService.respondWorkflowTaskFailed({
          namespace,
          taskToken,
          cause,
          failure: { message },
          identity: 'a worker',
        });
      },
    };
  }

  async function assertWaits(runId: string, attempt: number): Promise<void> {
    const error: unknown = await showRun(temporal.client, runId).catch((one: unknown) => one);
    assert.ok(error instanceof EspalierError, String(error));
    assert.equal(error.kind, 'TemporalUnavailable', error.message);
    assert.match(error.message, new RegExp(`run ${runId}: attempt ${attempt} of its workflow task`));
    assert.match(error.fix ?? '', /workers' log.*start a worker/);
    assert.doesNotMatch(error.fix ?? '', /reset|terminate/);
    assert.ok(error.retryable && isAway(error), 'who watches it asks on');
  }

  it('waits for a worker where those before died: nothing says that none could go on with it', async () => {
    const { handle, lose } = await begin('killed');
    for (let times = 0; times < 3; times++) await lose();
    await assertWaits('killed', 4);
    await assert.rejects(sendUpdate(temporal.client, 'killed', 'resolve', {}, 500), {
      kind: 'TemporalUnavailable',
      message: /within 0.5 s: attempt 4 of its workflow task/,
      fix: /workers' log/,
    });
    await handle.terminate();
  });

  it('waits for a worker where the first died and the history has no more of what the later ones said', async () => {
    const { handle, lose, fail } = await begin('unrecorded');
    await lose();
    for (let times = 0; times < 2; times++) await fail(CAUSES.nondeterminism, '[TMPRL1100] other commands');
    await assertWaits('unrecorded', 4);
    await handle.terminate();
  });

  it('waits for a worker after failures that another try may not have', async () => {
    const failures = [
      ['unlucky', CAUSES.badSearchAttributes, 'not registered'],
      ['busy', CAUSES.unhandledFailure, 'Script execution timed out after 5000ms'],
    ] as const;
    for (const [runId, cause, message] of failures) {
      const { handle, fail } = await begin(runId);
      for (let times = 0; times < 3; times++) await fail(cause, message);
      await assertWaits(runId, 4);
      await handle.terminate();
    }
  });

  it('cannot be gone on with where the newest end of a task in its history says so, and no longer when a later one died', async () => {
    const { handle, lose, fail } = await begin('refused');
    for (let times = 0; times < 3; times++) await fail(CAUSES.nondeterminism, '[TMPRL1100] other commands');
    await assert.rejects(showRun(temporal.client, 'refused'), { kind: 'ReplayFailed', message: /other commands/ });
    await handle.signal('news'); // what is new makes a task of its own of it, which is recorded again
    for (let times = 0; times < 3; times++) await lose();
    await assertWaits('refused', 4);
    await handle.terminate();
  });
});

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Activities, Progress, StepCall } from '../../activities/contract.ts';
import type { OwnWorkerInput } from '../../activities/contract/training.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { cancelRun, resolveStep, runOutcome, showRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { TextClassificationSchema } from '../../pipelines/definition.ts';
import { ownQueue } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import { approveRun, fakeActivities, ref, replayRun, runInput, untilRun, withWorkers } from '../support/workflow.ts';

const LAUNCHER = { kind: 'ray', address: 'http://ray-head:8265' } as const;

/** Beats until it is cancelled. */
async function untilCancelled(progress?: Progress): Promise<void> {
  const context = Context.current();
  const beat = setInterval(() => context.heartbeat(progress), 100);
  await context.cancelled.finally(() => clearInterval(beat));
}

/** Every number named: none is left for the run to settle. */
const TRAINING = {
  launcher: LAUNCHER,
  epochs: 3,
  batchSize: 16,
  learningRate: 5e-5,
  headLearningRate: 1e-3,
  weightDecay: 0.01,
  warmupFraction: 0.1,
};

describe('a training on a worker of its own', () => {
  let temporal: TemporalClient;
  before(async () => (temporal = await (await temporalForTests()).connect()));
  after(() => temporal.close());

  /** What happened, in order: steps, and what became of the worker. */
  type Story = string[];

  /** Provides a worker as a cluster would, in this process, on the queue that it is told. */
  function provider(story: Story, training: Partial<Activities>): Activities['provisionWorker'] {
    return async ({ input }) => {
      story.push(`provided ${input.launcher.kind}`);
      const connection = await NativeConnection.connect({ address: temporal.address });
      const worker = await Worker.create({ connection, taskQueue: input.taskQueue, activities: training });
      try {
        await worker.runUntil(untilCancelled());
      } finally {
        story.push('no longer provided');
        await connection.close();
      }
    };
  }

  async function withRun(
    make: (real: Activities, story: Story) => Partial<Activities>,
    body: (runId: string, story: Story) => Promise<void>,
  ): Promise<Story> {
    const story: Story = [];
    const { activities } = fakeActivities();
    const released = ({ input }: StepCall<OwnWorkerInput>): Promise<void> => {
      story.push(`released ${input.launcher.kind}`);
      return Promise.resolve();
    };
    const shared = { ...activities, releaseWorker: released, ...make(activities, story) };
    const base = runInput();
    const pipeline = TextClassificationSchema.parse({ ...base.pipeline, training: TRAINING });
    const runId = `test-${randomUUID()}`;
    await withWorkers(temporal.address, shared, async () => {
      const prepared = { input: { ...base, pipeline }, inputRef: ref('input'), digest: digestJson(runId) };
      await startRun(temporal.client, prepared, { runId });
      await approveRun(temporal.client, runId, 'review', 'lena');
      await body(runId, story);
      await replayRun(temporal.client, runId);
    });
    return story;
  }

  /** On the shared queue a training of this run would be a mistake. */
  const notHere = (story: Story): Activities['trainModel'] => {
    return () => {
      story.push('trained on the shared queue');
      return Promise.reject(ApplicationFailure.nonRetryable('not here'));
    };
  };

  it('happens on a queue of its own, beside the provider, which is cancelled when it ends; then the worker is released', async () => {
    const inputs: unknown[] = [];
    const story = await withRun(
      (real, told) => ({
        trainModel: notHere(told),
        provisionWorker: provider(told, {
          trainModel: (call) => {
            const { taskQueue, workflowExecution } = Context.current().info;
            assert.equal(taskQueue, ownQueue(workflowExecution?.runId ?? '', 'train', 1));
            inputs.push(call.input.training);
            told.push('trained');
            return real.trainModel(call);
          },
        }),
      }),
      async (runId) => {
        await approveRun(temporal.client, runId, 'release', 'omar');
        assert.equal((await runOutcome(temporal.client, runId)).state, 'deployed');
      },
    );
    assert.deepEqual(story, ['provided ray', 'trained', 'no longer provided', 'released ray']);
    // Where it trains is no part of what it trains: its key is that of a training on the shared queue.
    const { launcher: _, ...training } = TextClassificationSchema.parse({
      ...runInput().pipeline,
      training: TRAINING,
    }).training;
    assert.deepEqual(inputs, [training]);
  });

  it('asks for no worker when its result is known', async () => {
    const story = await withRun(
      (real, told) => ({
        trainModel: notHere(told),
        findTraining: async (call) => ({ ...(await real.trainModel(call)), reused: true, computedBy: 'another' }),
        provisionWorker: provider(told, {}),
      }),
      async (runId) => {
        await approveRun(temporal.client, runId, 'release', 'omar');
        const run = await untilRun(temporal.client, runId, ({ state }) => state === 'deployed');
        assert.equal(run.steps.find(({ id }) => id === 'train')?.state, 'reused');
      },
    );
    assert.deepEqual(story, []);
  });

  it('parks with what the provider says when there is no worker to be had, and goes on with a changed launcher', async () => {
    const rounds: string[] = [];
    const record = { kind: 'BadConfig', message: 'no worker: ImagePullBackOff', fix: 'correct it', retryable: false };
    const story = await withRun(
      (real, told) => {
        const provide = provider(told, { trainModel: real.trainModel });
        return {
          trainModel: notHere(told),
          provisionWorker: (call) => {
            const { launcher, taskQueue } = call.input;
            rounds.push(taskQueue.slice(-8));
            if (launcher.kind === 'ray' && launcher.address !== LAUNCHER.address) return provide(call);
            const { message, kind } = record;
            return Promise.reject(
              ApplicationFailure.create({ message, type: kind, nonRetryable: true, details: [record] }),
            );
          },
        };
      },
      async (runId) => {
        const parked = await untilRun(temporal.client, runId, ({ state }) => state === 'parked');
        const { state, error } = parked.steps.find(({ id }) => id === 'train') ?? {};
        assert.deepEqual([state, error?.kind, error?.message], ['parked', record.kind, record.message]);
        await resolveStep(temporal.client, runId, {
          step: 'train',
          action: 'retry',
          settings: { 'training.launcher.address': 'http://another:8265' },
          by: 'olga',
          comment: '',
        });
        await approveRun(temporal.client, runId, 'release', 'omar');
        assert.equal((await runOutcome(temporal.client, runId)).state, 'deployed');
      },
    );
    assert.deepEqual(story, ['released ray', 'provided ray', 'no longer provided', 'released ray']);
    // A cluster may go on listing the job that was stopped: it must not be taken for the new one.
    assert.deepEqual(rounds, ['-train-1', '-train-2']);
  });

  it('parks with its own error when the training fails, and the worker is released before', async () => {
    const details = [{ kind: 'Diverged', message: 'loss is NaN', retryable: false }];
    const failure = ApplicationFailure.create({
      message: 'loss is NaN',
      type: 'Diverged',
      nonRetryable: true,
      details,
    });
    const story = await withRun(
      (_, told) => ({
        trainModel: notHere(told),
        provisionWorker: provider(told, { trainModel: () => Promise.reject(failure) }),
      }),
      async (runId) => {
        const run = await untilRun(temporal.client, runId, ({ state }) => state === 'parked');
        assert.equal(run.steps.find(({ id }) => id === 'train')?.error?.kind, 'Diverged');
        await cancelRun(temporal.client, runId);
        await untilRun(temporal.client, runId, ({ state }) => state === 'cancelled');
      },
    );
    assert.deepEqual(story, ['provided ray', 'no longer provided', 'released ray']);
  });

  it('shows what the provider waits for, while nobody trains', async () => {
    const waiting = { phase: 'waiting for a worker', note: 'pending: 0/3 nodes' };
    const story = await withRun(
      (_, told) => ({ trainModel: notHere(told), provisionWorker: () => untilCancelled(waiting) }),
      async (runId) => {
        for (;;) {
          const { progress } = await showRun(temporal.client, runId);
          if (progress['train'] === undefined) continue;
          assert.deepEqual(progress['train'], { ...waiting, attempt: 1 });
          break;
        }
        await cancelRun(temporal.client, runId);
        await untilRun(temporal.client, runId, ({ state }) => state === 'cancelled');
      },
    );
    assert.deepEqual(story, ['released ray'], 'also when the run is cancelled before anybody trains');
  });

  it('keeps its worker until it has left its checkpoint when the run is cancelled', async () => {
    const story = await withRun(
      (_, told) => ({
        trainModel: notHere(told),
        provisionWorker: provider(told, {
          trainModel: async () => {
            told.push('training');
            await untilCancelled().catch(() => undefined);
            // Its checkpoint takes a moment.
            await new Promise((resolve) => setTimeout(resolve, 1500));
            told.push('checkpoint');
            throw Context.current().cancellationSignal.reason;
          },
        }),
      }),
      async (runId, told) => {
        while (!told.includes('training')) await new Promise((resolve) => setTimeout(resolve, 50));
        await cancelRun(temporal.client, runId);
        await untilRun(temporal.client, runId, ({ state }) => state === 'cancelled');
      },
    );
    assert.deepEqual(story, ['provided ray', 'training', 'checkpoint', 'no longer provided', 'released ray']);
  });
});

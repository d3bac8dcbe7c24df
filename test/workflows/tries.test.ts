import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Context } from '@temporalio/activity';
import { ApplicationFailure, CancelledFailure } from '@temporalio/common';
import { NativeConnection, Worker } from '@temporalio/worker';
import type { Activities } from '../../activities/contract.ts';
import type { ChooseCandidateInput, RungResult } from '../../activities/contract/prototype.ts';
import type { TrainedModel, TrainModelInput } from '../../activities/contract/training.ts';
import { stepActivity, type StepDefinition } from '../../activities/step.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { runHistories } from '../../client/run-histories.ts';
import { cancelRun, listRuns, showRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { TextClassificationSchema } from '../../pipelines/definition.ts';
import { progressQuery, TASK_QUEUES } from '../../workflows/messages.ts';
import { withStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  fakeActivities,
  ref,
  replayRun,
  runInput,
  untilRun,
  withWorkers,
  workflowsBefore,
} from '../support/workflow.ts';

const TRIES = ['prototype:two:2', 'prototype:one:2'] as const;

describe('the tries of a selection', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  interface Tried {
    readonly runId: string;
    /** What `choose` was given, once it was. */
    readonly chosen: ChooseCandidateInput[];
  }

  /** Starts a run that tries two candidates on one rung, in workers of its own. */
  async function withTries(
    make: (real: Activities) => Partial<Activities>,
    body: (tried: Tried) => Promise<void>,
    launcher?: { readonly kind: 'ray'; readonly address: string },
    queues?: readonly string[],
  ): Promise<void> {
    const { activities } = fakeActivities();
    const chosen: ChooseCandidateInput[] = [];
    const choosing: Partial<Activities> = {
      rankCandidates: async (call) => {
        const ranked = await activities.rankCandidates(call);
        return { ...ranked, output: { ...ranked.output, shortlist: ['two', 'one'] } };
      },
      trainModel: async (call) => {
        const faked = await activities.trainModel(call);
        return { ...faked, output: { ...faked.output, validationAccuracy: 0.8 } };
      },
      chooseCandidate: (call) => {
        chosen.push(call.input);
        return activities.chooseCandidate(call);
      },
    };
    const real = { ...activities, ...choosing };
    const runId = `tries-${randomUUID()}`;
    const base = runInput();
    const pipeline = TextClassificationSchema.parse({
      ...base.pipeline,
      // Of so few rows it would be three a try.
      selection: { ...base.pipeline.selection, prototype: { ...base.pipeline.selection?.prototype, seeds: 1 } },
      training: { ...base.pipeline.training, ...(launcher === undefined ? {} : { launcher }) },
    });
    const input = { ...base, pipeline };
    await withWorkers(
      temporal.address,
      { ...real, ...make(real) },
      async () => {
        await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
        await body({ runId, chosen });
      },
      queues,
    );
  }

  const child = (runId: string, step: string) => temporal.client.workflow.getHandle(`${runId}/${step}`);
  const statusOf = async (runId: string, step: string): Promise<string> =>
    (await child(runId, step).describe()).status.name;
  const untilReview = (runId: string) => untilRun(temporal.client, runId, ({ state }) => state !== 'running');
  /** Begun by their run, whether or not a worker has them. */
  const untilBothStand = (runId: string) =>
    untilRun(temporal.client, runId, ({ steps }) =>
      TRIES.every((step) => steps.some(({ id, state }) => id === step && state === 'running')),
    );
  const untilBothRun = async (runId: string): Promise<void> => {
    for (;;) {
      const { progress } = await showRun(temporal.client, runId);
      if (TRIES.every((step) => progress[step] !== undefined)) return;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  const outcomes = ({ results }: ChooseCandidateInput): (readonly [string, RungResult['accuracy'], string?])[] =>
    results.map(({ candidate, accuracy, errorKind }) => [candidate, accuracy, errorKind]);

  /** Beats until it is told to go on, or cancelled. */
  async function beating<T>(on: Promise<T>): Promise<T> {
    const context = Context.current();
    const beat = setInterval(() => context.heartbeat({ phase: 'training', done: 3, total: 9 }), 100);
    return Promise.race([on, context.cancelled]).finally(() => clearInterval(beat));
  }

  it('are children of the run, side by side, whose progress is the run’s and which no list of runs has', async () => {
    let goOn = (): void => undefined;
    const told = new Promise<void>((resolve) => (goOn = resolve));
    const workflows: Record<string, string | undefined> = {};
    await withTries(
      (real) => ({
        trainModel: async (call) => {
          workflows[call.stepId] = Context.current().info.workflowExecution?.workflowId;
          await beating(told);
          return real.trainModel(call);
        },
      }),
      async ({ runId, chosen }) => {
        await untilBothRun(runId);
        const { progress, steps } = await showRun(temporal.client, runId);
        for (const step of TRIES) {
          assert.deepEqual(progress[step], { phase: 'training', done: 3, total: 9, attempt: 1 }, step);
          assert.equal(steps.find(({ id }) => id === step)?.state, 'running');
          assert.equal(workflows[step], `${runId}/${step}`);
        }
        goOn();
        const view = await untilReview(runId);
        for (const step of TRIES) {
          const { state, key, computedBy } = view.steps.find(({ id }) => id === step) ?? {};
          assert.deepEqual([state, key, computedBy], ['done', digestJson(step), runId], 'as if the run had trained');
          assert.equal(await statusOf(runId, step), 'COMPLETED');
          await replayRun(temporal.client, `${runId}/${step}`);
        }
        assert.deepEqual(chosen.map(outcomes), [
          [
            ['two', 0.8, undefined],
            ['one', 0.8, undefined],
          ],
        ]);
        await replayRun(temporal.client, runId);
        const listed = await listRuns(temporal.client);
        assert.deepEqual(
          listed.filter((one) => one.runId.startsWith(runId)).map((one) => one.runId),
          [runId],
        );
        // A collection of garbage takes what they name for named.
        const read: string[] = [];
        for await (const one of runHistories(temporal.client)) read.push(one.runId);
        assert.ok(TRIES.every((step) => read.includes(`${runId}/${step}`)));
      },
    );
  });

  for (const [end, state] of [
    ['cancelled', 'CANCELLED'],
    ['terminated', 'TERMINATED'],
  ] as const) {
    it(`are cancelled with a run that is ${end}`, async () => {
      await withTries(
        () => ({ trainModel: () => beating(new Promise<never>(() => undefined)) }),
        async ({ runId, chosen }) => {
          await untilBothRun(runId);
          const handle = temporal.client.workflow.getHandle(runId);
          await (end === 'cancelled' ? cancelRun(temporal.client, runId) : handle.terminate());
          for (const step of [runId, ...TRIES.map((id) => `${runId}/${id}`)]) {
            await assert.rejects(temporal.client.workflow.getHandle(step).result());
          }
          assert.equal((await handle.describe()).status.name, state);
          for (const step of TRIES) assert.equal(await statusOf(runId, step), 'CANCELLED', step);
          assert.deepEqual(chosen, []);
          await replayRun(temporal.client, runId);
        },
      );
    });
  }

  it('fail for their candidate alone, with the error of the training and the time that it took', async () => {
    const record = { kind: 'Diverged', message: 'the loss is NaN', where: 'prototype:one:2', retryable: false };
    await withTries(
      (real) => ({
        trainModel: (call) =>
          call.stepId === 'prototype:one:2'
            ? Promise.reject(
                ApplicationFailure.create({
                  message: record.message,
                  type: record.kind,
                  nonRetryable: true,
                  details: [record, { ranSeconds: 12 }],
                }),
              )
            : real.trainModel(call),
        writeReport: (call) => {
          const failed = call.input.facts.steps.find(({ id }) => id === 'prototype:one:2');
          assert.deepEqual([failed?.state, failed?.queue, failed?.ranSeconds], ['dropped', 'espalier-gpu', 12]);
          return real.writeReport(call);
        },
      }),
      async ({ runId, chosen }) => {
        const view = await untilReview(runId);
        assert.equal(view.state, 'waiting-for-approval');
        assert.deepEqual(view.steps.find(({ id }) => id === 'prototype:one:2')?.error, record);
        assert.deepEqual(chosen.map(outcomes), [
          [
            ['two', 0.8, undefined],
            ['one', null, 'Diverged'],
          ],
        ]);
        await replayRun(temporal.client, runId);
      },
    );
  });

  /** What a report is told of the tries. */
  type Reported = Record<string, readonly [queue: string | undefined, seconds: number | undefined]>;
  const reporting =
    (reported: Reported, real: Activities): Activities['writeReport'] =>
    (call) => {
      for (const { id, queue, ranSeconds } of call.input.facts.steps) {
        if ((TRIES as readonly string[]).includes(id)) reported[id] = [queue, ranSeconds];
      }
      return real.writeReport(call);
    };

  /** About a second lies between the begin, as the run took it in, and the end of those that are ended here. */
  const sinceBegun = (reported: Reported, step: string): void => {
    const [queue, seconds] = reported[step] ?? [];
    assert.equal(queue, 'espalier-gpu');
    assert.ok((seconds ?? 0) > 0, `${step}: ${seconds} s`);
  };
  /** A second after the run has taken in that workers began them. */
  const aSecondAfterBegin = async (runId: string, ...steps: readonly string[]): Promise<void> => {
    const run = temporal.client.workflow.getHandle(runId);
    const told = async (): Promise<boolean> => {
      const { events } = await run.fetchHistory();
      const signals = (events ?? []).map((event) => event.workflowExecutionSignaledEventAttributes?.signalName);
      return steps.every((step) => signals.includes(`begun ${step}`));
    };
    while (!(await told())) await new Promise((resolve) => setTimeout(resolve, 50));
    // It is answered from all that the history had.
    await run.query(progressQuery);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  };
  /** As every worker runs it. */
  const training = async (
    step: Pick<StepDefinition<TrainModelInput, TrainedModel>, 'run' | 'environment'>,
  ): Promise<Activities['trainModel']> =>
    stepActivity(
      { type: `test.${randomUUID()}`, version: 1, ...step },
      { ...(await withStore()), python: { executable: '', packages: '' } },
    );
  const away = (nextRetryDelay: '1h' | '10ms'): ApplicationFailure =>
    ApplicationFailure.create({
      message: 'the storage is away',
      type: 'StorageUnavailable',
      details: [{}, { ranSeconds: 3600 }],
      nextRetryDelay,
    });
  /** Until its first attempt has failed, and the second waits for its time. */
  const untilBackOff = async (runId: string, step: string): Promise<void> => {
    const attempts = async (): Promise<readonly number[]> => {
      const { raw } = await child(runId, step).describe();
      return (raw.pendingActivities ?? []).map(({ attempt }) => attempt ?? 0);
    };
    // The run asks for its tries; a workflow that has not begun yet is not found.
    while (!(await attempts().catch((): readonly number[] => [])).includes(2))
      await new Promise((resolve) => setTimeout(resolve, 50));
  };

  it('can be ended one by one: its candidate drops out, the run goes on, and what it trained counts as spent; one that is terminated counts since a worker began it', async () => {
    const reported: Reported = {};
    const endless = await training({
      run: (_, { progress, signal }) => {
        progress({ phase: 'training' });
        return new Promise<never>((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        });
      },
    });
    await withTries(
      (real) => ({
        trainModel: (call) =>
          call.stepId === 'prototype:two:2'
            ? endless(call)
            : beating(new Promise<never>(() => undefined)).catch((error: unknown) => {
                throw error instanceof CancelledFailure ? new CancelledFailure('', [{ ranSeconds: 0.25 }]) : error;
              }),
        writeReport: reporting(reported, real),
      }),
      async ({ runId, chosen }) => {
        await untilBothRun(runId);
        await aSecondAfterBegin(runId, 'prototype:two:2');
        await child(runId, 'prototype:one:2').cancel();
        await child(runId, 'prototype:two:2').terminate();
        const view = await untilReview(runId);
        assert.equal(view.state, 'waiting-for-approval');
        assert.deepEqual(chosen.map(outcomes), [
          [
            ['two', null, 'Conflict'],
            ['one', null, 'Conflict'],
          ],
        ]);
        for (const { error } of chosen[0]?.results ?? []) assert.match(error ?? '', /somebody ended its workflow/);
        assert.deepEqual(reported['prototype:one:2'], ['espalier-gpu', 0.25]);
        sinceBegun(reported, 'prototype:two:2');
        for (const id of [runId, `${runId}/prototype:one:2`]) await replayRun(temporal.client, id);
      },
    );
  });

  it('count since a worker first began them where they are cancelled between two attempts: nobody tells what the first one ran', async () => {
    const reported: Reported = {};
    const trainModel = await training({ run: () => Promise.reject(away('1h')) });
    await withTries(
      (real) => ({ trainModel, writeReport: reporting(reported, real) }),
      async ({ runId, chosen }) => {
        for (const step of TRIES) await untilBackOff(runId, step);
        await aSecondAfterBegin(runId, ...TRIES);
        for (const step of TRIES) await child(runId, step).cancel();
        await untilReview(runId);
        assert.deepEqual(chosen.map(outcomes), [TRIES.map((step) => [step.split(':')[1], null, 'Conflict'])]);
        for (const step of TRIES) sinceBegun(reported, step);
        for (const id of [runId, ...TRIES.map((step) => `${runId}/${step}`)]) await replayRun(temporal.client, id);
      },
    );
  });

  it('tell their run once that a worker has begun, however many attempts they have, and also where the first failed before it began', async () => {
    const before: Record<string, unknown[]> = {};
    let again = 0;
    const step = await training({
      environment: () => (Context.current().info.attempt === 1 ? Promise.reject(away('10ms')) : Promise.resolve(null)),
      run: () => {
        if (Context.current().info.attempt < 5) return Promise.reject(away('10ms'));
        again += 1;
        return Promise.reject(away('1h'));
      },
    });
    const trainModel: Activities['trainModel'] = (call) => {
      (before[call.stepId] ??= []).push(Context.current().info.heartbeatDetails);
      return step(call);
    };
    await withTries(
      () => ({ trainModel }),
      async ({ runId }) => {
        while (again < TRIES.length) await new Promise((resolve) => setTimeout(resolve, 50));
        const { events } = await temporal.client.workflow.getHandle(runId).fetchHistory();
        const signals = (events ?? []).flatMap(
          (event) => event.workflowExecutionSignaledEventAttributes?.signalName ?? [],
        );
        assert.deepEqual(signals.toSorted(), TRIES.map((id) => `begun ${id}`).toSorted());
        for (const id of TRIES) {
          const told = (before[id] ?? []).map((beat) => (beat as { begunTold?: boolean } | undefined)?.begunTold);
          assert.deepEqual(told, [undefined, undefined, true, true, true], `${id}: none but the second asks`);
        }
      },
    );
  });

  it('count what they had run when their run was told at last, which may be late', async () => {
    const reported: Reported = {};
    await withTries(
      (real) => ({ writeReport: reporting(reported, real) }),
      async ({ runId }) => {
        await untilBothStand(runId);
        const run = temporal.client.workflow.getHandle(runId);
        await run.signal(`begun ${TRIES[0]}`, 3600);
        // As workers of an earlier version do.
        await run.signal(`begun ${TRIES[1]}`);
        await aSecondAfterBegin(runId, ...TRIES);
        for (const step of TRIES) await child(runId, step).terminate();
        await untilReview(runId);
        assert.ok((reported[TRIES[0]]?.[1] ?? 0) >= 3600);
        sinceBegun(reported, TRIES[1]);
        assert.ok((reported[TRIES[1]]?.[1] ?? 0) < 3600);
        await replayRun(temporal.client, runId);
      },
      undefined,
      Object.values(TASK_QUEUES).filter((queue) => queue !== TASK_QUEUES.gpu),
    );
  });

  it('count nothing where they are cancelled or terminated while they wait for a worker: no machine was theirs', async () => {
    const reported: Reported = {};
    await withTries(
      (real) => ({ writeReport: reporting(reported, real) }),
      async ({ runId }) => {
        await untilBothStand(runId);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        await child(runId, TRIES[0]).cancel();
        await child(runId, TRIES[1]).terminate();
        await untilReview(runId);
        for (const step of TRIES) assert.deepEqual(reported[step], ['espalier-gpu', 0]);
        await replayRun(temporal.client, runId);
      },
      undefined,
      Object.values(TASK_QUEUES).filter((queue) => queue !== TASK_QUEUES.gpu),
    );
  });

  it('are children from the next rung on in a run that began before they were', async () => {
    const { activities } = fakeActivities();
    const trainedIn: Record<string, string | undefined> = {};
    const both = { survivors: ['two', 'one'], left: [] };
    const two: Activities = {
      ...activities,
      prepareData: async (call) => {
        const faked = await activities.prepareData(call);
        return { ...faked, output: { ...faked.output, rows: { train: 5000, validation: 15, test: 15 } } };
      },
      rankCandidates: async (call) => {
        const ranked = await activities.rankCandidates(call);
        return { ...ranked, output: { ...ranked.output, shortlist: both.survivors } };
      },
      trainModel: async (call) => {
        trainedIn[call.stepId] = Context.current().info.workflowExecution?.workflowId;
        const faked = await activities.trainModel(call);
        return { ...faked, output: { ...faked.output, validationAccuracy: 0.8 } };
      },
      halveCandidates: async (call) => ({ ...(await activities.halveCandidates(call)), output: both }),
    };
    const runId = `tries-${randomUUID()}`;
    const halving: Activities['halveCandidates'] = () => Promise.reject(new Error('the worker after this one does it'));
    await withWorkers(
      temporal.address,
      { ...two, halveCandidates: halving },
      async () => {
        await startRun(
          temporal.client,
          { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) },
          { runId },
        );
        await untilRun(temporal.client, runId, ({ steps }) =>
          steps.some(({ id, state }) => id === 'halve:1' && state === 'running'),
        );
      },
      undefined,
      workflowsBefore('tries-are-children'),
    );
    await withWorkers(temporal.address, two, async () => {
      const view = await untilReview(runId);
      assert.equal(view.state, 'waiting-for-approval');
    });
    assert.deepEqual(trainedIn, {
      'prototype:two:1': runId,
      'prototype:one:1': runId,
      'prototype:two:2': `${runId}/prototype:two:2`,
      'prototype:one:2': `${runId}/prototype:one:2`,
    });
    await replayRun(temporal.client, runId);
  });

  it('go on, and the run with them, on another worker than they began on', async () => {
    let begun = 0;
    let runId = '';
    await withTries(
      () => ({
        trainModel: () => {
          begun += 1;
          return beating(new Promise<never>(() => undefined));
        },
      }),
      async (tried) => {
        runId = tried.runId;
        await untilBothRun(runId);
      },
    );
    const { activities } = fakeActivities();
    const attempts: number[] = [];
    const again: Activities['trainModel'] = async (call) => {
      attempts.push(Context.current().info.attempt);
      const faked = await activities.trainModel(call);
      return { ...faked, output: { ...faked.output, validationAccuracy: 0.7 } };
    };
    await withWorkers(temporal.address, { ...activities, trainModel: again }, async () => {
      const view = await untilReview(runId);
      assert.equal(view.state, 'waiting-for-approval');
      for (const step of TRIES) assert.equal(view.steps.find(({ id }) => id === step)?.state, 'done');
      for (const id of [runId, ...TRIES.map((step) => `${runId}/${step}`)]) await replayRun(temporal.client, id);
    });
    assert.equal(begun, 2);
    assert.deepEqual(attempts, [2, 2]);
  });

  it('have a worker of their own each where the definition has a launcher, given back also where the run is terminated', async () => {
    const story: string[] = [];
    const launcher = { kind: 'ray', address: 'http://ray-head:8265' } as const;
    const onTheirOwn: Pick<Activities, 'trainModel'> = {
      trainModel: () => {
        story.push(`trained on ${Context.current().info.taskQueue.slice(-6)}`);
        return beating(new Promise<never>(() => undefined));
      },
    };
    await withTries(
      () => ({
        findTraining: () => Promise.resolve(null),
        provisionWorker: async ({ input }) => {
          const connection = await NativeConnection.connect({ address: temporal.address });
          const worker = await Worker.create({ connection, taskQueue: input.taskQueue, activities: onTheirOwn });
          try {
            await worker.runUntil(beating(new Promise<never>(() => undefined)));
          } finally {
            await connection.close();
          }
        },
        releaseWorker: ({ input }) => {
          story.push(`released ${input.taskQueue.slice(-6)}`);
          return Promise.resolve();
        },
      }),
      async ({ runId }) => {
        await untilBothRun(runId);
        await temporal.client.workflow.getHandle(runId).terminate();
        for (const step of TRIES) await assert.rejects(child(runId, step).result());
      },
      launcher,
    );
    assert.deepEqual(story.slice(0, 2).toSorted(), ['trained on p2-0-1', 'trained on p2-1-1']);
    assert.deepEqual(story.slice(2).toSorted(), ['released p2-0-1', 'released p2-1-1']);
  });
});

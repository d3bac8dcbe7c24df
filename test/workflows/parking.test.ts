import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Activities } from '../../activities/contract.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { TrainModelInput } from '../../activities/contract/training.ts';
import type { NotificationEvent } from '../../activities/notification/events.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { cancelRun, listRuns, runOutcome, showRun } from '../../client/runs.ts';
import { prepareResumption } from '../../client/resume-run.ts';
import { startRun } from '../../client/start-run.ts';
import { TASK_QUEUES, type Resolution, type RunView, type StepView } from '../../workflows/messages.ts';
import { failing, failure, reasonOf, resolveStep, sendResolution } from '../support/parking.ts';
import { withStore } from '../support/store.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
  fakeActivities,
  ref,
  replayRun,
  runInput,
  untilRun,
  withWorkers,
  type TextRun,
} from '../support/workflow.ts';

describe('a step that failed', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  const until = (runId: string, condition: (run: RunView) => boolean): Promise<RunView> =>
    untilRun(temporal.client, runId, condition);
  const parked = async (runId: string, step: string): Promise<StepView> => {
    const run = await until(runId, ({ steps }) => steps.some(({ id, state }) => id === step && state === 'parked'));
    assert.equal(run.state, 'parked');
    return run.steps.find(({ id }) => id === step) as StepView;
  };
  const send = (runId: string, resolution: Partial<Resolution>): Promise<StepView> =>
    sendResolution(temporal.client, runId, resolution);
  const resolve = (runId: string, resolution: Partial<Resolution>): Promise<StepView> =>
    resolveStep(temporal.client, runId, resolution);

  /** What completed in this run, from its history: workers serve the runs that other tests left, too. */
  async function completed(runId: string): Promise<string[]> {
    const { events } = await temporal.client.workflow.getHandle(runId).fetchHistory();
    const scheduled = new Map(
      (events ?? []).map((event) => [String(event.eventId), event.activityTaskScheduledEventAttributes?.activityId]),
    );
    return (events ?? []).flatMap(({ activityTaskCompletedEventAttributes: ended }) =>
      ended ? [scheduled.get(String(ended.scheduledEventId)) ?? '?'] : [],
    );
  }

  async function withRun(
    overrides: (real: Activities) => Partial<Activities>,
    body: (runId: string) => Promise<void>,
    input: Partial<TextRun> = {},
  ): Promise<string[]> {
    const { activities } = fakeActivities();
    const runId = `test-${randomUUID()}`;
    await withWorkers(temporal.address, { ...activities, ...overrides(activities) }, async () => {
      const prepared = { input: runInput(input), inputRef: ref('input'), digest: digestJson(runId) };
      await startRun(temporal.client, prepared, { runId });
      try {
        await body(runId);
      } finally {
        await cancelRun(temporal.client, runId).catch(() => undefined);
      }
      await replayRun(temporal.client, runId);
    });
    return completed(runId);
  }

  const diverged = failure('Diverged', 'loss is NaN at step 12', 'lower training.learningRate');

  it('is told to whoever is to be told, once, with the step and why', async () => {
    const told: NotificationEvent[] = [];
    await withRun(
      (real) => ({
        trainModel: failing<'trainModel'>(real.trainModel, diverged),
        notify: (call) => (told.push(call.input), real.notify(call)),
      }),
      async (runId) => {
        const events = () => told.filter((event) => event.runId === runId);
        const until = async (name: string) => {
          while (!events().some(({ event }) => event === name)) await new Promise((wait) => setTimeout(wait, 50));
        };
        await approveRun(temporal.client, runId, 'review', 'lena');
        await parked(runId, 'train');
        await until('run.parked');
        await resolve(runId, { action: 'abort', comment: 'no use' });
        await runOutcome(temporal.client, runId).catch(() => undefined);
        await until('run.ended');
        assert.deepEqual(
          events().flatMap(({ event, step, state, reason }) => (event === 'run.parked' ? [[step, state, reason]] : [])),
          [['train', 'parked', 'Diverged: loss is NaN at step 12']],
        );
      },
      { notify: true },
    );
  });

  it('waits for an operator, and a retry with a changed setting ends in a deployment that records the change', async () => {
    const inputs: TrainModelInput[] = [];
    let facts: RunFacts | undefined;
    const ran = await withRun(
      (real) => {
        const train = failing<'trainModel'>(real.trainModel, diverged);
        return {
          trainModel: (call) => (inputs.push(call.input), train(call)),
          writeReport: (call) => {
            if (call.input.facts.resolutions !== undefined) facts = call.input.facts;
            return real.writeReport(call);
          },
        };
      },
      async (runId) => {
        await approveRun(temporal.client, runId, 'review', 'lena');
        const step = await parked(runId, 'train');
        assert.deepEqual(
          [step.error?.kind, step.error?.message, step.error?.fix],
          ['Diverged', 'loss is NaN at step 12', 'lower training.learningRate'],
        );
        assert.deepEqual(step.actions, ['retry', 'abort']);
        const settings = { 'training.learningRate': 1e-5, 'gates.accuracy.min': 0.7 };
        const view = await resolve(runId, { settings, comment: 'too hot' });
        assert.equal(view.resolutions?.[0]?.error, 'loss is NaN at step 12');
        await approveRun(temporal.client, runId, 'release', 'omar');
        assert.equal((await runOutcome(temporal.client, runId)).state, 'deployed');
      },
    );
    assert.deepEqual(
      inputs.map(({ training }) => training.learningRate),
      [2e-4, 1e-5],
      'what the table names for so small an encoder, then what the operator names',
    );
    assert.deepEqual(
      facts?.changes?.map(({ path, from, to, step, by }) => [path, from, to, step, by]),
      [
        ['training.learningRate', 2e-4, 1e-5, 'train', 'olga'],
        ['gates.accuracy.min', 0.8, 0.7, 'train', 'olga'],
      ],
    );
    assert.equal(facts?.pipeline.training?.learningRate, 1e-5);
    assert.ok(
      facts?.recipe?.every(({ path }) => path !== 'training.learningRate'),
      'it is no longer the table’s',
    );
    assert.equal(facts?.resolutions?.[0]?.comment, 'too hot');
    assert.equal(new Set(ran).size, ran.length, 'no finished step ran again');
  });

  it('trains by another method at the numbers that the table names for that one, but for those that a person names', async () => {
    const inputs: TrainModelInput[] = [];
    let facts: RunFacts | undefined;
    await withRun(
      (real) => {
        const train = failing<'trainModel'>(
          real.trainModel,
          failure('OutOfMemory', 'memory ran out', undefined, 36_000),
        );
        return {
          trainModel: (call) => (inputs.push(call.input), train(call)),
          writeReport: (call) => {
            if (call.input.facts.resolutions !== undefined) facts = call.input.facts;
            return real.writeReport(call);
          },
        };
      },
      async (runId) => {
        await approveRun(temporal.client, runId, 'review', 'lena');
        await parked(runId, 'train');
        await resolve(runId, { settings: { 'training.method': 'lora', 'training.epochs': 2 }, comment: 'smaller' });
        await approveRun(temporal.client, runId, 'release', 'omar');
        await runOutcome(temporal.client, runId);
      },
    );
    assert.deepEqual(
      inputs.map(({ training: { method, epochs, learningRate, weightDecay } }) => [
        method,
        epochs,
        learningRate,
        weightDecay,
      ]),
      [
        ['full', 10, 2e-4, 0.01],
        ['lora', 2, 1e-3, 0],
      ],
    );
    const reasons = new Map(facts?.recipe?.map(({ path, reason }) => [path, reason]));
    assert.match(reasons.get('training.learningRate') ?? '', /^adapters learn/);
    assert.ok(!reasons.has('training.epochs'));
    const trained = facts?.steps.find(({ id }) => id === 'train');
    assert.ok((trained?.ranSeconds ?? 0) >= 36_000, 'what failed before the retry has cost something, too');
  });

  it('needs no operator for what one changed in the run that drift replaces; a change on the way holds over it', async () => {
    const at = '2026-01-01T00:00:00.000Z';
    const before = { step: 'train', by: 'olga', at, run: 'drifted' };
    const changes = [
      { ...before, path: 'training.learningRate', from: 5e-5, to: 1e-5 },
      { ...before, path: 'training.epochs', from: 3, to: 7 },
    ];
    const inputs: TrainModelInput[] = [];
    const { store, close } = await withStore();
    const input = { trigger: 'drift', changes } as const;
    await withRun(
      (real) => {
        const train = failing<'trainModel'>(real.trainModel, diverged);
        return {
          trainModel: (call) => (inputs.push(call.input), train(call)),
          judgeGates: failing<'judgeGates'>(real.judgeGates, failure('Internal', 'a bug')),
          writeReport: (call) => {
            assert.deepEqual(call.input.facts.changes?.slice(0, 2), changes);
            return real.writeReport(call);
          },
        };
      },
      async (runId) => {
        await approveRun(temporal.client, runId, 'review', 'lena');
        await parked(runId, 'train');
        await resolve(runId, { settings: { 'training.learningRate': 1e-6 } });
        await parked(runId, 'gates');
        assert.deepEqual(
          inputs.map(({ training }) => [training.learningRate, training.epochs]),
          [
            [1e-5, 7],
            [1e-6, 7],
          ],
        );
        await cancelRun(temporal.client, runId);
        await until(runId, ({ state }) => state === 'cancelled');
        const again = await prepareResumption(temporal.client, store, runId, {
          startedBy: 'olga',
          approvers: runInput().approvers,
        });
        assert.ok(again.input.pipeline.task === 'text-classification');
        const { learningRate, epochs } = again.input.pipeline.training;
        assert.deepEqual([learningRate, epochs, again.input.changes], [1e-6, 7, undefined]);
      },
      input,
    );
    close();
  });

  it('can be retried again and again, each time recorded', async () => {
    await withRun(
      (real) => ({
        prepareData: failing<'prepareData'>(real.prepareData, failure('BadData', 'no column'), { times: 3 }),
      }),
      async (runId) => {
        for (let round = 1; round <= 3; round++) {
          await until(runId, ({ steps }) =>
            steps.some(
              ({ id, state, resolutions = [] }) =>
                id === 'data' && state === 'parked' && resolutions.length === round - 1,
            ),
          );
          await resolve(runId, { step: 'data', comment: `round ${round}` });
        }
        const run = await until(runId, ({ state }) => state === 'waiting-for-approval');
        const data = run.steps.find(({ id }) => id === 'data');
        assert.deepEqual([data?.state, data?.error, data?.resolutions?.length], ['done', undefined, 3]);
      },
    );
  });

  it('ends the run with its own typed error when it is aborted, and leaves a report', async () => {
    const ran = await withRun(
      (real) => ({ trainModel: failing<'trainModel'>(real.trainModel, diverged) }),
      async (runId) => {
        await approveRun(temporal.client, runId, 'review', 'lena');
        await parked(runId, 'train');
        await resolve(runId, { action: 'abort', comment: 'the data are wrong' });
        await assert.rejects(runOutcome(temporal.client, runId), {
          kind: 'Diverged',
          message: 'loss is NaN at step 12',
        });
        const run = await showRun(temporal.client, runId);
        assert.equal(run.state, 'failed');
        assert.equal(run.steps.find(({ id }) => id === 'train')?.state, 'failed');
      },
    );
    assert.ok(ran.includes('report') && !ran.includes('export'));
  });

  it('refuses a decision that cannot count with the reason, and without a trace in the history', async () => {
    await withRun(
      (real) => ({ judgeGates: failing<'judgeGates'>(real.judgeGates, failure('Internal', 'a bug')) }),
      async (runId) => {
        await approveRun(temporal.client, runId, 'review', 'lena');
        await parked(runId, 'gates');
        const events = async (): Promise<number> =>
          (await temporal.client.workflow.getHandle(runId).fetchHistory()).events?.length ?? 0;
        const before = await events();
        const refused: [Partial<Resolution>, RegExp][] = [
          [{ step: 'gatess' }, /no step 'gatess'/],
          [{ step: 'train' }, /'train' is not parked: done/],
          [{ step: 'deploy' }, /'deploy' is not parked: pending/],
          [{ action: 'skip' }, /'gates' cannot be skipped: no model is released unjudged/],
          [{ action: 'abort', settings: { 'gates.accuracy.min': 0.1 } }, /settings go with 'retry' only/],
          [
            { settings: { 'gates.accuracy.mim': 0.1 } },
            /gates.accuracy.mim: is not a setting here \(did you mean 'min'/,
          ],
          [{ settings: { 'gates.accuracy.min': 70 } }, /shares are written 0–1/],
          [{ settings: { 'gates.accuracy.min': 'low' } }, /must be a number/],
          [{ settings: { 'deploy.channel': 'staging' } }, /cannot change while a run is under way/],
          [{ settings: { 'training.epochs': 2 } }, /step 'train' has already used it/],
          [{ by: ' ' }, /'by' must say who/],
          [{ action: 'maybe' as 'retry' }, /'retry', 'skip' or 'abort'/],
        ];
        for (const [change, reason] of refused) {
          await assert.rejects(send(runId, { step: 'gates', ...change }), (error) => {
            assert.match(reasonOf(error), reason);
            return true;
          });
        }
        assert.equal(await events(), before);
        await resolve(runId, { step: 'gates', settings: { 'gates.accuracy.min': 0.6 } });
        await until(runId, ({ state }) => state === 'waiting-for-approval');
      },
    );
  });

  it('shows its run as parked in lists, and lets it be cancelled', async () => {
    await withRun(
      (real) => ({
        scanPrivacy: failing<'scanPrivacy'>(real.scanPrivacy, failure('StorageUnavailable', 'the store is away')),
      }),
      async (runId) => {
        await parked(runId, 'privacy');
        const query = `EspalierState = 'parked' AND WorkflowId = '${runId}'`;
        const found = async (): Promise<number> => (await temporal.client.workflow.count(query)).count;
        for (let i = 0; i < 400 && (await found()) === 0; i++) await new Promise((done) => setTimeout(done, 100));
        assert.equal(await found(), 1);
        const [listed] = (await listRuns(temporal.client, { pipeline: 'orchestration-test' })).filter(
          (run) => run.runId === runId,
        );
        assert.equal(listed?.state, 'parked');
        await cancelRun(temporal.client, runId);
        await assert.rejects(runOutcome(temporal.client, runId), /was cancelled/);
        const run = await showRun(temporal.client, runId);
        assert.equal(run.state, 'cancelled');
        assert.equal(run.steps.find(({ id }) => id === 'privacy')?.state, 'skipped');
      },
    );
  });

  it('of an optional candidate, or in a run that fails on failure, is dropped without asking', async () => {
    const away = failure('NetworkUnavailable', 'the hub is out of reach');
    const { pipeline } = runInput();
    const candidates = pipeline.candidates.map((one) => ({ ...one, optional: one.id === 'one' }));
    for (const input of [{ candidates }, { onFailure: 'fail' }] as const) {
      await withRun(
        (real) => ({ importModel: failing<'importModel'>(real.importModel, away, { step: 'import:one' }) }),
        async (runId) => {
          const run = await until(runId, ({ state }) => state === 'waiting-for-approval');
          assert.equal(run.steps.find(({ id }) => id === 'import:one')?.state, 'dropped');
        },
        input,
      );
    }
  });

  it('aborted among candidates stops the others before the run ends: nothing runs on', async () => {
    const { Context } = await import('@temporalio/activity');
    let stopped = false;
    await withRun(
      (real) => ({
        importModel: failing<'importModel'>(real.importModel, failure('DiskFull', 'no space left'), {
          step: 'import:one',
        }),
        exportEncoder: async (call) => {
          const { cancellationSignal, heartbeat } = Context.current();
          const beat = setInterval(() => heartbeat(), 100);
          await new Promise<void>((done) => cancellationSignal.addEventListener('abort', () => done()));
          clearInterval(beat);
          stopped = true;
          return real.exportEncoder(call);
        },
      }),
      async (runId) => {
        const stands = (id: string, is: string) => (run: RunView) =>
          run.steps.some((step) => step.id === id && step.state === is);
        await until(runId, stands('import:one', 'parked'));
        await until(runId, stands('export:two', 'running'));
        await resolve(runId, { step: 'import:one', action: 'abort' });
        await assert.rejects(runOutcome(temporal.client, runId), { kind: 'DiskFull' });
        assert.ok(stopped, 'the other candidate was stopped first');
      },
    );
  });

  it('parks the report too, and its abort ends the run', async () => {
    await withRun(
      (real) => ({
        judgeGates: async (call) => ({ ...(await real.judgeGates(call)), output: { verdict: 'fail', gates: [] } }),
        writeReport: failing<'writeReport'>(real.writeReport, failure('StorageDenied', 'no write access'), {
          step: 'report',
          times: 2,
        }),
      }),
      async (runId) => {
        await approveRun(temporal.client, runId, 'review', 'lena');
        assert.deepEqual((await parked(runId, 'report')).actions, ['retry', 'abort']);
        await resolve(runId, { step: 'report', action: 'abort' });
        await assert.rejects(runOutcome(temporal.client, runId), { kind: 'StorageDenied' });
      },
    );
  });

  it('leaves a deployed model unwatched when its monitor is skipped', async () => {
    await withRun(
      (real) => ({
        scheduleMonitor: failing<'scheduleMonitor'>(real.scheduleMonitor, failure('Internal', 'no schedule')),
      }),
      async (runId) => {
        await approveRun(temporal.client, runId, 'review', 'lena');
        await approveRun(temporal.client, runId, 'release', 'omar');
        await parked(runId, 'monitor');
        await resolve(runId, { step: 'monitor', action: 'skip' });
        assert.equal((await runOutcome(temporal.client, runId)).state, 'deployed');
      },
    );
  });

  it('can be replayed when its retry comes in the very moment of parking, beside candidates that go on', async () => {
    const away = failure('NetworkUnavailable', 'away');
    for (let round = 0; round < 2; round++) {
      const hammering: Promise<void>[] = [];
      const over = new AbortController();
      await withRun(
        (real) => ({
          // Each candidate step takes some milliseconds, so that the other's events fall into the moment of a retry.
          exportEncoder: async (call) => {
            await new Promise((next) => setTimeout(next, 5 + Math.random() * 20));
            return real.exportEncoder(call);
          },
          resolveModel: failing<'resolveModel'>(real.resolveModel, away, { step: 'resolve:one', times: 3 }),
          importModel: failing<'importModel'>(real.importModel, away, { step: 'import:two', times: 3 }),
          profileEncoder: failing<'profileEncoder'>(real.profileEncoder, away, { times: 6 }),
        }),
        async (runId) => {
          for (const step of ['resolve:one', 'import:two', 'profile:one', 'profile:two']) {
            const keen = async (): Promise<void> => {
              while (!over.signal.aborted) await send(runId, { step }).catch(() => undefined);
            };
            hammering.push(keen());
          }
          try {
            await until(runId, ({ state }) => state === 'waiting-for-approval');
          } finally {
            over.abort();
            await Promise.all(hammering);
          }
        },
      );
    }
  });

  it('can be replayed when its retry shares a workflow task with another step that ends', async () => {
    const { activities } = fakeActivities();
    const away = failure('NetworkUnavailable', 'away');
    let finishExport = (): void => undefined;
    const exporting = new Promise<void>((done) => (finishExport = done));
    const overrides: Partial<Activities> = {
      resolveModel: failing<'resolveModel'>(activities.resolveModel, away, { step: 'resolve:one' }),
      exportEncoder: async (call) => {
        if (call.stepId === 'export:two') await exporting;
        return activities.exportEncoder(call);
      },
    };
    const all = { ...activities, ...overrides };
    const runId = `test-${randomUUID()}`;
    const { orchestration, ...others } = TASK_QUEUES;
    const orchestrating = (body: () => Promise<void>): Promise<void> =>
      withWorkers(temporal.address, all, body, [orchestration]);
    const handle = temporal.client.workflow.getHandle(runId);
    await withWorkers(
      temporal.address,
      all,
      async () => {
        await orchestrating(async () => {
          const prepared = { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) };
          await startRun(temporal.client, prepared, { runId });
          await until(runId, ({ steps }) => steps.some(({ id, state }) => id === 'resolve:one' && state === 'parked'));
          await until(runId, ({ steps }) => steps.some(({ id, state }) => id === 'export:two' && state === 'running'));
        });
        // Nobody orchestrates: the end of the export and the retry wait for the same workflow task.
        finishExport();
        while (!(await completed(runId)).includes('export:two')) await new Promise((next) => setTimeout(next, 50));
        const sent = send(runId, { step: 'resolve:one' }).catch(reasonOf);
        await new Promise((next) => setTimeout(next, 500));
        await orchestrating(async () => {
          if (typeof (await sent) === 'string') await resolve(runId, { step: 'resolve:one' });
          await until(runId, ({ state }) => state === 'waiting-for-approval');
        });
      },
      Object.values(others),
    );
    await replayRun(temporal.client, runId);
    await handle.terminate();
  });

  it('is given to another worker for ever when its own is lost: only a training has no last attempt', async () => {
    await withRun(
      () => ({}),
      async (runId) => {
        await approveRun(temporal.client, runId, 'review', 'lena');
        await until(runId, ({ approvals }) => approvals[1]?.state === 'open');
        const { events = [] } = await temporal.client.workflow.getHandle(runId).fetchHistory();
        const attempts = (events ?? []).flatMap(({ activityTaskScheduledEventAttributes: scheduled }) =>
          scheduled ? [[scheduled.activityId, scheduled.retryPolicy?.maximumAttempts] as const] : [],
        );
        assert.deepEqual(
          attempts.filter(([, most]) => most === 0).map(([id]) => id),
          ['train'],
        );
      },
    );
  });
});

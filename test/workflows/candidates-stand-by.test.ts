import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Activities } from '../../activities/contract.ts';
import type { RankCandidatesInput } from '../../activities/contract/selection.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { cancelRun, runOutcome, showRun } from '../../client/runs.ts';
import { startRun } from '../../client/start-run.ts';
import { TASK_QUEUES, type Resolution, type RunView, type StepState } from '../../workflows/messages.ts';
import { failing, failure, reasonOf, resolveStep, sendResolution } from '../support/parking.ts';
import { temporalForTests } from '../support/temporal.ts';
import { approveRun, fakeActivities, ref, replayRun, runInput, untilRun, withWorkers } from '../support/workflow.ts';

const CRASHED = failure('TrainerFailed', 'the export crashed', 'look into its log');

/** A door that stays shut until it is opened. */
function door(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

const stateOf = (run: RunView, step: string): StepState | undefined => run.steps.find(({ id }) => id === step)?.state;

describe('a candidate that failed for no fault of its model, among others', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  interface Followed {
    readonly runId: string;
    readonly until: (condition: (run: RunView) => boolean) => Promise<RunView>;
    readonly resolve: (resolution: Partial<Resolution>) => Promise<unknown>;
    /** What the ranking was given. */
    readonly ranked: () => RankCandidatesInput | undefined;
    /** The steps of which people were told that they are parked. */
    readonly told: () => readonly (string | undefined)[];
    /** What people were told of candidates that were left out. */
    readonly lost: () => readonly (string | undefined)[];
  }

  async function withRun(
    overrides: (real: Activities) => Partial<Activities>,
    body: (followed: Followed) => Promise<void>,
    pipeline = runInput().pipeline,
  ): Promise<void> {
    const { activities } = fakeActivities();
    const runId = `test-${randomUUID()}`;
    let ranked: RankCandidatesInput | undefined;
    const told: (string | undefined)[] = [];
    const lost: (string | undefined)[] = [];
    const all: Activities = {
      ...activities,
      rankCandidates: (call) => {
        if (call.runId === runId) ranked = call.input;
        return activities.rankCandidates(call);
      },
      notify: (call) => {
        if (call.input.runId === runId && call.input.event === 'run.parked') told.push(call.input.step);
        if (call.input.runId === runId && call.input.event === 'candidates.left-out') lost.push(call.input.reason);
        return activities.notify(call);
      },
      ...overrides(activities),
    };
    await withWorkers(temporal.address, all, async () => {
      const input = runInput({ pipeline, candidates: pipeline.candidates, notify: true });
      await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
      try {
        await body({
          runId,
          until: (condition) => untilRun(temporal.client, runId, condition),
          resolve: (resolution) => resolveStep(temporal.client, runId, resolution),
          ranked: () => ranked,
          told: () => told,
          lost: () => lost,
        });
      } finally {
        await cancelRun(temporal.client, runId).catch(() => undefined);
      }
      await replayRun(temporal.client, runId);
    });
  }

  /** The first-named fails; the other one's last step begins only when the door is open. */
  const failsBeside =
    (fails: string, { opened }: { readonly opened: Promise<void> }) =>
    (real: Activities): Partial<Activities> => ({
      exportEncoder: failing<'exportEncoder'>(real.exportEncoder, CRASHED, { step: `export:${fails}` }),
      probeEncoder: async (call) => {
        if (call.stepId !== `probe:${fails}`) await opened;
        return real.probeEncoder(call);
      },
    });

  for (const [fails, wins] of [
    ['one', 'two'],
    ['two', 'one'],
  ] as const) {
    it(`stands by, and drops out once ${wins} may win: the run goes on without anyone, and the record says why`, async () => {
      const gate = door();
      await withRun(failsBeside(fails, gate), async ({ until, ranked, told }) => {
        const waits = await until((run) => stateOf(run, `export:${fails}`) === 'parked');
        const step = waits.steps.find(({ id }) => id === `export:${fails}`);
        assert.deepEqual(
          [waits.state, step?.standsBy, step?.error?.message, step?.actions],
          ['running', true, 'the export crashed', ['retry', 'skip', 'abort']],
        );
        gate.open();
        const run = await until(({ state }) => state === 'waiting-for-approval');
        for (const id of ['export', 'profile', 'probe']) {
          const dropped = run.steps.find((one) => one.id === `${id}:${fails}`);
          assert.deepEqual(
            [dropped?.state, dropped?.error?.message, dropped?.standsBy, dropped?.actions],
            ['dropped', 'the export crashed', undefined, undefined],
            id,
          );
        }
        const [loser, winner] = [fails, wins].map((id) => ranked()?.candidates.find((one) => one.id === id));
        assert.deepEqual([loser?.error?.kind, loser?.error?.message], ['TrainerFailed', 'the export crashed']);
        assert.ok(winner?.probe !== undefined && winner.error === undefined);
        assert.deepEqual(told(), []);
      });
    });

    it(`drops out at once where ${wins} may win already`, async () => {
      const known = door();
      const overrides = (real: Activities): Partial<Activities> => ({
        importModel: async (call) => {
          if (call.stepId !== `import:${fails}`) return real.importModel(call);
          await known.opened;
          throw CRASHED;
        },
      });
      await withRun(overrides, async ({ until, told }) => {
        await until((run) => stateOf(run, `probe:${wins}`) === 'done');
        known.open();
        const run = await until(({ state }) => state === 'waiting-for-approval');
        assert.equal(stateOf(run, `import:${fails}`), 'dropped');
        assert.deepEqual(told(), []);
      });
    });
  }

  it('is told of once, and left out for no fault of its own in the ranking, where its surroundings failed it', async () => {
    const gate = door();
    const outage = failure('StorageUnavailable', 'the store did not answer', 'start it');
    const overrides = (real: Activities): Partial<Activities> => ({
      ...failsBeside('one', gate)(real),
      exportEncoder: failing<'exportEncoder'>(real.exportEncoder, outage, { step: 'export:one' }),
    });
    await withRun(overrides, async ({ until, ranked, lost, told }) => {
      await until((run) => stateOf(run, 'export:one') === 'parked');
      gate.open();
      await until(({ state }) => state === 'waiting-for-approval');
      while (lost().length === 0) await new Promise((next) => setTimeout(next, 50));
      assert.deepEqual(lost().length, 1);
      assert.match(lost()[0] ?? '', /^one \(StorageUnavailable: the store did not answer/);
      const error = ranked()?.candidates.find(({ id }) => id === 'one')?.error;
      assert.match(error?.message ?? '', /the store did not answer \(left out for no fault of its own/);
      assert.match(error?.fix ?? '', /^start it; then a new run/);
      assert.deepEqual(told(), []);
    });
  });

  it('drops out once a changed limit lets one win that had broken it', async () => {
    const { pipeline } = runInput();
    const overrides = (real: Activities): Partial<Activities> => ({
      exportEncoder: failing<'exportEncoder'>(real.exportEncoder, CRASHED, { step: 'export:one', times: 2 }),
    });
    const small = { ...pipeline, selection: { ...pipeline.selection, maxSizeMb: 0.5 } };
    await withRun(
      overrides,
      async ({ until, resolve, told }) => {
        await until(({ state }) => state === 'parked');
        await resolve({ step: 'export:one', settings: { 'selection.maxSizeMb': 600 } });
        const run = await until(({ state }) => state === 'waiting-for-approval');
        assert.equal(stateOf(run, 'export:one'), 'dropped');
        assert.equal(told().length, 1);
      },
      small,
    );
  });

  it('is parked when the other one fails, too: of both somebody is told once, and one that is saved lets the run end', async () => {
    const gate = door();
    const overrides = (real: Activities): Partial<Activities> => {
      const exports = failing<'exportEncoder'>(real.exportEncoder, CRASHED, { times: 2 });
      let calls = 0;
      return {
        exportEncoder: async (call) => {
          // The retry takes its time, so that how the other stands meanwhile can be seen.
          if (call.stepId === 'export:two' && calls++ > 0) await gate.opened;
          return exports(call);
        },
      };
    };
    await withRun(overrides, async ({ runId, until, resolve, told }) => {
      const both = await until(({ state }) => state === 'parked');
      assert.deepEqual(
        both.steps.flatMap(({ id, state, standsBy }) => (state === 'parked' ? [[id, standsBy]] : [])),
        [
          ['export:one', undefined],
          ['export:two', undefined],
        ],
      );
      await resolve({ step: 'export:two', comment: 'the worker was too small' });
      const again = await until(({ state }) => state === 'running');
      const other = again.steps.find(({ id }) => id === 'export:one');
      assert.deepEqual([other?.state, other?.standsBy], ['parked', true], 'the one that is tried again may win');
      gate.open();
      await approveRun(temporal.client, runId, 'review', 'lena');
      await approveRun(temporal.client, runId, 'release', 'omar');
      assert.equal((await runOutcome(temporal.client, runId)).state, 'deployed');
      const ended = await showRun(temporal.client, runId);
      assert.deepEqual([stateOf(ended, 'export:one'), stateOf(ended, 'probe:two')], ['dropped', 'done']);
      assert.equal(told().length, 1);
    });
  });

  it('stays parked when the other one that failed is skipped, and nobody is told a second time', async () => {
    const overrides = (real: Activities): Partial<Activities> => ({
      exportEncoder: failing<'exportEncoder'>(real.exportEncoder, CRASHED, { times: 2 }),
    });
    await withRun(overrides, async ({ until, resolve, told }) => {
      await until(({ state }) => state === 'parked');
      await resolve({ step: 'export:one', action: 'skip', comment: 'not this one' });
      const run = await until((now) => stateOf(now, 'probe:one') === 'dropped');
      const left = run.steps.find(({ id }) => id === 'export:two');
      assert.deepEqual([run.state, left?.state, left?.standsBy], ['parked', 'parked', undefined]);
      await resolve({ step: 'export:two' });
      const saved = await until(({ state }) => state === 'waiting-for-approval');
      assert.match(
        saved.steps.find(({ id }) => id === 'export:one')?.error?.message ?? '',
        /^skipped by olga: the export/,
      );
      assert.equal(told().length, 1);
    });
  });

  it('is parked where the other one breaks a limit, and where it is the only one', async () => {
    const { pipeline } = runInput();
    const overrides = (real: Activities): Partial<Activities> => ({
      exportEncoder: failing<'exportEncoder'>(real.exportEncoder, CRASHED, { step: 'export:one' }),
    });
    const small = { ...pipeline, selection: { ...pipeline.selection, maxSizeMb: 0.5 } };
    const alone = { ...pipeline, candidates: pipeline.candidates.slice(0, 1) };
    for (const definition of [small, alone]) {
      await withRun(
        overrides,
        async ({ until }) => {
          const run = await until(({ state }) => state === 'parked');
          assert.equal(run.steps.find(({ id }) => id === 'export:one')?.standsBy, undefined);
        },
        definition,
      );
    }
  });

  it('can be retried while it stands by, and is measured like the others then', async () => {
    const gate = door();
    await withRun(failsBeside('one', gate), async ({ until, resolve, ranked }) => {
      await until((run) => stateOf(run, 'export:one') === 'parked');
      await resolve({ step: 'export:one', comment: 'now' });
      await until((run) => stateOf(run, 'probe:one') === 'done');
      gate.open();
      await until(({ state }) => state === 'waiting-for-approval');
      assert.deepEqual(
        ranked()?.candidates.map(({ id, probe, error }) => [id, probe !== undefined, error]),
        [
          ['one', true, undefined],
          ['two', true, undefined],
        ],
      );
    });
  });

  it('can be replayed when its retry shares a workflow task with the end of the candidate that drops it', async () => {
    const { activities } = fakeActivities();
    const gate = door();
    const all = { ...activities, ...failsBeside('one', gate)(activities) };
    const runId = `test-${randomUUID()}`;
    const { orchestration, ...others } = TASK_QUEUES;
    const orchestrating = (body: () => Promise<void>): Promise<void> =>
      withWorkers(temporal.address, all, body, [orchestration]);
    const handle = temporal.client.workflow.getHandle(runId);
    const beside = async (): Promise<void> => {
      await orchestrating(async () => {
        const prepared = { input: runInput(), inputRef: ref('input'), digest: digestJson(runId) };
        await startRun(temporal.client, prepared, { runId });
        const both = (run: RunView): boolean =>
          stateOf(run, 'export:one') === 'parked' && stateOf(run, 'probe:two') === 'running';
        await untilRun(temporal.client, runId, both);
      });
      // Nobody orchestrates: the end of the probe and the retry wait for the same workflow task.
      const length = async (): Promise<number> => (await handle.fetchHistory()).events?.length ?? 0;
      const before = await length();
      gate.open();
      while ((await length()) === before) await new Promise((next) => setTimeout(next, 50));
      const sent = sendResolution(temporal.client, runId, { step: 'export:one' }).catch(reasonOf);
      await new Promise((next) => setTimeout(next, 500));
      await orchestrating(async () => {
        // Whichever comes first, the run goes on: the candidate is tried again, or it was dropped and the retry refused.
        const answer = await sent;
        const run = await untilRun(temporal.client, runId, ({ state }) => state === 'waiting-for-approval');
        const refused = typeof answer === 'string';
        if (refused) assert.match(answer, /just moving on|not parked: dropped/);
        assert.equal(stateOf(run, 'export:one'), refused ? 'dropped' : 'done');
      });
    };
    await withWorkers(temporal.address, all, beside, Object.values(others));
    await replayRun(temporal.client, runId);
    await handle.terminate();
  });

  it('is cancelled with its run while it stands by', async () => {
    const gate = door();
    await withRun(failsBeside('one', gate), async ({ runId, until }) => {
      await until((run) => stateOf(run, 'export:one') === 'parked');
      await cancelRun(temporal.client, runId);
      gate.open();
      await assert.rejects(runOutcome(temporal.client, runId), /was cancelled/);
      assert.equal(stateOf(await showRun(temporal.client, runId), 'export:one'), 'skipped');
    });
  });
});

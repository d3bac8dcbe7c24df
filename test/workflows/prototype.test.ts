import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/contract.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ChooseCandidateInput } from '../../activities/contract/prototype.ts';
import { halveCandidates } from '../../activities/selection/halving.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { connectTemporal, type TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import type { TextClassification } from '../../pipelines/definition.ts';
import { startTemporalIn } from '../support/temporal-server.ts';
import { approveRun, fakeActivities, ref, replayRun, runInput, untilRun, withWorkers } from '../support/workflow.ts';

type Parts = Partial<Pick<TextClassification, 'budget' | 'prototype' | 'selection' | 'training'>>;

describe('prototypes of the best candidates', () => {
  let state: string;
  let server: Awaited<ReturnType<typeof startTemporalIn>>;
  let temporal: TemporalClient;
  before(async () => {
    state = await mkdtemp(join(tmpdir(), 'espalier-prototype-'));
    server = await startTemporalIn(state);
    temporal = await connectTemporal({ TEMPORAL_ADDRESS: server.address });
  });
  after(async () => {
    await temporal.close();
    await server.stop();
    await rm(state, { recursive: true, force: true });
  });

  /** Runs until the review waits; returns which steps ran, what `choose` was given, and the view. */
  async function untilReview(
    runId: string,
    options: {
      readonly parts?: Parts;
      readonly trainRows?: number;
      readonly overrides?: (real: Activities) => Partial<Activities>;
    } = {},
  ) {
    const { activities, ran } = fakeActivities();
    const chosen: ChooseCandidateInput[] = [];
    const draws: unknown[] = [];
    const rankedBy: unknown[] = [];
    const settled = new Map<string, NonNullable<RunFacts['recipe']>[number]>();
    const shortlisting: Partial<Activities> = {
      probeEncoder: (call) => {
        draws.push(call.input.draw);
        return activities.probeEncoder(call);
      },
      prepareData: async (call) => {
        const faked = await activities.prepareData(call);
        return {
          ...faked,
          output: { ...faked.output, rows: { train: options.trainRows ?? 5000, validation: 15, test: 15 } },
        };
      },
      rankCandidates: async (call) => {
        rankedBy.push(call.input.by);
        const ranked = await activities.rankCandidates(call);
        return { ...ranked, output: { ...ranked.output, shortlist: ['two', 'one'] } };
      },
      halveCandidates: async (call) => {
        const faked = await activities.halveCandidates(call);
        return { ...faked, output: halveCandidates(call.input) };
      },
      trainModel: async (call) => {
        const faked = await activities.trainModel(call);
        return { ...faked, output: { ...faked.output, validationAccuracy: 0.8 } };
      },
      writeReport: (call) => {
        for (const one of call.input.facts.recipe ?? []) settled.set(one.path, one);
        return activities.writeReport(call);
      },
      chooseCandidate: (call) => {
        chosen.push(call.input);
        return activities.chooseCandidate(call);
      },
    };
    const all = { ...activities, ...shortlisting };
    const input = runInput();
    const pipeline = { ...input.pipeline, ...options.parts };
    return withWorkers(server.address, { ...all, ...options.overrides?.(all) }, async () => {
      await startRun(
        temporal.client,
        { input: { ...input, pipeline }, inputRef: ref('input'), digest: digestJson(runId) },
        { runId },
      );
      const view = await untilRun(temporal.client, runId, ({ state: at }) => at !== 'running');
      await replayRun(temporal.client, runId);
      return {
        ran,
        chosen: chosen[0],
        settled,
        draws,
        rankedBy,
        view,
        stateOf: (id: string) => view.steps.find((one) => one.id === id)?.state,
      };
    });
  }

  it('are made rung by rung between rank and review, and whom they choose is tuned', async () => {
    const { ran, chosen, draws, stateOf } = await untilReview('climbs');
    assert.deepEqual(draws, [true, true], 'probes only say who is tried');
    const order = ['rank', 'subset:1', 'halve:1', 'subset:2', 'prototype:one:2', 'choose', 'review-evidence'];
    assert.deepEqual(
      ran.filter((id) => order.includes(id)),
      order,
    );
    assert.ok(ran.includes('prototype:one:1') && ran.includes('prototype:two:1'));
    assert.equal(stateOf('prototype:two:2'), 'skipped', 'who left is not tried again');
    assert.equal(chosen?.results.length, 3);
  });

  it('leave out a rung that few rows make as large as the next one', async () => {
    const { ran, chosen, stateOf } = await untilReview('few-rows', { trainRows: 600 });
    assert.ok(!ran.includes('subset:1') && !ran.includes('halve:1'));
    assert.equal(stateOf('prototype:one:1'), 'skipped');
    assert.deepEqual(
      chosen?.results.map(({ candidate, rung }) => `${candidate}:${rung}`),
      ['two:2', 'one:2'],
    );
  });

  describe('from several seeds', () => {
    const { selection } = runInput().pipeline;
    const parts = { selection: { ...selection, prototype: { ...selection.prototype, seeds: 3 } } };

    it('are those of few rows: their mean is compared, and the seed is all that they differ in', async () => {
      const trained = new Map<string, { seed: number; rest: string }>();
      const listens = (real: Activities): Partial<Activities> => ({
        trainModel: async (call) => {
          const { seed, ...rest } = call.input.training;
          if (call.stepId.startsWith('prototype:one')) {
            trained.set(call.stepId, { seed, rest: JSON.stringify({ ...call.input, training: rest }) });
          }
          const done = await real.trainModel(call);
          const validationAccuracy = { 'prototype:one:2:2': 0.5, 'prototype:one:2:3': 0.25 }[call.stepId] ?? 0.75;
          return { ...done, output: { ...done.output, validationAccuracy } };
        },
      });
      const { chosen, ran } = await untilReview('seeds', { parts, trainRows: 600, overrides: listens });
      assert.equal(ran.filter((id) => id.startsWith('prototype:')).length, 6);
      const [first, second] = [trained.get('prototype:one:2'), trained.get('prototype:one:2:2')];
      assert.equal(second?.seed, (first?.seed ?? 0) + 1);
      assert.equal(second?.rest, first?.rest);
      assert.deepEqual(
        chosen?.results.map(({ candidate, accuracy, accuracies }) => [candidate, accuracy, accuracies]),
        [
          ['two', 0.75, [0.75, 0.75, 0.75]],
          ['one', 0.5, [0.75, 0.5, 0.25]],
        ],
      );
    });

    it('are left to the rows where the definition does not name them, and the record says why', async () => {
      const few = await untilReview('seeds-by-rows', { trainRows: 600 });
      const [tried] = few.chosen?.results ?? [];
      assert.equal(tried?.accuracies?.length, 3);
      assert.match(few.settled.get('selection.prototype.seeds')?.reason ?? '', /^600 training rows: of so few/);
      assert.ok(few.settled.has('training.epochs'), 'what is settled later takes none of it away');
    });

    it('are one by the rows where these are many, and the others are skipped', async () => {
      const many = await untilReview('one-seed-by-rows');
      assert.equal(many.stateOf('prototype:two:1:2'), 'skipped');
      assert.equal(many.settled.get('selection.prototype.seeds')?.value, 1);
    });

    it('are one in a run that began before they could be set, with the graph that it was planned by', async () => {
      const { seeds: _, ...prototype } = selection.prototype;
      const before = { selection: { ...selection, prototype } } as Parts;
      const old = await untilReview('before-seeds', { parts: before, trainRows: 600 });
      assert.equal(old.stateOf('prototype:two:2:2'), undefined);
      assert.ok(old.chosen?.results.every(({ accuracies }) => accuracies === undefined));
      assert.ok(!old.settled.has('selection.prototype.seeds'));
    });

    it('are one where the rows are many, or the run is a prototype itself: the others are skipped', async () => {
      const many = await untilReview('one-seed', { parts });
      const small = { ...parts, prototype: { trainRows: 50, measuredRows: 20, seed: 7 } };
      const trial = await untilReview('trial-of-one-seed', { parts: small, trainRows: 600 });
      assert.equal(many.stateOf('prototype:two:1:2'), 'skipped');
      assert.equal(trial.stateOf('prototype:two:1:2'), undefined, 'is no part of its plan');
      for (const { chosen, ran } of [many, trial]) {
        assert.ok(!ran.some((id) => /^prototype:[^:]+:\d:2$/.test(id)));
        assert.ok(chosen?.results.every(({ accuracies }) => accuracies === undefined));
      }
    });
  });

  it('never fail the selection: whoever fails is left out with the reason', async () => {
    const fails = (real: Activities): Partial<Activities> => ({
      trainModel: (call) =>
        call.stepId.startsWith('prototype:')
          ? Promise.reject(ApplicationFailure.nonRetryable('the loss is NaN', 'Diverged'))
          : real.trainModel(call),
    });
    const { chosen, view, stateOf } = await untilReview('fails', { overrides: fails });
    assert.equal(view.state, 'waiting-for-approval');
    assert.equal(stateOf('prototype:one:1'), 'dropped');
    assert.deepEqual(
      chosen?.results.map(({ accuracy, error }) => [accuracy, error]),
      [
        [null, 'the loss is NaN'],
        [null, 'the loss is NaN'],
      ],
    );
  });

  it('are not made of one candidate, nor where only a head is trained', async () => {
    const one = (real: Activities): Partial<Activities> => ({
      rankCandidates: async (call) => {
        const ranked = await real.rankCandidates(call);
        return { ...ranked, output: { ...ranked.output, shortlist: ['two'] } };
      },
    });
    const alone = await untilReview('alone', { overrides: one });
    const { training } = runInput().pipeline;
    const head = await untilReview('head', { parts: { training: { ...training, method: 'head' } } });
    assert.deepEqual(head.draws, [undefined, undefined], 'probes have the last word');
    assert.deepEqual([alone.rankedBy, head.rankedBy], [[undefined], ['head']]);
    for (const { ran, stateOf } of [alone, head]) {
      assert.ok(!ran.some((id) => /^(subset|prototype|halve)|choose/.test(id)));
      assert.equal(stateOf('choose'), 'skipped');
    }
  });

  it('stop where the budget has ended, with what is known, and the training is told when to end', async () => {
    let arrived = 0;
    let letGo = (): void => undefined;
    const both = new Promise<void>((resolve) => (letGo = resolve));
    const slow = (real: Activities): Partial<Activities> => ({
      // On a busy machine the second would come to its probe after the budget has ended, the first one known.
      probeEncoder: async (call) => {
        if (++arrived === 2) letGo();
        await both;
        return real.probeEncoder(call);
      },
      trainModel: async (call) => {
        await new Promise((resolve) => setTimeout(resolve, 1200));
        return real.trainModel(call);
      },
    });
    const { chosen, ran, view } = await untilReview('budget', { parts: { budget: { time: '1s' } }, overrides: slow });
    assert.match(chosen?.stopped ?? '', /time budget of 1s/);
    assert.ok(!ran.includes('subset:2'));
    assert.equal(view.state, 'waiting-for-approval');
    let stopAt: string | undefined;
    let trainedMs = 0;
    const approvedMs = Date.now();
    const { activities } = fakeActivities();
    const listens: Partial<Activities> = {
      trainModel: (call) => {
        ({ stopAt } = call.input);
        trainedMs = Date.now();
        return activities.trainModel(call);
      },
    };
    await withWorkers(server.address, { ...activities, ...listens }, async () => {
      await approveRun(temporal.client, 'budget', 'review', 'lena');
      await untilRun(temporal.client, 'budget', ({ steps }) =>
        steps.some(({ id, state: s }) => id === 'train' && s === 'done'),
      );
    });
    // Nothing is left: it is to end when it begins.
    const stopMs = Date.parse(stopAt ?? '');
    assert.ok(stopMs >= approvedMs && stopMs <= trainedMs, `${approvedMs} ${stopAt} ${trainedMs}`);
  });

  /** One is known, and the budget of a second has ended, before the other is exported. */
  function afterTheBudget(): (real: Activities) => Partial<Activities> {
    let isKnown = (): void => undefined;
    const known = new Promise<void>((resolve) => (isKnown = resolve));
    return (real) => ({
      probeEncoder: async (call) => {
        const probed = await real.probeEncoder(call);
        if (call.stepId === 'probe:one') isKnown();
        return probed;
      },
      exportEncoder: async (call) => {
        if (call.stepId === 'export:two') {
          await known;
          await new Promise((resolve) => setTimeout(resolve, 1200));
        }
        return real.exportEncoder(call);
      },
    });
  }

  it('are not waited for by a candidate that the budget cuts: it is left out with the reason, the one that is known goes on', async () => {
    const late = (real: Activities): Partial<Activities> => ({
      ...afterTheBudget()(real),
      rankCandidates: async (call) => {
        const ranked = await real.rankCandidates(call);
        const two = call.input.candidates.find(({ id }) => id === 'two');
        assert.equal(two?.error?.kind, 'BudgetEnded', two?.error?.message);
        assert.match(two?.error?.message ?? '', /time budget of 1s.*another candidate that may win was known/);
        return { ...ranked, output: { ...ranked.output, winner: 'one', shortlist: ['one'] } };
      },
    });
    const { ran, stateOf } = await untilReview('known', { parts: { budget: { time: '1s' } }, overrides: late });
    assert.ok(ran.includes('probe:one') && !ran.includes('profile:two'), ran.join());
    assert.equal(stateOf('profile:two'), 'dropped');
    assert.equal(stateOf('rank'), 'done');
  });

  it('wait for every candidate where the one that is known breaks a limit, whatever has ended', async () => {
    // A candidate of these tests has one megabyte.
    const parts = { budget: { time: '1s' }, selection: { ...runInput().pipeline.selection, maxSizeMb: 0.5 } };
    const { ran } = await untilReview('too-large', { parts, overrides: afterTheBudget() });
    assert.ok(ran.includes('probe:one') && ran.includes('probe:two'), ran.join());
  });

  it('stop in the middle of a rung where the budget ends there', async () => {
    const allowed: (string | undefined)[] = [];
    const ends = (real: Activities): Partial<Activities> => ({
      trainModel: (call) => {
        if (call.runId !== 'cut') return real.trainModel(call);
        allowed.push(call.input.allowance?.until);
        return call.stepId === 'prototype:one:1'
          ? Promise.reject(ApplicationFailure.nonRetryable('the budget ended it', 'BudgetEnded'))
          : real.trainModel(call);
      },
    });
    const { chosen, ran, stateOf } = await untilReview('cut', { parts: { budget: { time: '1h' } }, overrides: ends });
    assert.match(chosen?.stopped ?? '', /middle of rung 1, before 1 of its 2 trainings/);
    assert.equal(chosen?.results.find(({ candidate }) => candidate === 'one')?.errorKind, 'BudgetEnded');
    assert.ok(!ran.includes('halve:1') && !ran.includes('subset:2'));
    assert.equal(stateOf('prototype:one:1'), 'dropped');
    assert.equal(allowed.length, 2);
    assert.ok(allowed.every((until) => Date.parse(until ?? '') > 0));
  });

  it('of a whole run: a small part of the data stands in its place in every step', async () => {
    const trained: string[] = [];
    const listens = (real: Activities): Partial<Activities> => ({
      profileEncoder: (call) => {
        trained.push(call.input.dataset.name);
        return real.profileEncoder(call);
      },
    });
    const parts = { prototype: { trainRows: 50, measuredRows: 20, seed: 7 } };
    const { ran, stateOf, chosen } = await untilReview('trial', { parts, overrides: listens });
    assert.equal(chosen?.fullRows, 5000, 'the curve is read off at all rows that there are');
    assert.deepEqual(new Set(trained), new Set(['subset']));
    assert.equal(stateOf('subset'), 'done');
    for (const id of ['prototype:one:2', 'prototype:two:2']) assert.ok(ran.includes(id), 'a few rows cut nobody');
  });
});

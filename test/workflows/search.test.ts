import assert from 'node:assert/strict';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { ApplicationFailure } from '@temporalio/common';
import type { Activities } from '../../activities/contract.ts';
import type { RunFacts } from '../../activities/contract/evidence.ts';
import type { ChooseSettingsInput } from '../../activities/contract/search.ts';
import type { Allowance, TrainModelInput } from '../../activities/contract/training.ts';
import { halveCandidates } from '../../activities/selection/halving.ts';
import { toFailure } from '../../activities/attempt-failures.ts';
import { EspalierError } from '../../artifacts/errors.ts';
import { digestJson } from '../../artifacts/digest.ts';
import type { TemporalClient } from '../../client/connection.ts';
import { startRun } from '../../client/start-run.ts';
import { TrainingSchema } from '../../pipelines/definition/training.ts';
import type { Resolution, RunInput, StepView } from '../../workflows/messages.ts';
import { temporalForTests } from '../support/temporal.ts';
import {
  approveRun,
  fakeActivities,
  pictureInput,
  ref,
  replayRun,
  runInput,
  untilRun,
  withWorkers,
} from '../support/workflow.ts';

const SEARCH = { trials: 4, rungs: [0.3, 1] };

const searching = (search: object = {}, more: object = {}): RunInput => {
  const input = runInput();
  const training = TrainingSchema.parse({ search: { ...SEARCH, ...search }, ...more });
  return { ...input, pipeline: { ...input.pipeline, training } };
};

describe('a search for settings', () => {
  let temporal: TemporalClient;
  before(async () => {
    temporal = await (await temporalForTests()).connect();
  });
  after(() => temporal.close());

  /** How well a training does: by default the better the higher its rate, but never hopelessly ahead. */
  type Accuracy = (input: TrainModelInput, stepId: string) => number;

  /** Runs `input` until it waits for review, then whatever is done afterwards. */
  async function started(
    runId: string,
    input: RunInput,
    options: {
      readonly rows?: number;
      readonly accuracy?: Accuracy;
      readonly overrides?: (real: Activities) => Partial<Activities>;
      readonly afterwards?: () => Promise<void>;
    } = {},
  ) {
    const { activities, ran } = fakeActivities();
    const { accuracy = ({ training }) => 0.8 + 100 * training.learningRate } = options;
    const rows = { train: options.rows ?? 5000, validation: 400, test: 400 };
    const trained = new Map<string, TrainModelInput>();
    const chosen: ChooseSettingsInput[] = [];
    const packs: RunFacts[] = [];
    const told: Partial<Activities> = {
      prepareData: async (call) => {
        const faked = await activities.prepareData(call);
        return { ...faked, output: { ...faked.output, rows } };
      },
      preparePictures: async (call) => {
        const faked = await activities.preparePictures(call);
        return { ...faked, output: { ...faked.output, rows } };
      },
      subsetData: async (call) => {
        const faked = await activities.subsetData(call);
        const { share = 1 } = call.input.rows.train;
        return { ...faked, output: { ...faked.output, rows: { train: rows.train * share, validation: 400, test: 0 } } };
      },
      halveCandidates: async (call) => {
        const faked = await activities.halveCandidates(call);
        return { ...faked, output: halveCandidates(call.input) };
      },
      trainModel: async (call) => {
        const faked = await activities.trainModel(call);
        // Workers serve the runs that other tests left, too.
        if (call.runId === runId) trained.set(call.stepId, call.input);
        return { ...faked, output: { ...faked.output, validationAccuracy: accuracy(call.input, call.stepId) } };
      },
      chooseSettings: (call) => {
        if (call.runId === runId) chosen.push(call.input);
        try {
          return activities.chooseSettings(call);
        } catch (error) {
          throw toFailure(error, call.stepId);
        }
      },
      writeReport: (call) => {
        if (call.runId === runId) packs.push(call.input.facts);
        return activities.writeReport(call);
      },
    };
    const all = { ...activities, ...told };
    return withWorkers(temporal.address, { ...all, ...options.overrides?.(all) }, async () => {
      await startRun(temporal.client, { input, inputRef: ref('input'), digest: digestJson(runId) }, { runId });
      const view = await untilRun(temporal.client, runId, ({ state: at }) => at !== 'running');
      await options.afterwards?.();
      await replayRun(temporal.client, runId);
      const stateOf = (id: string) => view.steps.find((one) => one.id === id)?.state;
      return { ran, trained, chosen: chosen[0], facts: packs[0], packs, view, stateOf };
    });
  }

  const untilTrained = (runId: string) => async () => {
    await approveRun(temporal.client, runId, 'review', 'lena');
    await untilRun(temporal.client, runId, ({ steps }) =>
      steps.some(({ id, state: at }) => id === 'train' && at === 'done'),
    );
  };

  /** As soon as the run is parked. */
  async function retried(runId: string, step: string, settings: Record<string, unknown>): Promise<void> {
    await untilRun(temporal.client, runId, ({ state: at }) => at === 'parked');
    const resolution = { step, action: 'retry', settings, by: 'starter', comment: 'smaller' } as const;
    const handle = temporal.client.workflow.getHandle(runId);
    for (;;) {
      try {
        await handle.executeUpdate<StepView, [Resolution]>('resolve', { args: [resolution] });
        return;
      } catch (error) {
        const reason = error instanceof WorkflowUpdateFailedError ? (error.cause?.message ?? '') : '';
        if (!/just moving on/.test(reason)) throw error;
      }
    }
  }

  it('trains rung by rung before the review, and what it finds is what the model is trained at', async () => {
    const runId = 'finds';
    const { ran, trained, facts, packs, stateOf } = await started(runId, searching(), {
      afterwards: untilTrained(runId),
    });
    const order = [
      'rank',
      'search',
      'search-subset:1',
      'search-halve:1',
      'search-subset:2',
      'settings',
      'review-evidence',
    ];
    assert.deepEqual(
      ran.filter((id) => order.includes(id)),
      order,
    );
    const trials = ran.filter((id) => id.startsWith('trial:')).toSorted();
    assert.deepEqual(trials, [
      'trial:1:1',
      'trial:1:2',
      'trial:1:3',
      'trial:1:4',
      'trial:2:1',
      'trial:2:2',
      'trial:2:3',
    ]);
    assert.equal(stateOf('trial:2:1:2'), 'skipped', 'of many rows one seed is enough');
    const searched = facts?.searched;
    assert.ok(searched !== undefined && searched.chosen !== 'trial-1', searched?.reason);
    const rate = trained.get('train')?.training.learningRate ?? 0;
    assert.equal(rate, searched.trials[0]?.settings.learningRate);
    assert.ok(rate > 2e-4, 'more than the recommended rate');
    assert.equal(facts?.pipeline.training?.learningRate, rate, 'the record has it');
    assert.match(
      facts?.recipe?.find(({ path }) => path.endsWith('.learningRate'))?.reason ?? '',
      /found by the search/,
    );
    assert.ok(
      ![...trained.values()].some(({ training }) => 'search' in training),
      'how they were found is no part of it',
    );
    assert.deepEqual(packs.at(-1)?.recipe, facts?.recipe);
  });

  it('stays with the recommended settings where nothing is better beyond chance, and says so', async () => {
    const { facts } = await started('stays', searching(), { accuracy: (_, id) => (id.endsWith(':1') ? 0.8 : 0.81) });
    assert.equal(facts?.searched?.chosen, 'trial-1');
    assert.match(facts?.searched?.reason ?? '', /not beaten beyond chance/);
    assert.match(
      facts?.recipe?.find(({ path }) => path.endsWith('.learningRate'))?.reason ?? '',
      /^0\.000001 million parameters/,
    );
  });

  it('leaves what the definition names alone, and trains pictures as well', async () => {
    const training = { learningRate: 3e-5, headLearningRate: 2e-3, search: { trials: 3, rungs: [1] } };
    const input = pictureInput({ training });
    const { trained, chosen } = await started('pictures', input, {
      accuracy: ({ training: { epochs } }) => epochs / 100,
    });
    assert.equal(trained.size, 3);
    for (const [, given] of trained) {
      assert.equal(given.task, 'image-classification');
      assert.deepEqual([given.training.learningRate, given.training.headLearningRate], [3e-5, 2e-3]);
    }
    assert.ok(chosen?.trials.every(({ settings }) => settings.learningRate === undefined));
  });

  it('trains from several seeds on the last rung of few rows', async () => {
    const few = await started('few', searching({ seeds: 2 }), { rows: 600 });
    const last = few.chosen?.results.filter(({ rung }) => rung === 2) ?? [];
    assert.deepEqual(
      last.map(({ seed }) => seed),
      [7, 8, 7, 8, 7, 8],
    );
    assert.deepEqual(
      ['trial:2:1', 'trial:2:1:2'].map((id) => few.trained.get(id)?.training.seed),
      [7, 8],
    );
  });

  it('goes on without a trial that fails, and where all diverge waits for somebody who names other settings', async () => {
    const fails =
      (which: (id: string) => boolean) =>
      (real: Activities): Partial<Activities> => ({
        trainModel: (call) =>
          which(call.stepId)
            ? Promise.reject(ApplicationFailure.nonRetryable('the loss is NaN', 'Diverged'))
            : real.trainModel(call),
      });
    const one = await started('one-fails', searching(), { overrides: fails((id) => id === 'trial:1:1') });
    assert.equal(one.stateOf('trial:1:1'), 'dropped');
    assert.equal(one.stateOf('trial:2:1'), 'skipped', 'the place of the recommended settings stays theirs');
    assert.match(one.facts?.searched?.reason ?? '', /the recommended settings could not be trained/);
    const runId = 'all-fail';
    const all = await started(runId, searching(), {
      overrides: fails((id) => id.startsWith('trial:')),
      afterwards: async () => {
        await retried(runId, 'settings', { 'training.learningRate': 1e-6 });
        await untilRun(temporal.client, runId, ({ state: at }) => at === 'waiting-for-approval');
      },
    });
    const parked = all.view.steps.find(({ id }) => id === 'settings');
    assert.deepEqual([all.view.state, parked?.state, parked?.error?.kind], ['parked', 'parked', 'Diverged']);
    assert.match(parked?.error?.message ?? '', /4 of 4 trials diverged/);
    assert.equal(all.stateOf('search-subset:2'), 'skipped');
    assert.match(all.facts?.searched?.reason ?? '', /^What was named since holds/);
    assert.equal(all.facts?.pipeline.training?.learningRate, 1e-6);
  });

  it('stops where the budget has ended, with the best so far', async () => {
    const input = searching();
    // A unit of money a second, and every training takes one.
    const priced: Partial<Activities> = {
      findPrices: () => Promise.resolve({ currency: 'EUR', source: 'test', perHour: { 'espalier-gpu': 3600 } }),
    };
    const { ran, facts } = await started(
      'budget',
      { ...input, pipeline: { ...input.pipeline, budget: { money: 4 } } },
      { overrides: () => priced },
    );
    assert.ok(!ran.includes('search-subset:2'));
    assert.match(facts?.searched?.stopped ?? '', /budget of 4 EUR had ended/);
    assert.equal(facts?.searched?.chosen, 'trial-2', 'the best of the rung that was reached');
  });

  it('stops in the middle of a rung where the budget ends there, and who was cut is out of the comparison', async () => {
    const input = searching();
    const allowed = new Map<string, Allowance | undefined>();
    const ends = (real: Activities): Partial<Activities> => ({
      findPrices: () => Promise.resolve({ currency: 'EUR', source: 'test', perHour: { 'espalier-gpu': 3600 } }),
      trainModel: async (call) => {
        if (call.runId !== 'cut') return real.trainModel(call);
        allowed.set(call.stepId, call.input.allowance);
        if (call.stepId !== 'trial:2:2') return real.trainModel(call);
        const ended = new EspalierError('BudgetEnded', 'the budget ended it after 1 of 4 epochs');
        throw toFailure(ended, call.stepId, 1, { ranSeconds: 5 });
      },
    });
    const runId = 'cut';
    const { facts, stateOf } = await started(
      runId,
      { ...input, pipeline: { ...input.pipeline, budget: { time: '1h', money: 100 } } },
      {
        accuracy: (_, id) => (id === 'trial:2:3' ? 0.9 : id.endsWith(':1') ? 0.8 : 0.82),
        overrides: ends,
        afterwards: untilTrained(runId),
      },
    );
    assert.equal(stateOf('trial:2:2'), 'dropped');
    assert.match(facts?.searched?.stopped ?? '', /middle of rung 2, before 1 of its 3 trainings had come to an end/);
    const { trials = [], chosen } = facts?.searched ?? {};
    const cut = trials.find(({ left }) => left?.startsWith('It was not whole on rung 2') === true);
    assert.ok(cut !== undefined && cut.id !== chosen && chosen !== 'trial-1', facts?.searched?.reason);
    // A second each, a unit a second: four parts of 100; then, of what is left, three without what all rows should take.
    assert.equal(allowed.get('trial:1:1')?.seconds, 25);
    assert.ok(Math.abs((allowed.get('trial:2:1')?.seconds ?? 0) - (96 - 1 / 0.3) / 3) < 0.01);
    const left = Date.parse(allowed.get('trial:2:1')?.until ?? '') - Date.now();
    assert.ok(left > 0 && left < 3_600_000, `${left} ms`);
    assert.equal(allowed.get('train'), undefined, 'the training itself keeps its best');
    const step = facts?.steps.find(({ id }) => id === 'trial:2:2');
    assert.equal(step?.ranSeconds, 5, 'what was cut has cost something');
  });

  it('leaves the training that it is for what it needs of the budget', async () => {
    const input = searching({ rungs: [0.1, 0.3, 1] });
    const timed = (real: Activities): Partial<Activities> => ({
      trainModel: async (call) => {
        const trained = await real.trainModel(call);
        const took = call.stepId.startsWith('trial:1') ? 10 : 30;
        const finishedAt = new Date(Date.parse(trained.startedAt) + took * 1000).toISOString();
        return { ...trained, finishedAt };
      },
    });
    const { ran, facts } = await started(
      'reserve',
      { ...input, pipeline: { ...input.pipeline, budget: { time: '4m' } } },
      { overrides: timed },
    );
    assert.ok(ran.includes('trial:2:1') && !ran.includes('trial:3:1'));
    // A hundred seconds for each of the two trials on all rows, and for the training itself.
    assert.match(
      facts?.searched?.stopped ?? '',
      /rung 3 and the training after it would take about 300 s, and the budget leaves [12]\d\d s/,
    );
  });

  it('leaves the training what it needs from the second rung on, when one size is known', async () => {
    const input = searching();
    const timed = (real: Activities): Partial<Activities> => ({
      trainModel: async (call) => {
        const trained = await real.trainModel(call);
        return { ...trained, finishedAt: new Date(Date.parse(trained.startedAt) + 30_000).toISOString() };
      },
    });
    const { ran, facts } = await started(
      'reserve-at-once',
      { ...input, pipeline: { ...input.pipeline, budget: { time: '6m' } } },
      { overrides: timed },
    );
    assert.ok(ran.includes('trial:1:4') && !ran.includes('trial:2:1'));
    // Thirty seconds for three tenths: a hundred for each of the three trials on all rows, and for the training itself.
    assert.match(facts?.searched?.stopped ?? '', /rung 2 and the training after it would take about 400 s/);
  });

  it('leaves a rung out that has the rows of the next one, and halves nobody by it', async () => {
    // Of 200 rows a tenth and three tenths are both 64.
    const { ran, stateOf, chosen } = await started('equal-rungs', searching({ rungs: [0.1, 0.3, 1], seeds: 1 }), {
      rows: 200,
    });
    const steps = ['search-subset:1', 'trial:1:1', 'trial:1:4', 'search-halve:1'];
    assert.deepEqual(steps.map(stateOf), ['skipped', 'skipped', 'skipped', 'skipped']);
    assert.deepEqual(
      ran.filter((id) => id.startsWith('trial:')).toSorted(),
      ['2:1', '2:2', '2:3', '2:4', '3:1', '3:2', '3:3'].map((id) => `trial:${id}`),
    );
    assert.deepEqual([...new Set(chosen?.results.map(({ rung }) => rung))], [2, 3]);
  });

  it('keeps recommended settings that a storage failed, not their own', async () => {
    const fails = (real: Activities): Partial<Activities> => ({
      trainModel: (call) =>
        call.stepId === 'trial:1:1'
          ? Promise.reject(ApplicationFailure.nonRetryable('no bucket answers', 'StorageDenied'))
          : real.trainModel(call),
    });
    const { facts } = await started('storage-fails', searching({ rungs: [1] }), { overrides: fails });
    assert.equal(facts?.searched?.chosen, 'trial-1');
    assert.match(facts?.searched?.reason ?? '', /nothing to compare.*\(no bucket answers\)/);
  });

  it('is overruled by whoever names a setting afterwards, in that alone, and does not hold for another method', async () => {
    const runId = 'overruled';
    const attempts: TrainModelInput['training'][] = [];
    const fails = (real: Activities): Partial<Activities> => ({
      trainModel: (call) => {
        if (call.stepId !== 'train' || call.runId !== runId) return real.trainModel(call);
        attempts.push(call.input.training);
        return attempts.length < 3
          ? Promise.reject(ApplicationFailure.nonRetryable('out of memory', 'OutOfMemory'))
          : real.trainModel(call);
      },
    });
    const { facts } = await started(runId, searching(), {
      overrides: fails,
      afterwards: async () => {
        await approveRun(temporal.client, runId, 'review', 'lena');
        await retried(runId, 'train', { 'training.batchSize': 2 });
        await untilRun(temporal.client, runId, () => attempts.length === 2);
        await retried(runId, 'train', { 'training.method': 'lora' });
        await untilRun(temporal.client, runId, ({ steps }) =>
          steps.some(({ id, state: at }) => id === 'train' && at === 'done'),
        );
      },
    });
    const found = facts?.searched?.trials[0]?.settings.learningRate;
    assert.deepEqual(
      attempts.map(({ learningRate, batchSize }) => [learningRate, batchSize]),
      [
        [found, 16],
        [found, 2],
        [1e-3, 2],
      ],
    );
  });
});

import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { EspalierError, type ErrorKind } from '../../artifacts/errors.ts';
import type { ChooseSettingsInput, Trial, TrialResult } from '../../activities/contract/search.ts';
import { chooseSettings, standardError } from '../../activities/selection/choosing-settings.ts';
import { halveCandidates } from '../../activities/selection/halving.ts';
import { drawTrials } from '../../activities/selection/search-space.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { ImageTrainingSchema } from '../../pipelines/definition/images.ts';
import { TrainingSchema } from '../../pipelines/definition/training.ts';
import { recommended, type RecipeFacts } from '../../pipelines/recipe.ts';
import { SEARCHED } from '../../pipelines/search.ts';

const FACTS: RecipeFacts = { input: 'text', method: 'full', parameters: 22e6, trainRows: 8000 };
const draw = (named: object = {}, trials = 8, facts: Partial<RecipeFacts> = {}, seed = 7) => {
  const known = { ...FACTS, ...facts };
  return drawTrials({ recommended: recommended(named, known), method: known.method, trials, seed }).trials;
};

describe('the trials of a search', () => {
  it('begin with the recommended settings, and are the same of one seed', () => {
    const trials = draw();
    assert.deepEqual(trials[0], {
      id: 'trial-1',
      settings: {
        learningRate: 1e-4,
        headLearningRate: 1e-3,
        batchSize: 16,
        epochs: 4,
        weightDecay: 0.01,
        warmupFraction: 0.1,
      },
    });
    assert.deepEqual(draw(), trials);
    assert.notDeepEqual(draw({}, 8, {}, 8)[1], trials[1]);
    assert.deepEqual(draw({}, 16).slice(0, 8), trials, 'more trials begin with the same ones');
  });

  it('move only what the definition leaves open, and of a head only what a head has', () => {
    for (const { settings } of draw({ learningRate: 3e-5, epochs: 2 }))
      assert.ok(!('learningRate' in settings) && !('epochs' in settings));
    for (const { settings } of draw({}, 8, { method: 'head' })) assert.deepEqual(Object.keys(settings), SEARCHED.head);
  });

  it('are fewer where there are no more combinations, and one where nothing is open', () => {
    const names = ['epochs', 'learningRate', 'headLearningRate', 'weightDecay', 'warmupFraction'];
    const onlyBatch = draw(Object.fromEntries(names.map((name) => [name, 0])), 32);
    assert.deepEqual(
      onlyBatch.map(({ settings }) => settings['batchSize']).toSorted((one = 0, other = 0) => one - other),
      [8, 16, 32],
    );
    assert.equal(draw(Object.fromEntries([...names, 'batchSize'].map((name) => [name, 0]))).length, 1);
  });

  it('are settings that the schema takes, within a factor of five of the recommended rates, all different', () => {
    const facts = fc.record({
      input: fc.constantFrom('text' as const, 'image' as const),
      method: fc.constantFrom('full' as const, 'lora' as const, 'head' as const),
      parameters: fc.nat(2 ** 31 - 1),
      trainRows: fc.nat(5_000_000),
    });
    fc.assert(
      fc.property(facts, fc.integer({ min: 2, max: 32 }), fc.nat(2 ** 31 - 1), (known, count, seed) => {
        const trials = draw({}, count, known, seed);
        assert.equal(trials.length, count);
        assert.equal(new Set(trials.map(({ settings }) => JSON.stringify(settings))).size, count);
        const first = trials[0]?.settings ?? {};
        for (const { settings } of trials) {
          const schema = known.input === 'text' ? TrainingSchema : ImageTrainingSchema;
          schema.parse({ method: known.method, ...settings });
          for (const rate of ['learningRate', 'headLearningRate'] as const) {
            const ratio = (settings[rate] ?? 1) / (first[rate] ?? 1);
            assert.ok(ratio > 1 / 5.3 && ratio < 5.3, `${rate} ${settings[rate]}`);
          }
        }
      }),
      { numRuns: 50 },
    );
  });

  it('spread a rate evenly over its logarithm', () => {
    const rates = draw({}, 32, {}, 1)
      .slice(1)
      .map(({ settings }) => Math.log((settings.learningRate ?? 0) / 1e-4));
    const below = rates.filter((log) => log < 0).length;
    assert.ok(below > 8 && below < 23, `${below} of 31 below the recommended rate`);
    assert.ok(Math.min(...rates) < -1 && Math.max(...rates) > 1, 'both ends are reached');
  });
});

const result = (
  trial: number,
  accuracy: number | null,
  rung = 1,
  seed = 7,
  errorKind: ErrorKind = 'Diverged',
): TrialResult => ({
  candidate: `trial-${trial}`,
  rung,
  seed,
  trainRows: 100 * rung,
  validationRows: 400,
  accuracy,
  seconds: accuracy === null ? null : 10,
  ...(accuracy === null ? { error: 'the loss is NaN', errorKind } : {}),
});

describe('halving the trials', () => {
  it('keeps the recommended settings wherever they stand, and the better half of the others', () => {
    const results = [result(1, 0.8), result(2, 0.82), result(3, 0.81), result(4, 0.805), result(5, 0.803)];
    const { survivors, left } = halveCandidates({ results, rung: 1, kept: 'trial-1' });
    assert.deepEqual(survivors, ['trial-2', 'trial-3', 'trial-1']);
    assert.equal(left.length, 2);
  });

  it('lets the hopeless go that the recommended settings are far ahead of, and not these that are far behind', () => {
    const behind = halveCandidates({
      results: [result(1, 0.9), result(2, 0.5), result(3, 0.4)],
      rung: 1,
      kept: 'trial-1',
    });
    assert.deepEqual(behind.survivors, ['trial-1']);
    const ahead = halveCandidates({
      results: [result(1, 0.4), result(2, 0.9), result(3, 0.89)],
      rung: 1,
      kept: 'trial-1',
    });
    assert.deepEqual(ahead.survivors, ['trial-2', 'trial-1']);
  });

  it('has no place for recommended settings that failed', () => {
    const { survivors } = halveCandidates({ results: [result(1, null), result(2, 0.9)], rung: 1, kept: 'trial-1' });
    assert.deepEqual(survivors, ['trial-2']);
  });
});

const TABLE = recommended({}, FACTS);
const TRIALS: readonly Trial[] = draw();
const choose = (results: readonly TrialResult[], more: Partial<ChooseSettingsInput> = {}) =>
  chooseSettings({ recommended: TABLE, trials: TRIALS, results, left: [], ...more });

describe('the choice of settings', () => {
  it('leaves the recommended ones for more than one standard error, each with the reason', () => {
    const found = choose([result(1, 0.8), result(2, 0.83), result(3, 0.84)]);
    assert.equal(found.chosen, 'trial-3');
    assert.match(
      found.reason,
      /trial-3 has 84\.0 % .* against 80\.0 % .*: 4\.0 points more, one standard error .* 2\.7 points/,
    );
    assert.equal(found.trials[0]?.id, 'trial-3');
    assert.deepEqual(
      Object.fromEntries(found.settings.map(({ path, value }) => [path.slice('training.'.length), value])),
      TRIALS[2]?.settings,
    );
    for (const { reason } of found.settings) assert.match(reason, /^found by the search in trial-3 \(.*table says/);
  });

  it('stays with them for less, which is what the best of several has by chance', () => {
    const found = choose([result(1, 0.8), result(2, 0.82), result(3, 0.825)]);
    assert.equal(found.chosen, 'trial-1');
    assert.deepEqual(found.settings, []);
    assert.match(found.reason, /recommended settings stay, not beaten beyond chance: trial-3 has 82\.5 %/);
    assert.match(choose([result(1, 0.8), result(2, 0.7)]).reason, /stay: .*, which is no more\./);
  });

  it('goes by the last rung that anybody was trained on, not by what was ahead before', () => {
    const results = [result(1, 0.7), result(2, 0.9), result(3, 0.6), result(1, 0.85, 2), result(2, 0.85, 2)];
    const found = choose(results, { left: [{ candidate: 'trial-3', reason: 'In the worse half on rung 1.' }] });
    assert.equal(found.chosen, 'trial-1');
    assert.match(found.trials.find(({ id }) => id === 'trial-3')?.left ?? '', /worse half/);
  });

  it('averages seeds, and counts what they differ by as chance', () => {
    const seeds = (trial: number, values: readonly number[]) =>
      values.map((value, at) => result(trial, value, 1, 7 + at));
    const steady = choose([...seeds(1, [0.8, 0.8, 0.8]), ...seeds(2, [0.84, 0.84, 0.84])]);
    assert.equal(steady.chosen, 'trial-2');
    const shaky = choose([...seeds(1, [0.74, 0.8, 0.86]), ...seeds(2, [0.78, 0.84, 0.9])]);
    assert.equal(shaky.chosen, 'trial-1', 'the same means, and seeds that move more than the settings');
    assert.match(shaky.reason, /84\.0 % on validation as the mean of 3 seeds/);
  });

  it('has no mean of the seeds that are left where one failed, neither of a trial nor of the recommended settings', () => {
    const full = (trial: number, values: readonly (number | null)[]) =>
      values.map((value, at) => result(trial, value, 2, 7 + at));
    const before = [result(1, 0.8), result(2, 0.81), result(3, 0.81)];
    const trial = choose([...before, ...full(1, [0.8, 0.8]), ...full(2, [null, 0.95]), ...full(3, [0.85, 0.85])]);
    assert.equal(trial.chosen, 'trial-3', 'trial-2 would diverge');
    const two = trial.trials.find(({ id }) => id === 'trial-2');
    assert.deepEqual([two?.rungs[1]?.accuracy, two?.rungs[1]?.accuracies], [null, [0.95]]);
    assert.match(two?.left ?? '', /It failed on rung 2: the loss is NaN/);
    assert.equal(choose([...before, ...full(1, [0.8, 0.8]), ...full(2, [null, 0.95])]).chosen, 'trial-1');
    const ahead = [result(1, 0.8), result(2, 0.95), result(3, 0.81)];
    const both = choose([...ahead, ...full(1, [0.8, null]), ...full(2, [0.95, null])]);
    assert.equal(both.chosen, 'trial-3', 'nor by the rung before the one that it diverged on');
    const away = [result(1, 0.99, 2), result(1, null, 2, 8, 'StorageUnavailable'), ...full(2, [0.85, 0.85])];
    const recommended = choose([...before, ...away]);
    assert.equal(recommended.chosen, 'trial-1');
    assert.match(
      recommended.reason,
      /failed on rung 2 \(the loss is NaN\), so that rung 1 decides\. .* not beaten beyond/,
    );
  });

  it('compares on the last rung that both have where the recommended settings failed on the last', () => {
    const away = [result(1, null, 3, 7, 'StorageUnavailable'), result(2, 0.95, 3)];
    const rungs = (better: number) =>
      [1, 2].flatMap((rung) => [result(1, 0.8, rung), result(2, better, rung), result(3, better, rung)]);
    const stays = choose([...rungs(0.81), ...away]);
    assert.equal(stays.chosen, 'trial-1', 'nobody was better where they were compared');
    assert.match(stays.reason, /^The recommended settings failed on rung 3 \(.*\), so that rung 2 decides\. /);
    assert.match(stays.reason, /trial-2 has 81\.0 % on validation after 200 training rows against 80\.0 %/);
    const left = choose([...rungs(0.85), ...away]);
    assert.equal(left.chosen, 'trial-2');
    assert.match(left.reason, /rung 2 decides\. trial-2 has 85\.0 % .* 5\.0 points more/);
  });

  it('leaves recommended settings that diverged on whatever rung for the best that came through it', () => {
    const before = [result(1, 0.9), result(2, 0.8), result(3, 0.81)];
    for (const kind of ['Diverged', 'OutOfMemory'] as const) {
      const last = choose([...before, result(1, null, 2, 7, kind), result(2, 0.82, 2), result(3, 0.81, 2)]);
      assert.equal(last.chosen, 'trial-2', 'ahead before, and of no use');
      assert.match(
        last.reason,
        /^trial-2 has 82\.0 % .* recommended settings could not be trained on rung 2 \(the loss/,
      );
      assert.ok(last.settings.length > 0);
    }
    const oneSeed = [result(1, 0.99, 2), result(1, null, 2, 8), result(2, 0.82, 2), result(2, 0.82, 2, 8)];
    assert.equal(choose([...before, ...oneSeed]).chosen, 'trial-2', 'from one seed of two is diverged, too');
    const alone = choose([...before, result(1, null, 2), result(2, null, 2)]);
    assert.equal(alone.chosen, 'trial-3', 'who had left before and never diverged');
    assert.match(alone.reason, /after 100 training rows, and the recommended/);
  });

  it('has no trial that the budget cut, and goes back a rung where it cut the recommended settings or all others', () => {
    const cut = (trial: number, rung: number, seed = 7) => ({
      ...result(trial, null, rung, seed, 'BudgetEnded'),
      error: 'the budget ended it after 2 of 4 epochs',
    });
    const before = [result(1, 0.8), result(2, 0.9), result(3, 0.81)];
    const stopped = { stopped: 'the budget ended in the middle of rung 2' };
    const one = choose([...before, result(1, 0.8, 2), cut(2, 2), result(3, 0.87, 2)], stopped);
    assert.equal(one.chosen, 'trial-3', 'both that are compared were whole');
    const two = one.trials.find(({ id }) => id === 'trial-2');
    assert.deepEqual([two?.rungs[1]?.accuracy, two?.rungs[1]?.cut], [null, true]);
    assert.match(two?.left ?? '', /^It was not whole on rung 2: the budget ended it after 2 of 4 epochs/);
    for (const results of [
      [...before, cut(1, 2), cut(2, 2), result(3, 0.99, 2)],
      [...before, result(1, 0.99, 2), cut(2, 2), cut(3, 2)],
      [...before, result(1, 0.99, 2), result(2, 0.5, 2), cut(2, 2, 8), cut(3, 2)],
      [...before, cut(1, 2), cut(2, 2), cut(3, 2)],
    ]) {
      const back = choose(results, stopped);
      assert.equal(back.chosen, 'trial-2', 'the best of the rung that all came through');
      assert.match(
        back.reason,
        /^The budget ended in the middle of rung 2, so that rung 1 decides\. trial-2 has 90\.0 %/,
      );
      assert.match(back.reason, /against 80\.0 % .* after 100 training rows of the recommended/);
    }
    const nothing = choose([result(1, 0.8), cut(2, 1), cut(3, 1)], stopped);
    assert.equal(nothing.chosen, 'trial-1');
    assert.match(
      nothing.reason,
      /^The budget ended in the middle of rung 1\. The recommended settings stay: no trial came/,
    );
  });

  it('goes back a rung where the budget left one alone beside recommended settings that diverged, and says so', () => {
    const cut = (trial: number, rung: number) => result(trial, null, rung, 7, 'BudgetEnded');
    const before = [result(1, 0.8), result(2, 0.5), result(3, 0.9)];
    const found = choose([...before, result(1, null, 2), result(2, 0.5, 2), cut(3, 2)]);
    assert.equal(found.chosen, 'trial-3', 'trial-2 was only quicker');
    assert.match(
      found.reason,
      /^The budget ended in the middle of rung 2\. trial-3 has 90\.0 % .* could not be trained/,
    );
    const only = choose([result(1, null), result(2, 0.5), cut(3, 1)]);
    assert.equal(only.chosen, 'trial-2', 'there is no rung before');
    assert.throws(() => choose([result(1, null), cut(2, 1), cut(3, 1)]), {
      name: 'Diverged',
      message: /1 of \d+ trials diverged or ran out of memory, and the budget ended 2 before they were whole/,
    });
    const first = choose([cut(1, 1), result(2, 0.9), result(3, 0.7)]);
    assert.equal(first.chosen, 'trial-1');
    assert.match(first.reason, /rung 1\. The recommended settings stay: what others came to has nothing of these/);
  });

  it('throws what they failed of where nothing could be trained, until an operator names something else', () => {
    const all = [result(1, null), result(2, null), result(3, null, 1, 7, 'OutOfMemory')];
    const given = { trials: TRIALS.slice(0, 3) };
    assert.throws(
      () => choose(all, given),
      (error: unknown) =>
        error instanceof EspalierError &&
        error.kind === 'Diverged' &&
        !error.retryable &&
        /3 of 3 trials diverged or ran out of memory.*rung 1 \(the loss is NaN\)/.test(error.message) &&
        /retry the step 'settings' .* training\.learningRate/.test(error.fix ?? ''),
    );
    assert.throws(() => choose([result(1, null, 1, 7, 'OutOfMemory'), result(2, null)], given), {
      kind: 'OutOfMemory',
    });
    const away = [result(1, null), result(2, null, 1, 7, 'StorageDenied')];
    assert.throws(() => choose(away, given), /1 of 3 trials diverged/, 'nobody else was measured');
    const without = TABLE.filter(({ path }) => path !== 'training.learningRate');
    const lowered = TABLE.map((one) => (one.path === 'training.learningRate' ? { ...one, value: 1e-6 } : one));
    for (const named of [without, lowered]) {
      const found = choose(all, { ...given, recommended: named });
      assert.deepEqual([found.chosen, found.settings], ['trial-1', []]);
      assert.match(found.reason, /^What was named since holds: 3 of 3 trials diverged/);
    }
  });

  it('keeps recommended settings that were never measured beside another, unless they failed of themselves', () => {
    for (const kind of ['StorageUnavailable', 'DiskFull', 'TrainerFailed'] as const) {
      const away = choose([result(1, null, 1, 7, kind), result(2, 0.9)]);
      assert.equal(away.chosen, 'trial-1', kind);
      assert.match(
        away.reason,
        /stay: trial-2 has 90\.0 % .* nothing to compare, for a cause that says nothing of them/,
      );
    }
    for (const kind of ['Diverged', 'OutOfMemory'] as const)
      assert.equal(choose([result(1, null, 1, 7, kind), result(2, 0.9)]).chosen, 'trial-2', kind);
  });

  it('has the standard error of the difference of two shares', () => {
    const at = (accuracy: number, accuracies: readonly number[] = [accuracy]) => ({
      rung: 1,
      trainRows: 100,
      validationRows: 400,
      accuracy,
      accuracies,
      seconds: 1,
    });
    // sqrt(0.8 · 0.2 / 400 + 0.84 · 0.16 / 400)
    assert.ok(Math.abs(standardError(at(0.84), at(0.8)) - 0.027129) < 1e-6);
    // … + var(0.78, 0.84, 0.9) / 3 = 0.0012
    assert.ok(Math.abs(standardError(at(0.84, [0.78, 0.84, 0.9]), at(0.8)) - Math.sqrt(0.000736 + 0.0012)) < 1e-9);
  });

  it('takes the best that there is where the recommended settings could not be trained', () => {
    const found = choose([result(1, null), result(2, 0.6), result(3, 0.7)]);
    assert.equal(found.chosen, 'trial-3');
    assert.match(found.reason, /recommended settings could not be trained/);
    assert.match(found.trials.find(({ id }) => id === 'trial-1')?.left ?? '', /It failed on rung 1: the loss is NaN/);
  });

  it('stays with the recommended ones where nothing came to an end, or nothing but them', () => {
    assert.match(choose([], { stopped: 'the time had ended' }).reason, /stay: no trial came to an end/);
    assert.equal(choose([], { stopped: 'the time had ended' }).stopped, 'the time had ended');
    assert.match(choose([], { trials: TRIALS.slice(0, 1) }).reason, /stay: no other value of what is open/);
    assert.match(choose([result(1, 0.8), result(2, null)]).reason, /stay: no other trial reached the last rung/);
  });
});

describe('a search of eight settings, simulated', () => {
  /** Four rows in five are right or wrong at all settings alike; `lift` is how much better trial 3 is. */
  function simulated(seed: number, lift: number): string {
    const random = seededRandom(seed);
    const [share, alike, results] = [0.8, 0.8, [] as TrialResult[]];
    let going = TRIALS.map(({ id }) => id);
    for (const [rung, rows] of [
      [1, 200],
      [2, 200],
      [3, 400],
    ] as const) {
      const right = new Map(going.map((id) => [id, 0]));
      for (let row = 0; row < rows; row++) {
        const all = random.uniform() < share;
        for (const id of going) {
          const own = random.uniform() < alike ? all : random.uniform() < share;
          const lifted = id === 'trial-3' && random.uniform() < lift / (1 - share);
          if (own || lifted) right.set(id, (right.get(id) ?? 0) + 1);
        }
      }
      const measured = going.map((candidate) => {
        return { ...result(0, (right.get(candidate) ?? 0) / rows, rung), candidate, validationRows: rows };
      });
      results.push(...measured);
      if (rung < 3) going = [...halveCandidates({ results, rung, kept: 'trial-1' }).survivors];
    }
    return choose(results).chosen;
  }
  const RUNS = 200;
  const shareOf = (lift: number, id: (chosen: string) => boolean): number =>
    Array.from({ length: RUNS }, (_, seed) => simulated(seed, lift)).filter((chosen) => id(chosen)).length / RUNS;

  it('seldom leaves the recommended settings where all are as good', () => {
    const left = shareOf(0, (chosen) => chosen !== 'trial-1');
    assert.ok(left < 0.15, `${left} left them`);
  });

  it('mostly finds the one that is six points better', () => {
    const found = shareOf(0.06, (chosen) => chosen === 'trial-3');
    assert.ok(found > 0.85, `${found} found it`);
  });
});

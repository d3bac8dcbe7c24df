import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { planOf } from '../../client/plan-run.ts';
import { TrainingSchema } from '../../pipelines/definition/training.ts';
import { placesOf } from '../../pipelines/search.ts';
import { planRun } from '../../workflows/plan.ts';
import { searchSteps, secondsNeeded } from '../../workflows/search-plan.ts';
import { runInput } from '../support/workflow.ts';

const searching = (search: object = {}) => {
  const { pipeline } = runInput();
  return { ...pipeline, training: TrainingSchema.parse({ search }) };
};

describe('the plan of a search for settings', () => {
  it('is no part of a run that asks for none, nor of a prototype', () => {
    assert.deepEqual(searchSteps(runInput().pipeline), []);
    assert.deepEqual(searchSteps({ ...searching(), prototype: { trainRows: 50, measuredRows: 20, seed: 7 } }), []);
  });

  it('has the places of rungs of which none is left out: the recommended settings, and the better half of the others', () => {
    assert.deepEqual(placesOf({ trials: 8, rungs: [0.1, 0.3, 1] }), [8, 5, 3]);
    assert.deepEqual(placesOf({ trials: 2, rungs: [0.3, 1] }), [2, 2]);
  });

  it('is acyclic, complete and in topological order, and the review waits for it', () => {
    const search = fc.record({
      trials: fc.integer({ min: 2, max: 32 }),
      seeds: fc.integer({ min: 1, max: 9 }),
      rungs: fc.constantFrom([0.3], [0.1, 1], [0.1, 0.3, 1], [0.05, 0.1, 0.3, 1]),
    });
    fc.assert(
      fc.property(search, (asked) => {
        const plan = planRun(searching(asked));
        const seen = new Set<string>();
        for (const { id, needs } of plan) {
          assert.ok(!seen.has(id), `${id} stands once`);
          for (const need of needs) assert.ok(seen.has(need), `${id} comes after ${need}`);
          seen.add(id);
        }
        assert.ok(plan.find(({ id }) => id === 'review-evidence')?.needs.includes('settings'));
        assert.deepEqual(plan.find(({ id }) => id === 'search')?.needs, ['choose']);
      }),
      { numRuns: 30 },
    );
  });

  it('is in `run --plan` with its queue and its time, further seeds as what only few rows are for', async () => {
    const input = { ...runInput(), pipeline: searching() };
    const { steps, seconds, most } = await planOf(input, [], () => Promise.resolve('gone' as const));
    const trials = steps.filter(({ id }) => id.startsWith('trial:'));
    assert.equal(trials.filter(({ what }) => what === 'run').length, 8 + 5 + 3);
    assert.equal(trials.filter(({ what }) => what === 'few-rows').length, 2 * 3, 'two more seeds of three');
    // Only there where no rung before halved them.
    assert.equal(trials.filter(({ what }) => what === 'maybe').length, 3 + 5 * 3);
    const tries = steps.filter(({ id, what }) => id.startsWith('prototype:') && what === 'few-rows').length;
    assert.equal(most.seconds, seconds + 6 * 40 + tries * 25);
    assert.ok(trials.every(({ queue }) => queue === 'espalier-gpu'));
    assert.equal(
      steps.find(({ id }) => id === 'trial:1:1')?.title,
      'train the recommended settings on 10 % of the training rows (64 at least)',
    );
    const without = await planOf(runInput(), [], () => Promise.resolve('gone' as const));
    assert.ok(seconds > without.seconds + 16 * 30);
    const many = { runId: 'before', input, steps: [], trainRows: 1000 };
    const counted = await planOf(input, [many], () => Promise.resolve('gone' as const));
    assert.ok(!counted.steps.some(({ what }) => what === 'few-rows'));
    assert.deepEqual([counted.seconds, counted.most.seconds], [seconds, seconds]);
    const few = await planOf(input, [{ ...many, trainRows: 999 }], () => Promise.resolve('gone' as const));
    assert.equal(few.seconds, most.seconds);
  });

  it('reckons what the next rung and the training after it take by a line through the rungs before', () => {
    const rung = (trainRows: number, seconds: number | null) => ({ trainRows, seconds });
    const rows = { next: 1000, full: 2000 };
    assert.equal(secondsNeeded([], rows, 3), 0, 'nothing was timed');
    assert.equal(secondsNeeded([rung(100, 20), rung(100, 40)], rows, 3), 3 * 300 + 600, 'one size: in proportion');
    // 10 s to begin, and a tenth of a second a row.
    const results = [rung(100, 15), rung(100, 25), rung(300, 40), rung(300, null)];
    assert.ok(Math.abs(secondsNeeded(results, rows, 3) - (3 * 110 + 210)) < 1e-9);
    assert.equal(secondsNeeded([rung(100, 30), rung(300, 20)], rows, 1), 40, 'more rows never take less');
  });
});

import assert from 'node:assert/strict';
import { planOf, type EarlierRun } from '../../client/plan-run.ts';
import { digestJson } from '../../artifacts/digest.ts';
import { generatorInput, ref, runInput } from '../support/workflow.ts';

const all = () => Promise.resolve(true);
const none = () => Promise.resolve(false);

/** A run of `input` that finished every step, each within seven seconds. */
function finished(input = runInput()): EarlierRun {
  const ids = [
    'data',
    'resolve:one',
    'import:one',
    'export:one',
    'profile:one',
    'probe:one',
    'rank',
    'train',
    'evaluate',
    'gates',
  ];
  const startedAt = '2026-01-01T00:00:00.000Z';
  const finishedAt = '2026-01-01T00:00:07.000Z';
  const steps = ids.map((id) => ({ id, state: 'done' as const, key: digestJson(id), startedAt, finishedAt }));
  return { runId: 'before', input, steps };
}

describe('the plan of a run before it begins', () => {
  it('has a stated time for every step where no run has shown one, and says so', async () => {
    const { steps, seconds } = await planOf(runInput(), [], all);
    assert.ok(steps.every(({ what, from }) => what === 'person' || from === 'stated'));
    assert.deepEqual(
      steps.filter(({ what }) => what === 'person').map(({ id }) => id),
      ['approve-review', 'approve-release'],
    );
    assert.equal(steps.find(({ id }) => id === 'train')?.queue, 'espalier-gpu');
    assert.equal(steps.find(({ id }) => id === 'prototype:two:2')?.what, 'maybe', 'half of the candidates get there');
    assert.ok(seconds > 100);
  });

  it('has each seed of a try, as what only few rows are for', async () => {
    const { selection, ...rest } = runInput().pipeline;
    const pipeline = { ...rest, selection: { ...selection, prototype: { ...selection.prototype, seeds: 3 } } };
    const { steps, seconds } = await planOf({ ...runInput(), pipeline }, [], none);
    const tries = steps.filter(({ id }) => id.startsWith('prototype:one:2'));
    assert.deepEqual(
      tries.map(({ id, what, queue }) => [id, what, queue]),
      [
        ['prototype:one:2', 'run', 'espalier-gpu'],
        ['prototype:one:2:2', 'maybe', 'espalier-gpu'],
        ['prototype:one:2:3', 'maybe', 'espalier-gpu'],
      ],
    );
    assert.equal(tries[2]?.title, 'fine-tune one on 10 % of the training rows, seed 3');
    assert.equal(seconds, (await planOf(runInput(), [], none)).seconds);
  });

  it('knows what an earlier run of the same inputs has finished, and whose record is still there', async () => {
    const { steps } = await planOf(runInput(), [finished()], all);
    const of = (id: string) => steps.find((one) => one.id === id);
    assert.deepEqual([of('train')?.what, of('train')?.seconds, of('train')?.from], ['reuse', 0, 'before']);
    const gone = await planOf(runInput(), [finished()], none);
    assert.deepEqual(
      gone.steps.filter(({ id }) => id === 'train').map(({ what, seconds, from }) => [what, seconds, from]),
      [['run', 7, 'before']],
    );
  });

  it('takes as known only what a changed setting does not reach', async () => {
    const input = runInput();
    const changed = { ...input, pipeline: { ...input.pipeline, training: { ...input.pipeline.training, epochs: 9 } } };
    const { steps } = await planOf(changed, [finished()], all);
    const known = steps.filter(({ what }) => what === 'reuse').map(({ id }) => id);
    assert.ok(known.includes('probe:one') && known.includes('data'));
    assert.ok(!known.includes('train') && !known.includes('evaluate') && !known.includes('gates'));
    const other = { ...input, candidates: [{ id: 'one', model: 'local:other', optional: false }] } as typeof input;
    const again = await planOf(other, [finished()], all);
    assert.ok(!again.steps.some(({ id, what }) => id === 'export:one' && what === 'reuse'));
    assert.ok(again.steps.some(({ id, what }) => id === 'data' && what === 'reuse'));
  });

  it('costs what the prices say, and says where it is over the budget', async () => {
    const prices = { version: 1, currency: 'EUR', source: 'test', perHour: { 'espalier-gpu': 3600 } } as const;
    const input = runInput();
    const budget = { time: '1s', money: 1 };
    const { over, money, currency } = await planOf(
      { ...input, pipeline: { ...input.pipeline, budget } },
      [],
      all,
      prices,
    );
    assert.equal(currency, 'EUR');
    assert.ok((money ?? 0) >= 120, 'a second of the gpu queue is one euro');
    assert.match(over.join(' '), /budget is 1s.*budget is 1/);
    const unpriced = await planOf({ ...input, pipeline: { ...input.pipeline, budget } }, [], all);
    assert.match(unpriced.over.join(' '), /ESPALIER_PRICES/);
  });

  it('counts the training of a generator and its search, and knows nothing of guidelines that say something else', async () => {
    const input = generatorInput();
    const startedAt = '2026-01-01T00:00:00.000Z';
    const steps = ['data', 'prompt:one', 'format', 'evaluate'].map((id) => ({
      id,
      state: 'done' as const,
      key: digestJson(id),
      startedAt,
      finishedAt: '2026-01-01T00:00:07.000Z',
    }));
    const before: EarlierRun = { runId: 'before', input, steps };
    const reused = async (now: typeof input) =>
      (await planOf(now, [before], all)).steps.filter(({ what }) => what === 'reuse').map(({ id }) => id);
    assert.deepEqual(await reused(input), ['data', 'prompt:one', 'format', 'evaluate']);
    assert.deepEqual(await reused({ ...input, guidelines: ref('others') }), ['data']);
    // Tables of behaviour tests are checked with the data, by the guidelines; from which share on it is enough the gates say.
    const table = { kind: 'invariance', file: 'a.jsonl', min: 0.5, severity: 'fail' } as const;
    const tabled = { ...input, pipeline: { ...input.pipeline, behaviour: { table } } };
    assert.deepEqual(await reused(tabled), []);
    const earlier: EarlierRun = { ...before, input: tabled };
    const reusedThen = async (now: typeof input) =>
      (await planOf(now, [earlier], all)).steps.filter(({ what }) => what === 'reuse').map(({ id }) => id);
    const stricter = { ...input.pipeline, behaviour: { table: { ...table, min: 0.9 } } };
    assert.deepEqual(await reusedThen({ ...tabled, pipeline: stricter }), ['data', 'prompt:one', 'format', 'evaluate']);
    assert.deepEqual(await reusedThen({ ...tabled, guidelines: ref('others') }), []);
    const pipeline = { ...input.pipeline, budget: { time: '4m' } };
    const plan = await planOf({ ...input, pipeline }, [], none);
    assert.match(plan.over.join(' '), /until the training has ended/);
    assert.equal(plan.steps.find(({ id }) => id === 'memorisation')?.queue, 'espalier-cpu');
  });
});

import assert from 'node:assert/strict';
import { ERROR_KINDS, type ErrorKind } from '../../artifacts/errors.ts';
import { needOf, responseTo, standingOf } from '../../workflows/causes.ts';
import type { Resolution, StepState, StepView } from '../../workflows/messages.ts';
import { planRun } from '../../workflows/plan.ts';
import { actionsFor, resolutionRefusal, skipRefusal } from '../../workflows/resolutions.ts';
import { runInput } from '../support/workflow.ts';

const { pipeline } = runInput();
const steps = (states: Readonly<Record<string, StepState>>): StepView[] =>
  planRun(pipeline).map((step) => ({ ...step, state: states[step.id] ?? 'pending' }));
const retry: Resolution = { step: 'train', action: 'retry', by: 'olga', comment: '' };

describe('the response to a failure', () => {
  it('parks every kind of error, but a candidate is dropped for what is wrong with the model itself and else stands by', () => {
    const dropped = new Set<ErrorKind>([
      'BadDefinition',
      'BadConfig',
      'BadModel',
      'UnsafeModel',
      'LicenceDenied',
      'NotFound',
    ]);
    for (const kind of Object.keys(ERROR_KINDS) as ErrorKind[]) {
      assert.equal(responseTo(kind, 'park'), 'park', kind);
      assert.equal(responseTo(kind, 'fail'), 'fail', kind);
      assert.equal(responseTo(kind, 'park', { optional: false }), dropped.has(kind) ? 'drop' : 'stand-by', kind);
      assert.equal(responseTo(kind, 'park', { optional: true }), 'drop', kind);
      assert.equal(responseTo(kind, 'fail', { optional: false }), 'drop', kind);
      if (dropped.has(kind)) assert.equal(ERROR_KINDS[kind].retryable, false, `${kind} is dropped at once`);
    }
  });
});

describe('a candidate that failed for no fault of its model', () => {
  it('needs a person only where no other one may win or is still on its way', () => {
    for (const [others, need] of [
      [[], 'person'],
      [['out', 'waits'], 'person'],
      [['out', 'going', 'waits'], 'nobody-yet'],
      [['going', 'may-win'], 'nobody'],
      [['waits', 'out', 'may-win'], 'nobody'],
    ] as const) {
      assert.equal(needOf(others), need, others.join());
    }
  });

  it('is on its way until it has come to its end, a step of it waits, or one of them was given up', () => {
    const going: StepState[] = ['done', 'running', 'pending'];
    assert.equal(standingOf(going, undefined), 'going');
    assert.equal(standingOf(['reused', 'done', 'done'], undefined), 'going', 'nobody has said yet whether it may win');
    assert.equal(standingOf(['done', 'parked', 'pending'], undefined), 'waits');
    for (const left of ['skipped', 'failed', 'dropped'] as const) {
      assert.equal(standingOf(['done', left, 'pending'], undefined), 'out', left);
    }
    assert.equal(standingOf(going, 'may-win'), 'may-win');
    assert.equal(standingOf(['done', 'parked'], 'out'), 'out');
  });
});

describe('a resolution', () => {
  it('may skip a candidate or the monitor, and nothing that others decide by', () => {
    const plan = planRun(pipeline).map(({ id }) => id);
    const skippable = plan.filter((id) => skipRefusal(id) === undefined);
    assert.deepEqual(skippable, [
      ...plan.filter((id) => /^(resolve|import|export|profile|probe):/.test(id)),
      'monitor',
    ]);
    assert.deepEqual(actionsFor('probe:one'), ['retry', 'skip', 'abort']);
    assert.deepEqual(actionsFor('gates'), ['retry', 'abort']);
    for (const id of plan.filter((one) => !skippable.includes(one))) assert.ok((skipRefusal(id) ?? '').length > 10, id);
    for (const attack of ['attack', 'square-attack']) {
      assert.equal(skipRefusal(attack), undefined, 'gates that ask for it fail then');
    }
    assert.notEqual(skipRefusal('resolve'), undefined);
    assert.notEqual(skipRefusal('deploy:one'), undefined);
  });

  it('counts for a parked step with settings that are not used yet', () => {
    const parked = steps({ rank: 'done', train: 'parked' });
    assert.equal(resolutionRefusal(retry, parked, pipeline), undefined);
    assert.equal(resolutionRefusal({ ...retry, action: 'abort', settings: {} }, parked, pipeline), undefined);
    const settings = { 'training.epochs': 2, 'gates.accuracy.min': 0.5 };
    assert.equal(resolutionRefusal({ ...retry, settings }, parked, pipeline), undefined);
  });

  it('counts with another limit of cost where there is one, whose price was asked for', () => {
    const limited = { ...pipeline, selection: { ...pipeline.selection, maxCostPer1000: 2 } };
    const settings = { 'selection.maxCostPer1000': 5 };
    const parked = steps({ 'export:one': 'parked' });
    assert.equal(resolutionRefusal({ ...retry, step: 'export:one', settings }, parked, limited), undefined);
  });

  const refused: [string, Partial<Resolution>, Readonly<Record<string, StepState>>, RegExp][] = [
    ['on a step that is running', {}, { train: 'running' }, /not parked: running/],
    ['on a step that is none', { step: 'trian' }, {}, /no step 'trian'/],
    ['by nobody', { by: '' }, { train: 'parked' }, /must say who/],
    ['with an endless comment', { comment: 'x'.repeat(4001) }, { train: 'parked' }, /at most 4000/],
    ['that skips training', { action: 'skip' }, { train: 'parked' }, /cannot be skipped: what is released/],
    [
      'that changes the choice after it was made',
      { settings: { 'selection.tolerance': 0.1 } },
      { rank: 'done', train: 'parked' },
      /selection.tolerance: step 'rank' has already used it/,
    ],
    [
      'that changes training after a reused training',
      { step: 'evaluate', settings: { 'training.epochs': 1 } },
      { train: 'reused', evaluate: 'parked' },
      /'train' has already used it/,
    ],
    [
      'that adds a limit of cost, for which no price was asked',
      { step: 'export:one', settings: { 'selection.maxCostPer1000': 5 } },
      { 'export:one': 'parked' },
      /maxCostPer1000: a limit of cost needs a price before .*start a new run/,
    ],
    [
      'with several mistakes names them all',
      { settings: { 'training.epochs': 0, 'gates.accuracy.min': 7 } },
      { train: 'parked' },
      /training.epochs: .*gates.accuracy.min: /,
    ],
  ];
  for (const [what, change, states, reason] of refused) {
    it(`${what} is refused`, () => {
      assert.match(resolutionRefusal({ ...retry, ...change }, steps(states), pipeline) ?? 'counts', reason);
    });
  }
});

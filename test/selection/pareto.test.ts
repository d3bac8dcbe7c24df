import { deepEqual, equal, match, ok } from 'node:assert/strict';
import {
  isBetterBeyondChance,
  isDominatedBeyondChance,
  standingOf,
  type Standing,
} from '../../activities/selection/pareto.ts';
import { shortlistOf } from '../../activities/selection/shortlist.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';
import { SelectionSchema } from '../../pipelines/definition/selection.ts';

const ROWS = 400;
const HARDWARE = { cpu: 'x', cores: 1, arch: 'x64', runtime: 'x' };
type Figures = Partial<Standing> & { readonly right: number; readonly rows?: number; readonly parameters?: number };

/** `right`: of its validation rows. */
function standing(
  id: string,
  { right, rows = ROWS, parameters = 10, ...figures }: Figures,
): Standing & { parameters: number } {
  const interval = wilsonInterval(right, rows);
  return {
    id,
    quality: right / rows,
    interval,
    latencyMs: 10,
    meanMs: 8,
    sizeMb: 50,
    memoryMb: 100,
    hardware: HARDWARE,
    parameters,
    ...figures,
  };
}

describe('the Pareto set of candidates', () => {
  it('names those that are at least as good in everything, by the figures as they stand', () => {
    const small = standing('small', { right: 320, latencyMs: 5 });
    const large = standing('large', { right: 330, sizeMb: 90 });
    const worse = standing('worse', { right: 320, latencyMs: 6 });
    const all = [small, large, worse];
    match(standingOf(small, all), /^No other candidate/);
    match(standingOf(large, all), /^No other candidate/);
    equal(standingOf(worse, all), 'At least as good in quality, latency, size and memory: small.');
    const elsewhere = { ...worse, hardware: { ...HARDWARE, cores: 9 } };
    equal(
      standingOf(elsewhere, [small, elsewhere]),
      'No other candidate that was timed on such a machine is as good in quality, latency, size and memory at once.',
    );
    match(standingOf(small, [small, { ...small, id: 'twin' }]), /^No other candidate/);
  });

  it('has one that costs less by the mean, whose slowest inputs take longer', () => {
    const dear = standing('dear', { right: 336, latencyMs: 20, meanMs: 10 });
    const cheap = standing('cheap', { right: 322, latencyMs: 30, meanMs: 2 });
    match(standingOf(cheap, [dear, cheap]), /^No other candidate/);
  });

  it('calls a difference beyond chance by the interval that Newcombe gives for it', () => {
    // Newcombe 1998, table II, (a): 56/70 against 48/80, by method 10: 0.0524 to 0.3339. A point less of 48 and it is farther off.
    const [first, second] = [standing('a', { right: 56, rows: 70 }), standing('b', { right: 48, rows: 80 })];
    const low =
      first.quality -
      second.quality -
      Math.hypot(first.quality - first.interval!.low, second.interval!.high - second.quality);
    ok(Math.abs(low - 0.0524) < 0.00005, String(low));
    ok(isBetterBeyondChance(first, second) && !isBetterBeyondChance(second, first));
    ok(!isBetterBeyondChance(standing('a', { right: 52, rows: 80 }), second));
  });

  it('gives up whom another beats beyond chance at no higher cost, and nobody else', () => {
    const good = standing('good', { right: 340 });
    const dominated = (figures: Figures): boolean => {
      const one = standing('one', figures);
      return isDominatedBeyondChance(one, [good, one]);
    };
    ok(dominated({ right: 315 }), '6.25 points of 400 rows');
    ok(wilsonInterval(315, ROWS).high > good.interval!.low, 'though their intervals touch');
    ok(!dominated({ right: 325 }), 'within chance');
    ok(!dominated({ right: 315, latencyMs: 9 }), 'it is faster');
    ok(!dominated({ right: 315, latencyMs: 15, meanMs: 2 }), 'it costs less, though its slowest take longer');
    ok(!dominated({ right: 315, sizeMb: 49 }), 'it is smaller');
    ok(!dominated({ right: 315, memoryMb: 99 }), 'it takes less memory');
    ok(!dominated({ right: 315, hardware: { ...HARDWARE, cpu: 'another' } }), 'nobody knows who is faster');
    ok(!dominated({ right: 315, interval: null }), 'nobody knows how sure its quality is');
    ok(!dominated({ right: 315, fittedOn: { rows: 100, of: 200 } }), 'its probe had fewer rows');
  });

  it('takes one of two that are equally good for worse in less than one draw in twenty', () => {
    const random = seededRandom(5);
    const draws = 4000;
    const measured = (id: string): Standing => {
      let right = 0;
      for (let row = 0; row < ROWS; row++) right += Number(random.uniform() < 0.8);
      return standing(id, { right });
    };
    let taken = 0;
    for (let draw = 0; draw < draws; draw++) {
      const [one, other] = [measured('one'), measured('other')];
      taken += Number(isDominatedBeyondChance(one, [one, other]) || isDominatedBeyondChance(other, [one, other]));
    }
    ok(taken > 0 && taken / draws < 0.06, `${taken} of ${draws}`);
  });
});

describe('the shortlist', () => {
  const { prototype } = SelectionSchema.parse({});
  const list = (ranked: readonly ReturnType<typeof standing>[], asked: Partial<typeof prototype> = {}) =>
    shortlistOf(ranked, { ...SelectionSchema.parse({}), prototype: { ...prototype, ...asked } });
  const first = standing('first', { right: 340 });
  const beaten = standing('beaten', { right: 316, latencyMs: 12 });
  const fast = standing('fast', { right: 315, latencyMs: 4 });

  it('gives the place of one that is dominated beyond chance to the next that is not', () => {
    deepEqual(list([first, beaten, fast], { generalist: false }), ['first', 'fast']);
    deepEqual(
      list([first, standing('near', { right: 330, latencyMs: 12 }), fast], { generalist: false }),
      ['first', 'near'],
      'within chance',
    );
  });

  it('keeps the largest although it is dominated: what frozen features miss, its size may have', () => {
    const large = standing('large', { right: 300, latencyMs: 40, sizeMb: 400, memoryMb: 900, parameters: 300 });
    deepEqual(list([first, fast, large]), ['first', 'fast', 'large']);
    deepEqual(list([first, fast, large], { generalist: false }), ['first', 'fast']);
  });

  it('is empty where nothing is tried', () => deepEqual(list([first, fast], { enabled: false }), []));
});

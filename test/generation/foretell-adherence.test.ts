import { deepEqual, equal, ok, throws } from 'node:assert/strict';
import { foretellAdherence, foretellDifference } from '../../activities/generation/foretell-adherence.ts';
import { compareAdherence } from '../../activities/generation/metrics/adherence.ts';
import { seededRandom } from '../../activities/validation/random.ts';
import { wilsonInterval } from '../../activities/validation/statistics.ts';

const near = (value: number, wanted: number): void => ok(Math.abs(value - wanted) < 1e-9, `${value}, not ${wanted}`);

describe('what the gates of adherence should judge over all test prompts', () => {
  it('is Wilson’s interval at the share of the prototype, and what it is already where nothing more is asked', () => {
    const { interval, judged, probability, most } = foretellAdherence(
      { value: 0.9, rows: 40 },
      { rows: 40, nested: true },
      0.7,
    );
    deepEqual(interval, wilsonInterval(36, 40));
    deepEqual(judged, { low: interval.low, high: interval.low });
    equal(probability, 1);
    equal(most, wilsonInterval(40, 40).low);
    equal(foretellAdherence({ value: 0.9, rows: 40 }, { rows: 40, nested: true }, 0.8).probability, 0);
    deepEqual(
      foretellAdherence({ value: 0.875, rows: 40 }, { rows: 719, nested: true }, 0.8).interval,
      wilsonInterval(0.875 * 719, 719),
    );
  });

  it('has the chances of answers to come from those there were: of one more prompt, (kept + ½) / (asked + 1)', () => {
    // 9 of 10 here: with one more that keeps them 10 of 11, and only that reaches the threshold between both ends.
    const threshold = (wilsonInterval(9, 11).low + wilsonInterval(10, 11).low) / 2;
    near(foretellAdherence({ value: 0.9, rows: 10 }, { rows: 11, nested: true }, threshold).probability, 9.5 / 11);
    // Two anew: both keep them.
    const both = (wilsonInterval(1, 2).low + wilsonInterval(2, 2).low) / 2;
    near(
      foretellAdherence({ value: 0.9, rows: 10 }, { rows: 2, nested: false }, both).probability,
      (9.5 / 11) * (10.5 / 12),
    );
  });

  it('loses no chance over the most prompts that are asked, where all or none keep the guidelines', () => {
    for (const value of [0, 0.5, 1]) {
      const { probability, judged } = foretellAdherence({ value, rows: 200 }, { rows: 5000, nested: false }, 0);
      near(probability, 1);
      ok(judged.low <= judged.high);
    }
    throws(() => foretellAdherence({ value: null, rows: 0 }, { rows: 9, nested: true }, 0.8), /no answer was judged/);
    equal(foretellDifference({ value: null, interval: null, rows: 0 }, { rows: 9, nested: true }), null);
  });

  it('is foretold, in 95 of 100 draws, of adherence and of the gain alike, and passes as often as is told', () => {
    const [asked, all, draws, threshold] = [60, 400, 600, 0.8];
    const seen = { adherence: 0, gain: 0, passed: 0, told: 0 };
    for (let draw = 0; draw < draws; draw += 1) {
      const random = seededRandom(draw, 1);
      const [keeps, plain] = [0.65 + 0.33 * random.uniform(), 0.1 + 0.5 * random.uniform()];
      const answers = (share: number) => Array.from({ length: all }, () => ({ adherent: random.uniform() < share }));
      const [model, base] = [answers(keeps), answers(plain)];
      const kept = (rows: number): number => model.slice(0, rows).filter(({ adherent }) => adherent).length;
      const over = { rows: all, nested: true };
      const told = foretellAdherence({ value: kept(asked) / asked, rows: asked }, over, threshold);
      const gain = foretellDifference(compareAdherence(model.slice(0, asked), base.slice(0, asked)).difference, over)!;
      const end = wilsonInterval(kept(all), all).low;
      const gained = compareAdherence(model, base).difference.interval!.low;
      seen.adherence += Number(told.judged.low <= end && end <= told.judged.high) / draws;
      seen.gain += Number(gain.low <= gained && gained <= gain.high) / draws;
      seen.passed += Number(end >= threshold) / draws;
      seen.told += told.probability / draws;
    }
    ok(seen.adherence > 0.93 && seen.adherence < 0.98, `adherence: ${seen.adherence}`);
    ok(seen.gain > 0.92 && seen.gain < 0.98, `gain: ${seen.gain}`);
    ok(Math.abs(seen.passed - seen.told) < 0.04, `${seen.passed} passed, ${seen.told} told`);
  });
});
